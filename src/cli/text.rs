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
