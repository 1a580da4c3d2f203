//! The sentence of an anomaly, with times in the reader's zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::anomaly::Anomaly;

/// Times that are written as such: from 1000-01-01 to the last days of 9999, in milliseconds.
const WRITTEN_MS: std::ops::Range<i64> = -30_610_224_000_000..253_402_128_000_000;

/// An anomaly in words: series, value, expectation, start and end. In UTC this is
/// [`Anomaly::sentence`], unless [`Anomaly::samples`] or [`Anomaly::last_at`] were counted on
/// by the reader.
pub fn sentence(anomaly: &Anomaly, zone: &TimeZone) -> String {
    let since = time(anomaly.opened_at, zone);
    let until = anomaly.closed_at.map(|_| format!(", until {}", time(anomaly.last_at, zone))).unwrap_or_default();
    let samples = if anomaly.samples == 1 { "sample" } else { "samples" };
    let over = match anomaly.end.as_deref() {
        Some("calm") => "; it is over because its values were in the range expected by then",
        Some("series_ended") => "; it is over because its series ended",
        Some("stalled") => "; it is over because its series stalled",
        Some("deleted") => "; it is over because a person deleted samples of it",
        Some("other_side") => "; it is over because its values crossed to the other side",
        _ => "",
    };
    let (finding, count) = (&anomaly.finding, grouped(anomaly.samples));
    format!("{finding}; since {since}{until} ({count} anomalous {samples}){over}.")
}

/// `2026-01-01 13:00:05 +01:00`, or `… UTC` without an offset.
fn time(ms: i64, zone: &TimeZone) -> String {
    let at = match Timestamp::from_millisecond(ms) {
        Ok(at) if WRITTEN_MS.contains(&ms) => at.to_zoned(zone.clone()),
        _ => return format!("{ms} ms"),
    };
    format!("{} {}", at.strftime("%Y-%m-%d %H:%M:%S"), offset(at.offset().seconds()))
}

/// Zones had offsets with seconds before clocks were set by zones.
fn offset(seconds: i32) -> String {
    let (sign, size) = if seconds < 0 { ('-', -seconds) } else { ('+', seconds) };
    match (size / 3_600, size / 60 % 60, size % 60) {
        (0, 0, 0) => "UTC".to_owned(),
        (hours, minutes, 0) => format!("{sign}{hours:02}:{minutes:02}"),
        (hours, minutes, seconds) => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// Digits in groups of three when there are more than four.
fn grouped(count: u32) -> String {
    let digits = count.to_string();
    if digits.len() <= 4 {
        return digits;
    }
    let mut text = String::with_capacity(digits.len() + 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        anomaly: Anomaly,
        zone: String,
        in_zone: String,
    }

    #[test]
    fn the_sentence_is_the_server_s_in_any_zone() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../../tests/conformance/sentences.json")).unwrap();
        for Case { anomaly, zone, in_zone } in cases {
            assert_eq!(sentence(&anomaly, &TimeZone::UTC), anomaly.sentence);
            assert_eq!(sentence(&anomaly, &TimeZone::get(&zone).unwrap()), in_zone);
        }
    }
}
