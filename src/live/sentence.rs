//! An anomaly in one sentence, from its own numbers alone: the series, the value with its unit, the
//! expected value and range, how far it is off, the start, the number of samples, and the end.
//!
//! The part without times, counts and the end is the *finding*. It is sent with the sentence, so
//! that clients write the rest in the reader's time zone. They write what this file writes:
//! `tests/conformance/sentences.json` has the cases that all are tested with. Numbers are written
//! as the dashboard writes them, by `earcon_model::quantity`.

use earcon_model::quantity::{Unit, thousands};
use earcon_model::wording::{departure, series_name};
use earcon_model::{Anomaly, Direction, EpisodeEnd, Feature};

/// A value that is less far off than this, in distances that the range allows, is said to be
/// outside of it and no more.
const LEAST_FACTOR: f64 = 1.05;
/// Beyond this factor, the distance that the range allows is too small for a comparison.
const LARGEST_FACTOR: f64 = 100.0;

/// The sentence, in English. Times are UTC.
pub fn sentence(anomaly: &Anomaly) -> String {
    sentence_of(&finding(anomaly), anomaly)
}

/// The sentence of a [`finding`].
pub fn sentence_of(finding: &str, anomaly: &Anomaly) -> String {
    let since = time(anomaly.opened_at_ms);
    let until = anomaly.closed_at_ms.map(|_| format!(", until {}", time(anomaly.last_at_ms))).unwrap_or_default();
    let samples = if anomaly.samples == 1 { "sample" } else { "samples" };
    let over = match anomaly.end {
        Some(EpisodeEnd::Calm) => "; it is over because its values were in the range expected by then",
        Some(EpisodeEnd::SeriesEnded) => "; it is over because its series ended",
        Some(EpisodeEnd::Stalled) => "; it is over because its series stalled",
        Some(EpisodeEnd::Deleted) => "; it is over because a person deleted samples of it",
        Some(EpisodeEnd::OtherSide) => "; it is over because its values crossed to the other side",
        None => "",
    };
    format!("{finding}; since {since}{until} ({} anomalous {samples}){over}.", count(anomaly.samples.into()))
}

/// The sentence without times, the number of samples and the end.
///
/// "Above" and "below" compare the value at the peak with the range that is named, so they cannot
/// contradict it. A value that repeats is neither, and its range has the value taken out: it is not
/// named.
pub fn finding(anomaly: &Anomaly) -> String {
    let name = series_name(&anomaly.kpi, &anomaly.labels);
    let unit = Unit::of_kpi(anomaly.kpi.as_str(), anomaly.unit.as_deref());
    let repeats = anomaly.reason == Feature::Volatility;
    let side = side(anomaly).filter(|_| !repeats);
    let what = match side {
        None if !repeats => "is anomalous",
        side => departure(anomaly.reason, side),
    };
    if repeats {
        return format!("{name} {what}: {}", unit.write(anomaly.peak_value));
    }
    let more = side.map_or(0, |side| decimals(anomaly, side, &unit));
    let value = unit.write_finer(anomaly.peak_value, more);
    let known = anomaly.peak_expected.is_finite().then(|| unit.write_finer(anomaly.peak_expected, more));
    let expected = match (known, range(anomaly, &unit, more)) {
        (Some(expected), Some(range)) => format!(" where {expected} was expected ({range})"),
        (Some(one), None) | (None, Some(one)) => format!(" where {one} was expected"),
        (None, None) => String::new(),
    };
    let factor = side.and_then(|side| factor(anomaly, side)).map(factor_text).unwrap_or_default();
    format!("{name} {what}: {value}{expected}{factor}")
}

/// The side of its range on which the value at the peak lies; `None` if it is inside, or if the
/// edge is not known.
fn side(anomaly: &Anomaly) -> Option<Direction> {
    match anomaly.peak_value {
        value if value > anomaly.peak_upper => Some(Direction::Above),
        value if value < anomaly.peak_lower => Some(Direction::Below),
        _ => None,
    }
}

/// The edge of the range on one side.
fn edge(anomaly: &Anomaly, side: Direction) -> f64 {
    match side {
        Direction::Above => anomaly.peak_upper,
        Direction::Below => anomaly.peak_lower,
    }
}

/// The decimals that the numbers need beyond the usual ones, so that the value and the edge that it
/// left do not look equal.
fn decimals(anomaly: &Anomaly, side: Direction, unit: &Unit) -> u8 {
    let ends = [anomaly.peak_lower, anomaly.peak_upper].map(|end| if bounds(end) { end } else { edge(anomaly, side) });
    unit.decimals_between(anomaly.peak_value, edge(anomaly, side), (ends[0], ends[1]))
}

/// Whether the end of a range bounds it.
fn bounds(end: f64) -> bool {
    end.abs() < f64::MAX
}

/// `90.25–105.8 ms`, or `at least 90.25 ms` of a range with one end. `None` if an end is not known.
fn range(anomaly: &Anomaly, unit: &Unit, more: u8) -> Option<String> {
    let (lower, upper) = (anomaly.peak_lower, anomaly.peak_upper);
    match (bounds(lower), bounds(upper)) {
        _ if lower.is_nan() || upper.is_nan() => None,
        (true, true) => Some(unit.write_range_finer(lower, upper, more)),
        (true, false) => Some(format!("at least {}", unit.write_finer(lower, more))),
        (false, true) => Some(format!("at most {}", unit.write_finer(upper, more))),
        (false, false) => None,
    }
}

/// How far the value is from the expected one, in distances that the range allows on that side.
/// `None` if it allows none, if the value is hardly outside, or if it is the mean of several values
/// that is out: then the range is that of the next value, and narrow because of those before.
fn factor(anomaly: &Anomaly, side: Direction) -> Option<f64> {
    if anomaly.reason == Feature::Slope {
        return None;
    }
    // Halves, so that differences of the largest numbers are finite.
    let distance = |to: f64| (0.5 * to - 0.5 * anomaly.peak_expected).abs();
    let allowed = distance(edge(anomaly, side));
    let factor = distance(anomaly.peak_value) / allowed;
    (allowed > 0.0 && factor >= LEAST_FACTOR).then_some(factor)
}

/// One decimal up to 10, none up to 100.
fn factor_text(factor: f64) -> String {
    let times = match factor {
        _ if factor > LARGEST_FACTOR => format!("more than {LARGEST_FACTOR}"),
        _ if factor >= 9.95 => format!("{}", factor.round()),
        _ => format!("{}", (10.0 * factor).round() / 10.0),
    };
    format!(", {times} times as far from the expected value as the range allows")
}

/// A count with its thousands apart.
pub fn count(number: u64) -> String {
    thousands(&number.to_string())
}

/// Times that are written as such: from 1000-01-01 to the last days of 9999.
const WRITTEN_MS: std::ops::Range<i64> = -30_610_224_000_000..253_402_128_000_000;

/// `2026-01-01 12:00:05 UTC`; milliseconds for times beyond the calendar.
pub(super) fn time(timestamp_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(timestamp_ms) {
        Ok(at) if WRITTEN_MS.contains(&timestamp_ms) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        _ => format!("{timestamp_ms} ms"),
    }
}

#[cfg(test)]
mod tests;
