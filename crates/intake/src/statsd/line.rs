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

impl Kind {
    fn parse(field: Option<&str>) -> Result<Self, String> {
        match field {
            Some("c") => Ok(Kind::Counter),
            Some("g") => Ok(Kind::Gauge),
            Some("ms" | "h" | "d") => Ok(Kind::Timer),
            Some("s") => Ok(Kind::Set),
            Some(other) => Err(format!("has the unknown type {:?}", excerpt(other))),
            None => Err("has no type; write name:value|type".to_owned()),
        }
    }
}

impl<'a> Line<'a> {
    /// The values as texts; at least one, which may be empty.
    pub fn values(&self) -> impl Iterator<Item = &'a str> {
        // The member of a set may contain a colon and is one value.
        let separator = if self.kind == Kind::Set { '\n' } else { ':' };
        self.values.split(separator)
    }

    fn check_values(&self) -> Result<(), String> {
        if self.kind == Kind::Set {
            return Ok(());
        }
        self.values().try_for_each(|value| number(value).map(|_| ()))
    }
}

/// Parses a line: one element for each sample rate or type in it, none for lines that are legal but
/// ignored. All values are valid, so a line is taken whole or not at all.
///
/// # Errors
/// The problem of the line, fit to show to the sender's operator.
pub fn parse_line(line: &[u8]) -> Result<Vec<Line<'_>>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "is not UTF-8".to_owned())?;
    if text.starts_with("_e{") || text.starts_with("_sc|") {
        return Ok(Vec::new());
    }
    let mut fields = text.split('|');
    let head = fields.next().unwrap_or_default();
    let kind = fields.next();
    let rate = fields.clone().next().filter(|field| field.starts_with('@'));
    if [kind, rate].into_iter().flatten().any(|field| field.contains(':'))
        && let Some((name, parts)) = text.split_once(':')
        && !name.is_empty()
    {
        return parse_parts(name, parts);
    }
    let kind = Kind::parse(kind)?;
    let (name, values) = head.split_once(':').ok_or("has no value; write name:value|type")?;
    if name.is_empty() {
        return Err("has no name".to_owned());
    }
    let mut line = Line { name, values, kind, rate: 1.0, tags: "" };
    let (mut has_rate, mut has_tags) = (false, false);
    for field in fields {
        if let Some(rate) = field.strip_prefix('@') {
            line.rate = sample_rate(rate)?;
            if std::mem::replace(&mut has_rate, true) {
                return Err("has two sample rates".to_owned());
            }
        } else if let Some(tags) = field.strip_prefix('#') {
            line.tags = tags;
            if std::mem::replace(&mut has_tags, true) {
                return Err("has tags in two fields; write #a:1,b:2".to_owned());
            }
        } else if field.parse::<f64>().is_ok() {
            return Err(format!("has the field {:?}; a sample rate begins with @", excerpt(field)));
        }
        // Fields of later protocol versions do not change a value.
    }
    line.check_values()?;
    Ok(vec![line])
}

/// The form of the original daemon: each part `value|type` or `value|type|@rate`. Types and rates
/// of DogStatsD never contain a colon.
fn parse_parts<'a>(name: &'a str, parts: &'a str) -> Result<Vec<Line<'a>>, String> {
    let part = |part: &'a str| {
        let mut fields = part.split('|');
        let values = fields.next().unwrap_or_default();
        let kind = Kind::parse(fields.next())?;
        let rate = fields.next().map_or(Ok(1.0), |field| {
            let rate = field.strip_prefix('@').ok_or_else(|| format!("has the field {:?}", excerpt(field)))?;
            sample_rate(rate)
        })?;
        if let Some(field) = fields.next() {
            return Err(format!("has the field {:?}", excerpt(field)));
        }
        let line = Line { name, values, kind, rate, tags: "" };
        line.check_values()?;
        Ok(line)
    };
    parts.split(':').map(part).collect()
}

fn sample_rate(text: &str) -> Result<f64, String> {
    let parsed = text.parse().ok().filter(|rate| *rate > 0.0 && *rate <= 1.0);
    parsed.ok_or_else(|| format!("has the sample rate {:?}, not one of 0 to 1", excerpt(text)))
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
        let [line] = parse_line(text.as_bytes()).unwrap()[..] else { panic!("{text} is not one line") };
        line
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
        assert_eq!(parse_line(b"_e{5,4}:title|text"), Ok(Vec::new()));
        assert_eq!(parse_line(b"_sc|name|0"), Ok(Vec::new()));
    }

    #[test]
    fn line_of_the_original_daemon_holds_several_types_and_rates() {
        let read = |text: &'static str| {
            let lines = parse_line(text.as_bytes()).unwrap();
            lines.into_iter().map(|line| (line.name, line.values, line.kind, line.rate)).collect::<Vec<_>>()
        };
        let (timer, counter) = (Kind::Timer, Kind::Counter);
        let expected = [("a", "581", timer, 1.0), ("a", "593", timer, 0.5), ("a", "610", timer, 1.0)];
        assert_eq!(read("a:581|ms:593|ms|@0.5:610|ms"), expected);
        assert_eq!(read("a:1|c|@0.1:2|c"), [("a", "1", counter, 0.1), ("a", "2", counter, 1.0)]);
        for text in ["a:1|c:x|c", "a:1|c:2|q", "a:1|c:2|c|#tag", "a:1|c:2"] {
            assert!(parse_line(text.as_bytes()).is_err(), "{text}");
        }
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
            ("a:1|c|0.1", "begins with @"),
            ("a:1|c|@0.1|@0.5", "two sample rates"),
            ("a:1|c|#a:1|#b:2", "two fields"),
            ("a:1|c:2|c|@0.1|@0.5", "the field \"@0.5\""),
        ] {
            let error = parse_line(text.as_bytes()).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(parse_line(b"a\xff:1|c").unwrap_err().contains("UTF-8"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(line in prop::collection::vec(any::<u8>(), 0..80)) {
            for line in parse_line(&line).unwrap_or_default() {
                prop_assert!(line.values().count() > 0 && line.rate > 0.0);
            }
        }
    }
}
