//! Single cells.

use super::options::DecimalSign;

/// How a cell looks as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Digits alone: no sign to decide.
    Whole,
    /// A fraction behind a point.
    Point,
    /// A fraction behind a comma: not three digits, so no thousands.
    Comma,
    /// One to three digits, a comma and three digits: a fraction, or thousands.
    CommaOrThousands,
    /// Not a number.
    Other,
}

/// How a cell looks as a number.
pub(super) fn look(text: &str) -> Look {
    if text.parse::<f64>().is_ok_and(f64::is_finite) {
        return if text.contains('.') { Look::Point } else { Look::Whole };
    }
    let Some((before, after)) = text.split_once(',') else { return Look::Other };
    let digits = before.trim_start_matches(['-', '+']);
    if with_point(text).is_none() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Look::Other;
    }
    let like_thousands = (1..=3).contains(&digits.len()) && digits != "0" && after.len() == 3;
    if like_thousands { Look::CommaOrThousands } else { Look::Comma }
}

/// The number with a decimal comma, as one with a point.
fn with_point(text: &str) -> Option<f64> {
    let plain = !text.contains('.') && text.matches(',').count() == 1;
    plain.then(|| text.replace(',', ".").parse().ok()).flatten().filter(|value: &f64| value.is_finite())
}

/// The finite number in a cell.
pub(super) fn parse_value(cell: &[u8], decimal: DecimalSign) -> Option<f64> {
    let text = std::str::from_utf8(cell).ok()?;
    if decimal == DecimalSign::Comma && text.contains(',') {
        return with_point(text);
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Whether a cell marks a missing value, in one of the usual spellings.
pub(super) fn is_missing(cell: &[u8]) -> bool {
    ["", "na", "n/a", "nan", "null", "none", "-"].iter().any(|word| cell.eq_ignore_ascii_case(word.as_bytes()))
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
            ("1,234", Look::CommaOrThousands),
            ("12,345", Look::CommaOrThousands),
            ("1,234,567", Look::Other),
            ("1.234,5", Look::Other),
            ("a,b", Look::Other),
            ("", Look::Other),
            ("inf", Look::Other),
        ] {
            assert_eq!(look(text), expected, "{text}");
        }
    }

    #[test]
    fn the_decimal_sign_decides_the_value() {
        assert_eq!(parse_value(b"1,5", DecimalSign::Comma), Some(1.5));
        assert_eq!(parse_value(b"1.5", DecimalSign::Comma), Some(1.5));
        assert_eq!(parse_value(b"1,5", DecimalSign::Point), None);
        assert_eq!(parse_value(b"1.234,5", DecimalSign::Comma), None);
        assert_eq!(parse_value(b"1,234,567", DecimalSign::Comma), None);
    }
}
