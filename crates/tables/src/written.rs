//! Numbers that are not written as plain numbers.

use std::borrow::Cow;

use super::cell::{Look, look};

/// Signs that stand only between thousands.
const GROUP_SIGNS: [char; 6] = [' ', '\u{a0}', '\u{202f}', '\u{2009}', '\'', '\u{2019}'];
/// Units that are written directly behind a number, in lower case.
const UNITS: [&str; 56] = [
    "ns", "us", "µs", "μs", "ms", "s", "sec", "min", "h", "hrs", "kg", "mg", "g", "km", "cm", "mm", "kb", "mb", "gb",
    "tb", "kib", "mib", "gib", "tib", "kbps", "mbps", "gbps", "mv", "kv", "ma", "kw", "mw", "gw", "kwh", "mwh", "wh",
    "hz", "khz", "mhz", "ghz", "°c", "°f", "°", "rpm", "bar", "psi", "hpa", "kpa", "ml", "eur", "usd", "chf", "gbp",
    "pct", "k", "bn",
];
/// Names of currencies that are written before a number.
const CURRENCIES: [&str; 8] = ["EUR", "USD", "CHF", "GBP", "JPY", "Fr.", "kr", "Rs"];
/// The longest unit behind a space, characters.
const LONGEST_UNIT: usize = 8;

/// The text with an ASCII minus and without the signs that stand only between thousands.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii() && byte != b'\'' && byte != b' ');
    if is_plain {
        return Cow::Borrowed(text);
    }
    let text = text.trim();
    let (minus, digits) = match text.strip_prefix('\u{2212}') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let end = digits.find(['.', ',']).unwrap_or(digits.len());
    let (whole, fraction) = digits.split_at(end);
    let joined = GROUP_SIGNS.iter().find_map(|sign| super::cell::grouped(whole, *sign));
    Cow::Owned(format!("{minus}{}{fraction}", joined.as_deref().unwrap_or(whole)))
}

/// Whether the text is a number with other signs: `12%`, `€12`, `(3)`, `3 ms`, `="5"`.
pub(super) fn is_number_with_signs(text: &str) -> bool {
    if look(text) != Look::Other {
        return false;
    }
    // Digits of other scripts.
    let text: String = text.chars().map(|c| if !c.is_ascii() && c.is_numeric() { '0' } else { c }).collect();
    let is_before = |c: char| c.is_whitespace() || "=\"'(<>~≈≤≥±+-−–".contains(c) || is_currency(c);
    let mut rest = text.trim_start_matches(is_before);
    for currency in CURRENCIES {
        rest = rest.strip_prefix(currency).map_or(rest, |rest| rest.trim_start_matches(is_before));
    }
    if !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == ',') {
        return false;
    }
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '_') || GROUP_SIGNS.contains(&c);
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let number = rest[..end].trim_end_matches(|c| GROUP_SIGNS.contains(&c));
    // A number in groups of another length, or with signs of another kind.
    let in_groups = || number.contains(|c: char| c.is_ascii_digit()) && !number.contains('.');
    (look(number) != Look::Other || in_groups()) && is_suffix(&rest[number.len()..])
}

fn is_suffix(text: &str) -> bool {
    let unit = text.trim_matches(|c: char| c.is_whitespace() || ")\"'*?-−".contains(c));
    let is_word = |c: char| c.is_alphabetic() || "°µ/²³·%".contains(c);
    let after_space =
        text.starts_with(char::is_whitespace) && unit.chars().all(is_word) && unit.chars().count() <= LONGEST_UNIT;
    unit.chars().all(|c| matches!(c, '%' | '‰') || is_currency(c))
        || after_space
        || UNITS.contains(&unit.to_lowercase().as_str())
}

fn is_currency(c: char) -> bool {
    matches!(c, '$' | '£' | '¥' | '¢') || ('\u{20a0}'..='\u{20cf}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::parse_value;
    use crate::options::DecimalSign;

    #[test]
    fn signs_that_have_one_meaning_are_read_exactly() {
        for (text, expected) in [
            ("1 230,5", 1_230.5),
            ("1\u{a0}230", 1_230.0),
            ("1\u{202f}234\u{202f}567,25", 1_234_567.25),
            ("1'230,5", 1_230.5),
            ("\u{2212}3", -3.0),
            ("\u{2212}1\u{2019}230", -1_230.0),
            ("-12 345", -12_345.0),
            ("\u{a0}7", 7.0),
        ] {
            assert_eq!(parse_value(text.as_bytes(), DecimalSign::Comma), Some(expected), "{text:?}");
            assert_ne!(look(text), Look::Other, "{text:?}");
        }
        assert_eq!(look("1'230.5"), Look::Point);
        for text in ["1 23", "1 2345", "1 234'567", "12 Main", "\u{2212}", " "] {
            assert_eq!(parse_value(text.as_bytes(), DecimalSign::Point), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_with_signs_are_told_from_names() {
        for text in [
            "12%",
            "12 %",
            "€12",
            "12 €",
            "$1,234.50",
            "(3)",
            "3 ms",
            "3ms",
            "=\"5\"",
            "\u{2013}3",
            "5-",
            "~5",
            "<0.1",
            "USD 12",
            "1,23,456",
            "1_000",
            "12kWh",
            "３",
            "4 req/s",
            "-$3",
        ] {
            assert!(is_number_with_signs(text), "{text:?}");
        }
        for text in [
            "",
            "12",
            "1.5",
            "eu",
            "10.0.0.1",
            "1.2.3",
            "2026-01-01",
            "10:00",
            "7a",
            "A7",
            "3rd",
            "#12",
            "v1.2",
            "1/2",
            "12 Main Street",
            "-",
            "%",
            "us-east-1",
            "1-2",
        ] {
            assert!(!is_number_with_signs(text), "{text:?}");
        }
    }
}
