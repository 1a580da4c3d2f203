//! Past anomalies similar to one: the same direction and reason, nearest in height and length.

use earcon_model::{Anomaly, AnomalyId, Feature};

/// Most that are returned.
const MOST: usize = 5;

/// The most similar of past anomalies, nearest first. Those of the same series come before those of
/// other series of the KPI. In `past`, the anomaly itself, later ones and other KPIs' are ignored.
pub fn similar<'a>(anomaly: &Anomaly, past: impl IntoIterator<Item = &'a Anomaly>) -> Vec<&'a Anomaly> {
    let alike = |other: &&Anomaly| {
        other.kpi == anomaly.kpi
            && other.id != anomaly.id
            && other.opened_at_ms < anomaly.opened_at_ms
            && other.reason == anomaly.reason
            // A value that repeats is on no side.
            && (other.direction == anomaly.direction || anomaly.reason == Feature::Volatility)
    };
    let mut found: Vec<(bool, f64, AnomalyId, &Anomaly)> = past
        .into_iter()
        .filter(alike)
        .map(|other| (other.labels != anomaly.labels, distance(anomaly, other), other.id, other))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    found.dedup_by_key(|(.., id, _)| *id);
    found.truncate(MOST);
    found.into_iter().map(|(.., other)| other).collect()
}

/// How different two anomalies are: doublings between their heights plus doublings between their
/// lengths.
fn distance(a: &Anomaly, b: &Anomaly) -> f64 {
    let doublings = |a: f64, b: f64| ((a + 0.1) / (b + 0.1)).log2().abs();
    doublings(height(a), height(b)) + doublings(seconds(a), seconds(b))
}

/// Distance of the peak from the expected value, in half heights of the band; 0 if unknown.
fn height(anomaly: &Anomaly) -> f64 {
    let half = 0.5 * (anomaly.peak_upper - anomaly.peak_lower);
    let height = (anomaly.peak_value - anomaly.peak_expected).abs() / half.max(f64::MIN_POSITIVE);
    if height.is_finite() { height.min(1e6) } else { 0.0 }
}

fn seconds(anomaly: &Anomaly) -> f64 {
    anomaly.last_at_ms.saturating_sub(anomaly.opened_at_ms).max(0) as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{Direction, KpiName, Labels};

    fn episode(number: u128, labels: &str, opened_at_ms: i64, seconds: i64, peak: f64) -> Anomaly {
        Anomaly {
            id: AnomalyId(uuid::Uuid::from_u128(number)),
            kpi: KpiName::new("k").unwrap(),
            labels: Labels::parse(labels).unwrap(),
            opened_at_ms,
            last_at_ms: opened_at_ms + seconds * 1_000,
            closed_at_ms: Some(opened_at_ms + seconds * 1_000),
            peak_score: 0.9,
            peak_at_ms: opened_at_ms,
            peak_value: peak,
            peak_expected: 0.0,
            peak_lower: -1.0,
            peak_upper: 1.0,
            direction: Direction::Above,
            reason: Feature::RobustZ,
            samples: 1,
            detector: "d".into(),
            acknowledged: None,
            feedback: None,
            muted: None,
            unit: None,
            end: None,
            learning: false,
        }
    }

    #[test]
    fn the_nearest_of_the_same_series_come_first() {
        let now = episode(1, "a:b", 1_000_000, 60, 8.0);
        let past = [
            episode(2, "a:b", 1_000, 60, 64.0),
            episode(3, "a:b", 2_000, 70, 8.0),
            episode(4, "", 3_000, 60, 8.0),
            Anomaly { direction: Direction::Below, ..episode(5, "a:b", 3_000, 60, 8.0) },
            Anomaly { reason: Feature::Slope, ..episode(6, "a:b", 3_000, 60, 8.0) },
            episode(7, "a:b", 2_000_000, 60, 8.0),
            Anomaly { kpi: KpiName::new("other").unwrap(), ..episode(8, "a:b", 3_000, 60, 8.0) },
            now.clone(),
        ];
        let found: Vec<u128> = similar(&now, past.iter().chain(&past)).iter().map(|one| one.id.0.as_u128()).collect();
        assert_eq!(found, [3, 2, 4]);
    }

    #[test]
    fn values_that_repeat_are_alike_on_both_sides_of_the_expected_value() {
        let still = |direction, number, at| Anomaly {
            direction,
            reason: Feature::Volatility,
            ..episode(number, "", at, 60, 1.0)
        };
        let past = [still(Direction::Below, 2, 1_000)];
        assert_eq!(similar(&still(Direction::Above, 1, 2_000), &past).len(), 1);
    }

    #[test]
    fn at_most_five_are_named_and_odd_numbers_do_no_harm() {
        let odd = Anomaly {
            peak_upper: f64::NAN,
            peak_value: 1e300,
            last_at_ms: i64::MIN,
            ..episode(1, "", 1_000_000, 1, 1.0)
        };
        let past: Vec<Anomaly> = (2..20)
            .map(|number| Anomaly { id: AnomalyId(uuid::Uuid::from_u128(number)), opened_at_ms: 5, ..odd.clone() })
            .collect();
        assert_eq!(similar(&odd, &past).len(), 5);
    }
}
