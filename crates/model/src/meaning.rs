//! The unit and the description of a KPI, as its sender or a person states them.

use serde::{Deserialize, Serialize};

/// Most characters of a unit.
pub const MAX_UNIT: usize = 32;
/// Most characters of a description.
pub const MAX_DESCRIPTION: usize = 300;

/// The meaning of a KPI's values. A part that is absent was not stated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meaning {
    /// The unit of the values as they are shown and stored: a code of UCUM such as `By`, `ms` or
    /// `{request}/s`, a word of OpenMetrics such as `seconds`, or any short text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// A sentence about the KPI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Meaning {
    /// The meaning of exactly these texts; an empty one is absent.
    ///
    /// # Errors
    /// The rule that a text breaks, fit to show to the sender.
    pub fn new(unit: &str, description: &str) -> Result<Self, String> {
        let checked = |name: &str, text: &str, most: usize| {
            let text = text.trim();
            if text.chars().count() > most || text.chars().any(is_odd) {
                return Err(format!("{name} must be at most {most} characters without control characters"));
            }
            Ok((!text.is_empty()).then(|| text.to_owned()))
        };
        let unit = checked("unit", unit, MAX_UNIT)?;
        Ok(Self { unit, description: checked("description", description, MAX_DESCRIPTION)? })
    }

    /// The meaning that an agent states. Long descriptions are cut, other characters are removed.
    pub fn made_legal(unit: &str, description: &str) -> Self {
        let legal = |text: &str, most: usize| {
            let text: String = text.trim().chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).collect();
            let legal: String = text.chars().filter(|c| !is_odd(*c)).take(most).collect();
            (!legal.is_empty()).then_some(legal)
        };
        // A unit that was cut would be another unit.
        let unit = legal(unit, usize::MAX).filter(|unit| unit.chars().count() <= MAX_UNIT);
        Self { unit, description: legal(description, MAX_DESCRIPTION) }
    }

    /// The meaning of the increase per second of such values.
    #[must_use]
    pub fn per_second(self) -> Self {
        let unit = self.unit.map(|unit| format!("{unit}/s")).filter(|unit| unit.chars().count() <= MAX_UNIT);
        Self { unit, ..self }
    }

    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        self.unit.is_none() && self.description.is_none()
    }

    /// The symbol that people read, such as `ms` or `B/s`; empty for a plain number.
    pub fn symbol(&self) -> String {
        self.unit.as_deref().map(symbol).unwrap_or_default()
    }
}

/// Characters that could forge what a terminal or a page shows.
fn is_odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The symbol of a unit that is stated in UCUM (ucum.org, "case sensitive" codes) or as a word of
/// OpenMetrics. Other units are their own symbols.
pub fn symbol(unit: &str) -> String {
    if let Some((top, below)) = unit.rsplit_once('/') {
        let (top, below) = (symbol(top), symbol(below));
        return if below.is_empty() { top } else { format!("{top}/{below}") };
    }
    // An annotation: a plain number of things.
    if let Some(things) = unit.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return things.to_owned();
    }
    let symbol = match unit {
        "1" | "ratio" | "none" => "",
        "percent" => "%",
        "By" | "bytes" | "byte" => "B",
        "KiBy" => "KiB",
        "MiBy" => "MiB",
        "GiBy" => "GiB",
        "TiBy" => "TiB",
        "kBy" => "kB",
        "MBy" => "MB",
        "GBy" => "GB",
        "TBy" => "TB",
        "seconds" | "second" => "s",
        "milliseconds" => "ms",
        "us" | "microseconds" => "µs",
        "nanoseconds" => "ns",
        "minutes" => "min",
        "hours" => "h",
        "days" => "d",
        "Cel" | "celsius" => "°C",
        "[degF]" | "fahrenheit" => "°F",
        "kelvins" => "K",
        "volts" => "V",
        "amperes" => "A",
        "watts" => "W",
        "joules" => "J",
        "hertz" => "Hz",
        "meters" => "m",
        "grams" => "g",
        "bits" => "bit",
        other => other,
    };
    symbol.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_shown_as_people_write_them() {
        for (unit, shown) in [
            ("By", "B"),
            ("By/s", "B/s"),
            ("s", "s"),
            ("ms", "ms"),
            ("1", ""),
            ("1/s", "/s"),
            ("{request}", "request"),
            ("{request}/s", "request/s"),
            ("%", "%"),
            ("Cel", "°C"),
            ("seconds", "s"),
            ("seconds/s", "s/s"),
            ("EUR", "EUR"),
            ("/", ""),
            ("{", "{"),
        ] {
            assert_eq!(symbol(unit), shown, "{unit}");
        }
        assert_eq!(Meaning::default().symbol(), "");
    }

    #[test]
    fn exact_texts_are_checked_and_those_of_agents_made_legal() {
        let stated = Meaning::new(" ms ", "").unwrap();
        assert_eq!((stated.unit.as_deref(), stated.description.as_deref()), (Some("ms"), None));
        for (unit, description) in [("x".repeat(33), String::new()), (String::new(), "a\u{202e}b".to_owned())] {
            assert!(Meaning::new(&unit, &description).unwrap_err().contains("at most"));
        }
        let long = format!("a\nb\u{202e}c{}", "x".repeat(400));
        let made = Meaning::made_legal(&"x".repeat(33), &long);
        assert_eq!(made.unit, None);
        assert!(
            made.description.as_ref().is_some_and(|text| text.starts_with("a bc") && text.len() == MAX_DESCRIPTION)
        );
        assert!(Meaning::made_legal(" ", "\u{7}").is_empty());
    }

    #[test]
    fn an_increase_per_second_has_its_own_unit() {
        assert_eq!(Meaning::made_legal("By", "x").per_second().unit.as_deref(), Some("By/s"));
        assert_eq!(Meaning::made_legal("", "x").per_second().unit, None);
    }
}
