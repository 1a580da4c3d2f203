//! What a person deletes of a KPI.

use serde::{Deserialize, Serialize};

use super::anomaly::Anomaly;
use super::ids::Labels;

/// A deletion in one KPI. It covers what the log holds before its event, and nothing after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// The deleted part.
    pub scope: DeletionScope,
    /// The principal.
    pub by: String,
}

/// What a deletion covers. The order of the variants is part of the stored format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionScope {
    /// The KPI with everything that belongs to it.
    Kpi,
    /// Whole series with their scoring state: those whose labels contain these.
    Series {
        /// The filter.
        labels: Labels,
    },
    /// Samples of a time range. The series keep their scoring state.
    Samples {
        /// Only of series whose labels contain these.
        labels: Labels,
        /// First timestamp, milliseconds UTC, inclusive.
        from_ms: i64,
        /// Last timestamp, exclusive.
        to_ms: i64,
    },
}

impl DeletionScope {
    /// The name on the wire: `kpi`, `series` or `samples`.
    pub fn as_str(&self) -> &'static str {
        match self {
            DeletionScope::Kpi => "kpi",
            DeletionScope::Series { .. } => "series",
            DeletionScope::Samples { .. } => "samples",
        }
    }

    /// The labels that a series must contain. `None` if all series are covered.
    pub fn labels(&self) -> Option<&Labels> {
        match self {
            DeletionScope::Kpi => None,
            DeletionScope::Series { labels } | DeletionScope::Samples { labels, .. } => Some(labels),
        }
    }

    /// First and last timestamp of the range, both inclusive. `None` for an empty range.
    pub fn span(&self) -> Option<(i64, i64)> {
        match self {
            DeletionScope::Kpi | DeletionScope::Series { .. } => Some((i64::MIN, i64::MAX)),
            DeletionScope::Samples { from_ms, to_ms, .. } => (from_ms < to_ms).then(|| (*from_ms, to_ms - 1)),
        }
    }

    /// First time and first time after the range, as they are shown. `None` for no limit.
    pub fn range(&self) -> (Option<i64>, Option<i64>) {
        match self {
            DeletionScope::Kpi | DeletionScope::Series { .. } => (None, None),
            DeletionScope::Samples { from_ms, to_ms, .. } => {
                (Some(*from_ms).filter(|from| *from > i64::MIN), Some(*to_ms).filter(|to| *to < i64::MAX))
            }
        }
    }

    /// Whether samples of a series with these labels may be covered.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.labels().is_none_or(|wanted| labels.contains(wanted))
    }

    /// Whether the series with these labels goes, with its scoring state.
    pub fn covers_series(&self, labels: &Labels) -> bool {
        !matches!(self, DeletionScope::Samples { .. }) && self.matches(labels)
    }

    /// Whether a sample of the series with these labels goes.
    pub fn covers_sample(&self, labels: &Labels, timestamp_ms: i64) -> bool {
        self.contains(timestamp_ms) && self.matches(labels)
    }

    /// Whether an anomaly of the KPI goes.
    pub fn covers_anomaly(&self, anomaly: &Anomaly) -> bool {
        self.covers_episode(&anomaly.labels, anomaly.opened_at_ms, anomaly.peak_at_ms)
    }

    /// Whether an episode goes: one that began in the range, or has its peak there.
    pub fn covers_episode(&self, labels: &Labels, opened_at_ms: i64, peak_at_ms: i64) -> bool {
        (self.contains(opened_at_ms) || self.contains(peak_at_ms)) && self.matches(labels)
    }

    fn contains(&self, timestamp_ms: i64) -> bool {
        self.span().is_some_and(|(first, last)| (first..=last).contains(&timestamp_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        Labels::parse(text).unwrap()
    }

    #[test]
    fn range_covers_its_samples_and_no_series() {
        let scope = DeletionScope::Samples { labels: labels("a:1"), from_ms: 10, to_ms: 20 };
        let covered = |at| scope.covers_sample(&labels("a:1,b:2"), at);
        assert_eq!([9, 10, 19, 20].map(covered), [false, true, true, false]);
        assert!(!scope.covers_sample(&labels("a:2"), 10) && !scope.covers_series(&labels("a:1")));
        let episode = |opened, peak| scope.covers_episode(&labels("a:1"), opened, peak);
        assert!(episode(10, 30) && episode(5, 15) && !episode(5, 25));
        let empty = DeletionScope::Samples { labels: Labels::none(), from_ms: 20, to_ms: 20 };
        assert_eq!((empty.span(), empty.covers_sample(&labels("a:1"), 20)), (None, false));
    }

    #[test]
    fn series_are_covered_by_the_labels_they_contain() {
        let scope = DeletionScope::Series { labels: labels("a:1") };
        assert!(scope.covers_series(&labels("a:1,b:2")) && !scope.covers_series(&labels("b:2")));
        assert!(
            DeletionScope::Kpi.covers_series(&labels("b:2")) && DeletionScope::Kpi.covers_sample(&labels("c:1"), 0)
        );
    }
}
