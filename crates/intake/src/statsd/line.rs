//! Parses one StatsD line.

/// The kind of a line's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A number of events.
    Counter,
    /// A current value.
    Gauge,
    /// A duration or size.
    Timer,
    /// A member; the number of distinct members is the value.
    Set,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Timer => "timer",
            Kind::Set => "set",
        }
    }
}

/// One parsed line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line<'a> {
    /// As sent.
    pub name: &'a str,
    /// One or several, separated by `:`; for a set, any text.
    values: &'a str,
    /// Their kind.
    pub kind: Kind,
    /// The share of events that was sent: above 0, at most 1.
    pub rate: f64,
    /// As sent, `key:value,key:value`; may be empty.
    pub tags: &'a str,
}

impl<'a> Line<'a> {
    /// The values as texts; at least one, which may be empty.
    pub fn values(&self) -> impl Iterator<Item = &'a str> {
        // The member of a set may contain a colon and is one value.
        let separator = if self.kind == Kind::Set { '\n' } else { ':' };
        self.values.split(separator)
    }
}

/// Parses a line. `Ok(None)` for lines that are legal but ignored.
///
/// # Errors
/// The problem of the line, fit to show to the sender's operator.
pub fn parse_line(line: &[u8]) -> Result<Option<Line<'_>>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "is not UTF-8".to_owned())?;
    if text.starts_with("_e{") || text.starts_with("_sc|") {
        return Ok(None);
    }
    let mut fields = text.split('|');
    let head = fields.next().unwrap_or_default();
    let kind = match fields.next() {
        Some("c") => Kind::Counter,
        Some("g") => Kind::Gauge,
        Some("ms" | "h" | "d") => Kind::Timer,
        Some("s") => Kind::Set,
        Some(other) => return Err(format!("has the unknown type {:?}", excerpt(other))),
        None => return Err("has no type; write name:value|type".to_owned()),
    };
    let (name, values) = head.split_once(':').ok_or("has no value; write name:value|type")?;
    if name.is_empty() {
        return Err("has no name".to_owned());
    }
    let mut line = Line { name, values, kind, rate: 1.0, tags: "" };
    for field in fields {
        if let Some(rate) = field.strip_prefix('@') {
            let parsed = rate.parse().ok().filter(|rate| *rate > 0.0 && *rate <= 1.0);
            line.rate = parsed.ok_or_else(|| format!("has the sample rate {:?}, not one of 0 to 1", excerpt(rate)))?;
        } else if let Some(tags) = field.strip_prefix('#') {
            line.tags = tags;
        }
        // Fields of later protocol versions do not change a value.
    }
    Ok(Some(line))
}

/// Parses a value as a finite number.
pub(super) fn number(text: &str) -> Result<f64, String> {
    let parsed = text.parse().ok().filter(|value: &f64| value.is_finite());
    parsed.ok_or_else(|| format!("has the value {:?}, which is not a finite number", excerpt(text)))
}

/// The beginning of a text, for a message.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Line<'_> {
        parse_line(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn every_documented_form_is_read() {
        let line = parsed("api.requests:3|c|@0.1|#env:prod,canary|c:abc|T1656581400");
        assert_eq!(
            (line.name, line.kind, line.rate, line.tags),
            ("api.requests", Kind::Counter, 0.1, "env:prod,canary")
        );
        assert_eq!(line.values().collect::<Vec<_>>(), ["3"]);
        assert_eq!(parsed("fuel:-5|g").values().collect::<Vec<_>>(), ["-5"]);
        assert_eq!(parsed("page:1:2.5:3|ms").values().collect::<Vec<_>>(), ["1", "2.5", "3"]);
        assert_eq!(parsed("ids:a:b|s").values().collect::<Vec<_>>(), ["a:b"]);
        for (text, kind) in [("a:1|h", Kind::Timer), ("a:1|d", Kind::Timer), ("a:1|s", Kind::Set)] {
            assert_eq!(parsed(text).kind, kind);
        }
        assert_eq!(parse_line(b"_e{5,4}:title|text"), Ok(None));
        assert_eq!(parse_line(b"_sc|name|0"), Ok(None));
    }

    #[test]
    fn problems_are_named() {
        for (text, word) in [
            ("a", "no type"),
            ("a:1", "no type"),
            ("a|c", "no value"),
            (":1|c", "no name"),
            ("a:1|x", "unknown type"),
            ("a:1|c|@0", "sample rate"),
            ("a:1|c|@2", "sample rate"),
            ("a:1|c|@x", "sample rate"),
        ] {
            let error = parse_line(text.as_bytes()).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(parse_line(b"a\xff:1|c").unwrap_err().contains("UTF-8"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(line in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(Some(line)) = parse_line(&line) {
                prop_assert!(line.values().count() > 0 && line.rate > 0.0);
            }
        }
    }
}
