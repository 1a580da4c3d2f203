//! Single cells. Pure.

/// The finite number in a cell.
pub(super) fn parse_value(cell: &[u8]) -> Option<f64> {
    std::str::from_utf8(cell).ok()?.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Whether a cell marks a missing value, in one of the usual spellings.
pub(super) fn is_missing(cell: &[u8]) -> bool {
    ["", "na", "n/a", "nan", "null", "none", "-"].iter().any(|word| cell.eq_ignore_ascii_case(word.as_bytes()))
}

/// The first characters of a cell, for a message.
pub(super) fn excerpt(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).chars().take(40).collect()
}
