//! The words that sentences, titles and answers share: counts, durations, the name of a series, and
//! how it departs from its expected range.
//!
//! The dashboard writes the same counts and durations in `web/src/format/count.ts` and
//! `web/src/format/time.ts`. `tests/quantities.json` holds the cases that both are tested with.

use super::anomaly::{Direction, Feature};
use super::ids::{KpiName, Labels};
use super::quantity::thousands;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A count with its noun, its thousands apart: `1 anomaly`, `12,345 anomalies`. A verb may follow
/// the noun: `counted(n, "value was", "values were")`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(&count.to_string()), if count == 1 { one } else { many })
}

/// A duration in milliseconds in its two largest units: `450 ms`, `59.1 s`, `2 min 59 s`,
/// `1 h 59 min`, `3 d 4 h`. What is smaller is cut off. The sign is ignored.
pub fn duration(ms: i64) -> String {
    let ms = ms.unsigned_abs();
    match ms {
        0 => "0 s".to_owned(),
        1..SECOND => format!("{ms} ms"),
        SECOND..MINUTE if ms % SECOND < 100 => format!("{} s", ms / SECOND),
        SECOND..MINUTE => format!("{}.{} s", ms / SECOND, ms % SECOND / 100),
        MINUTE..HOUR => pair(ms, (MINUTE, "min"), (SECOND, "s")),
        HOUR..DAY => pair(ms, (HOUR, "h"), (MINUTE, "min")),
        _ => pair(ms, (DAY, "d"), (HOUR, "h")),
    }
}

fn pair(ms: u64, large: (u64, &str), small: (u64, &str)) -> String {
    let (whole, rest) = (thousands(&(ms / large.0).to_string()), ms % large.0 / small.0);
    if rest == 0 { format!("{whole} {}", large.1) } else { format!("{whole} {} {rest} {}", large.1, small.1) }
}

/// The name of a series: `shop.orders`, or `shop.orders (region:eu, zone:a)`.
pub fn series_name(kpi: &KpiName, labels: &Labels) -> String {
    if labels.is_empty() {
        return kpi.to_string();
    }
    // Values hold no comma.
    format!("{kpi} ({})", labels.as_str().replace(',', ", "))
}

/// How a series departs from its expected range, to be written after its name. A value that repeats
/// is on no side. `None` is a side that is not known.
pub fn departure(reason: Feature, side: Option<Direction>) -> &'static str {
    match (reason, side) {
        (Feature::Volatility, _) => "repeats the same value",
        (_, Some(Direction::Above)) => "is above the expected range",
        (_, Some(Direction::Below)) => "is below the expected range",
        (_, None) => "is outside the expected range",
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Cases {
        counts: Vec<(u64, String, String, String)>,
        durations: Vec<(i64, String)>,
    }

    #[test]
    fn counts_and_durations_are_written_as_the_dashboard_writes_them() {
        let cases: Cases = serde_json::from_str(include_str!("../tests/quantities.json")).unwrap();
        for (count, one, many, text) in cases.counts {
            assert_eq!(counted(count, &one, &many), text);
        }
        for (ms, text) in cases.durations {
            assert_eq!(duration(ms), text, "{ms}");
        }
        assert_eq!(duration(-90_000), "1 min 30 s");
        assert_eq!(duration(i64::MIN), "106,751,991,167 d 7 h");
    }

    #[test]
    fn a_series_is_named_by_kpi_and_labels() {
        let kpi = KpiName::new("shop.orders").unwrap();
        assert_eq!(series_name(&kpi, &Labels::none()), "shop.orders");
        let labels = Labels::parse("zone:a,region:eu:1").unwrap();
        assert_eq!(series_name(&kpi, &labels), "shop.orders (region:eu:1, zone:a)");
    }

    #[test]
    fn a_value_that_repeats_is_on_no_side() {
        for side in [None, Some(Direction::Above), Some(Direction::Below)] {
            assert_eq!(departure(Feature::Volatility, side), "repeats the same value");
        }
        assert_eq!(departure(Feature::Slope, Some(Direction::Above)), "is above the expected range");
        assert_eq!(departure(Feature::RobustZ, None), "is outside the expected range");
    }
}
