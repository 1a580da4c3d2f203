//! An anomaly in one sentence, from its own numbers alone. The sentence has the value, the expected
//! range, the rank among earlier samples, and the start.
//!
//! Numbers are written as the dashboard writes them, by `earcon_model::quantity`.

use std::fmt::Write;

use earcon_model::quantity::{Unit, thousands};
use earcon_model::wording::counted;
use earcon_model::{Anomaly, Direction, EpisodeEnd, Feature, Rank};

/// The sentence, in English. Times are UTC.
pub fn sentence(anomaly: &Anomaly) -> String {
    let mut text = String::with_capacity(200);
    // Writing to a string does not fail.
    let _infallible = write(&mut text, anomaly).is_err();
    text
}

fn write(text: &mut String, anomaly: &Anomaly) -> std::fmt::Result {
    let unit = Unit::of_kpi(anomaly.kpi.as_str(), anomaly.unit.as_deref());
    write!(text, "{} {}: {}", anomaly.kpi, finding(anomaly), unit.write(anomaly.peak_value))?;
    if anomaly.peak_expected.is_finite() {
        write!(text, " where {} was expected", unit.write(anomaly.peak_expected))?;
        if anomaly.peak_lower.is_finite() && anomaly.peak_upper.is_finite() {
            write!(text, " ({})", unit.write_range(anomaly.peak_lower, anomaly.peak_upper))?;
        }
    }
    match anomaly.rank {
        Some(Rank { of: 0, .. }) | None => {}
        Some(Rank { reached: 0, of }) => write!(text, ", more extreme than all of the {} samples before", grouped(of))?,
        Some(Rank { reached, of }) => {
            let percent = percent_below(reached, of);
            write!(text, ", more extreme than {percent} % of the {} samples before", grouped(of))?;
        }
    }
    write!(text, "; since {}", time(anomaly.opened_at_ms))?;
    if anomaly.closed_at_ms.is_some() {
        write!(text, ", until {}", time(anomaly.last_at_ms))?;
    }
    write!(text, " ({})", counted(anomaly.samples.into(), "anomalous sample", "anomalous samples"))?;
    text.push_str(match anomaly.end {
        Some(EpisodeEnd::Deleted) => "; it is over because a person deleted samples of it.",
        Some(EpisodeEnd::SeriesEnded) => "; it is over because its series ended.",
        Some(EpisodeEnd::Calm) | None => ".",
    });
    Ok(())
}

/// The reason in words. "Above" and "below" compare the value at the peak with the range that the
/// sentence names, so they cannot contradict it.
fn finding(anomaly: &Anomaly) -> &'static str {
    match anomaly.reason {
        Feature::Volatility => "repeats the same value",
        Feature::Slope if anomaly.peak_value > anomaly.peak_upper => "stays above the expected range",
        Feature::Slope if anomaly.peak_value < anomaly.peak_lower => "stays below the expected range",
        Feature::Slope => "stays at an unusual distance from its forecast",
        Feature::RobustZ | Feature::ResidualZ if anomaly.peak_value > anomaly.peak_upper => {
            "is above the expected range"
        }
        Feature::RobustZ | Feature::ResidualZ if anomaly.peak_value < anomaly.peak_lower => {
            "is below the expected range"
        }
        Feature::RobustZ => "is at an unusual distance from its recent median",
        Feature::ResidualZ if anomaly.direction == Direction::Above => "is above its forecast",
        Feature::ResidualZ => "is below its forecast",
    }
}

/// The percentage of `of` samples that are less extreme if `reached` are not. Cut off after two
/// decimals, so that it never rounds up to 100.
fn percent_below(reached: u32, of: u32) -> f64 {
    let less_extreme = u64::from(of.saturating_sub(reached));
    let hundredths = (less_extreme * 10_000).checked_div(u64::from(of)).unwrap_or(0);
    hundredths as f64 / 100.0
}

/// A count with its thousands apart.
pub fn count(number: u64) -> String {
    thousands(&number.to_string())
}

fn grouped(number: u32) -> String {
    count(number.into())
}

/// `2026-01-01 12:00:05 UTC`; milliseconds for times beyond the calendar.
pub(super) fn time(timestamp_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(timestamp_ms) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{timestamp_ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{AnomalyId, KpiName, Labels};

    fn anomaly() -> Anomaly {
        Anomaly {
            id: AnomalyId(uuid::Uuid::nil()),
            kpi: KpiName::new("checkout.revenue").unwrap(),
            labels: Labels::none(),
            opened_at_ms: 1_767_225_600_000,
            last_at_ms: 1_767_225_660_000,
            closed_at_ms: None,
            peak_score: 0.9,
            peak_at_ms: 1_767_225_630_000,
            peak_value: 12.5,
            peak_expected: 98.0,
            peak_lower: 90.25,
            peak_upper: 105.75,
            direction: Direction::Below,
            reason: Feature::ResidualZ,
            samples: 14,
            detector: "d-1".into(),
            acknowledged: None,
            rank: Some(Rank { reached: 0, of: 8_000 }),
            feedback: None,
            muted: None,
            unit: None,
            end: None,
        }
    }

    #[test]
    fn sentence_names_series_range_rank_and_start() {
        assert_eq!(
            sentence(&anomaly()),
            "checkout.revenue is below the expected range: 12.5 where 98 was expected (90.25–105.8), more extreme \
             than all of the 8000 samples before; since 2026-01-01 00:00:00 UTC (14 anomalous samples)."
        );
    }

    #[test]
    fn sentence_has_the_unit_that_was_stated() {
        let of = |unit: &str| sentence(&Anomaly { unit: Some(unit.to_owned()), ..anomaly() });
        assert!(of("ms").contains("12.5 ms where 98 ms was expected (90.25–105.8 ms),"), "{}", of("ms"));
        assert!(of("By/s").contains("12.5 B/s where 98 B/s"), "{}", of("By/s"));
        let large = Anomaly { peak_value: 150e6, unit: Some("By/s".into()), ..anomaly() };
        assert!(sentence(&large).contains(": 150 MB/s where"), "{}", sentence(&large));
        assert!(of("{request}/s").contains("12.5 request/s where"), "{}", of("{request}/s"));
        assert!(of("1/s").contains("12.5/s where 98/s"), "{}", of("1/s"));
        assert!(of("1").contains("12.5 where 98 was"), "{}", of("1"));
    }

    #[test]
    fn sentence_claims_the_range_only_if_the_value_is_outside() {
        let inside = Anomaly { peak_value: 95.0, ..anomaly() };
        let starts = |anomaly: &Anomaly, start: &str| {
            let text = sentence(anomaly);
            assert!(text.starts_with(start), "{text}");
        };
        starts(&Anomaly { peak_value: 120.0, ..anomaly() }, "checkout.revenue is above the expected range: 120");
        starts(&inside, "checkout.revenue is below its forecast: 95");
        let by_median = Anomaly { reason: Feature::RobustZ, ..inside };
        starts(&by_median, "checkout.revenue is at an unusual distance from its recent median: 95");
        let higher = Anomaly { reason: Feature::Slope, peak_value: 120.0, ..anomaly() };
        starts(&higher, "checkout.revenue stays above the expected range: 120");
        starts(
            &Anomaly { reason: Feature::Slope, ..by_median },
            "checkout.revenue stays at an unusual distance from its forecast: 95",
        );
    }

    #[test]
    fn sentence_omits_unknown_values() {
        let nan = f64::NAN;
        let bare =
            Anomaly { rank: None, peak_expected: nan, peak_lower: nan, peak_upper: nan, samples: 1, ..anomaly() };
        assert_eq!(
            sentence(&Anomaly { closed_at_ms: Some(1_767_225_700_000), reason: Feature::Volatility, ..bare }),
            "checkout.revenue repeats the same value: 12.5; since 2026-01-01 00:00:00 UTC, until 2026-01-01 \
             00:01:00 UTC (1 anomalous sample)."
        );
        let deleted = Anomaly { closed_at_ms: Some(1), end: Some(EpisodeEnd::Deleted), ..anomaly() };
        assert!(sentence(&deleted).ends_with("; it is over because a person deleted samples of it."));
        let odd = Anomaly { opened_at_ms: i64::MAX, rank: Some(Rank { reached: 2, of: 40_000 }), ..anomaly() };
        let text = sentence(&odd);
        assert!(text.contains("more extreme than 99.99 % of the 40,000 samples before"), "{text}");
    }
}
