//! Single cells.

use super::options::DecimalSign;
use super::written::plain;

/// How a cell looks as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Digits alone: no sign to decide.
    Whole,
    /// The decimal sign is a point: `1.5`, `1,234.5`, `1,234,567`.
    Point,
    /// The decimal sign is a comma: `1,5`, `1.234,5`, `1.234.567`.
    Comma,
    /// One to three digits, a point and three digits: a fraction, or thousands.
    PointOrThousands,
    /// One to three digits, a comma and three digits: a fraction, or thousands.
    CommaOrThousands,
    /// Not a number.
    Other,
}

/// How a cell looks as a number.
pub(super) fn look(text: &str) -> Look {
    let text = &*plain(text);
    let signs = (text.matches('.').count(), text.matches(',').count());
    match signs {
        (0, 0) if finite(text).is_some() => Look::Whole,
        (1, 0) if finite(text).is_some() && grouped(text, '.').is_some() => Look::PointOrThousands,
        (0, 1) if grouped(text, ',').is_some() => Look::CommaOrThousands,
        (0, 1) if finite(&text.replace(',', ".")).is_some() => Look::Comma,
        (1, 0) if finite(text).is_some() => Look::Point,
        _ if parse_text(text, DecimalSign::Point).is_some() => Look::Point,
        _ if parse_text(text, DecimalSign::Comma).is_some() => Look::Comma,
        _ => Look::Other,
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// The digits of a whole number without the signs between its thousands. `None` without such a
/// sign, or with one in another place.
pub(super) fn grouped(text: &str, sign: char) -> Option<String> {
    let digits = text.trim_start_matches(['-', '+']);
    let mut groups = digits.split(sign);
    let first = groups.next()?;
    let is_number = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let begins = (1..=3).contains(&first.len()) && is_number(first) && !first.starts_with('0');
    let follow = digits.len() > first.len() && groups.all(|group| group.len() == 3 && is_number(group));
    (begins && follow).then(|| text.replace(sign, ""))
}

fn parse_text(text: &str, decimal: DecimalSign) -> Option<f64> {
    let (sign, thousands) = match decimal {
        DecimalSign::Point => ('.', ','),
        DecimalSign::Comma => (',', '.'),
    };
    let (whole, fraction) = text.split_once(sign).map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    if fraction.is_some_and(|fraction| fraction.contains(['.', ','])) {
        return None;
    }
    if let Some(whole) = grouped(whole, thousands) {
        return finite(&fraction.map_or_else(|| whole.clone(), |fraction| format!("{whole}.{fraction}")));
    }
    match decimal {
        _ if !text.contains(',') => finite(text),
        DecimalSign::Comma if !text.contains('.') => finite(&text.replace(',', ".")),
        _ => None,
    }
}

/// The finite number in a cell. The other sign may stand between thousands.
pub(super) fn parse_value(cell: &[u8], decimal: DecimalSign) -> Option<f64> {
    parse_text(&plain(std::str::from_utf8(cell).ok()?), decimal)
}

/// The usual spellings of a missing value, and what spreadsheets write for an error.
const MISSING: [&str; 19] = [
    "", "na", "n/a", "nan", "null", "none", "nil", "<na>", "-", "--", "–", "—", "#n/a", "#div/0!", "#value!", "#ref!",
    "#num!", "#null!", "#name?",
];

/// Whether a cell marks a missing value.
pub(super) fn is_missing(cell: &[u8]) -> bool {
    MISSING.iter().any(|word| cell.eq_ignore_ascii_case(word.as_bytes()))
}

/// The first characters of a cell, for a message.
pub(super) fn excerpt(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_told_from_thousands_where_possible() {
        for (text, expected) in [
            ("12", Look::Whole),
            ("-1e3", Look::Whole),
            ("1.5", Look::Point),
            ("1,5", Look::Comma),
            ("-0,125", Look::Comma),
            ("1234,567", Look::Comma),
            ("1234.567", Look::Point),
            ("0.125", Look::Point),
            ("1,234", Look::CommaOrThousands),
            ("-12,345", Look::CommaOrThousands),
            ("1.234", Look::PointOrThousands),
            ("1,234,567", Look::Point),
            ("1,234.5", Look::Point),
            ("1.234,5", Look::Comma),
            ("1.234.567", Look::Comma),
            ("1,23,456", Look::Other),
            ("1,2.5", Look::Other),
            ("1.2.3", Look::Other),
            ("1,5e3", Look::Comma),
            ("a,b", Look::Other),
            ("", Look::Other),
            ("inf", Look::Other),
        ] {
            assert_eq!(look(text), expected, "{text}");
        }
    }

    #[test]
    fn the_decimal_sign_decides_the_value() {
        for (cell, point, comma) in [
            ("1,5", None, Some(1.5)),
            ("1.5", Some(1.5), Some(1.5)),
            ("-1.234", Some(-1.234), Some(-1234.0)),
            ("1,234", Some(1234.0), Some(1.234)),
            ("0.125", Some(0.125), Some(0.125)),
            ("1.234,5", None, Some(1234.5)),
            ("1,234.5", Some(1234.5), None),
            ("1,234,567", Some(1_234_567.0), None),
            ("1.234.567", None, Some(1_234_567.0)),
            ("1e3", Some(1000.0), Some(1000.0)),
            ("1,234e3", None, Some(1_234.0)),
            ("12,34", None, Some(12.34)),
            (",", None, None),
            ("1,234,", None, None),
        ] {
            let parsed = [DecimalSign::Point, DecimalSign::Comma].map(|sign| parse_value(cell.as_bytes(), sign));
            assert_eq!(parsed, [point, comma], "{cell}");
        }
    }
}
