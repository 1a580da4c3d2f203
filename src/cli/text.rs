//! Formats numbers, names and times for the terminal.

use earcon_client::Labels;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::telemetry::plain;

/// A number with at most six significant digits and no trailing zeros.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let magnitude = value.abs().log10().floor();
    if !(-5.0..15.0).contains(&magnitude) {
        return format!("{value:.4e}");
    }
    // Six significant digits, and at most eleven decimals.
    let decimals = (5.0 - magnitude).clamp(0.0, 11.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `checkout.revenue{region=eu}`
pub(super) fn series(kpi: &str, labels: &Labels) -> String {
    if labels.is_empty() {
        return plain(kpi).into_owned();
    }
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    plain(&format!("{kpi}{{{}}}", pairs.join(","))).into_owned()
}

/// `region:eu,zone:a`, the notation that the server parses.
pub(super) fn label_text(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}:{value}")).collect::<Vec<_>>().join(",")
}

/// Rows below their titles, in columns that are as wide as their widest cell.
pub(super) fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = titles.iter().map(ToString::to_string).collect();
    // A line break in a name would begin a row.
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| plain(cell).into_owned()).collect()).collect();
    let widths: Vec<usize> = (0..titles.len())
        .map(|i| rows.iter().chain([&head]).map(|row| row[i].chars().count()).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for row in [&head].into_iter().chain(&rows) {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A time in this machine's time zone. `format` is a strftime format such as `%H:%M:%S%.3f`.
pub(super) fn local(ms: i64, format: &str) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime(format).to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_line_break_begins_no_row() {
        let text = table(&["A", "B"], &[vec!["x\ny".to_owned(), "z".to_owned()]]);
        assert_eq!(text, "A         B\nx\\u000ay  z\n");
    }

    #[test]
    fn numbers_have_at_most_six_significant_digits() {
        let cases = [
            (0.0, "0"),
            (12.5, "12.5"),
            (1_234.567_8, "1234.57"),
            (-0.001_234_567, "-0.00123457"),
            (2_000_000.0, "2000000"),
            (1e20, "1.0000e20"),
            (1e-9, "1.0000e-9"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }
}
