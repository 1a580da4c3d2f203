//! What an operator may choose about scoring, and the bounds within which the choice makes sense.

use std::ops::Deref;
use std::sync::Arc;

use super::detector::DetectorName;

/// The choices, not yet checked. `StreamSettings::try_from` checks them.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamOptions {
    /// What scores the samples.
    pub detector: DetectorName,
    /// What anomalies name as their detector; `None` for the detector's own name.
    pub label: Option<Arc<str>>,
    /// The local time of the workspace, by which days and weeks are told apart.
    pub utc_offsets: UtcOffsets,
    /// Series a KPI may have; samples of further ones are rejected. 1 to 1,000,000.
    pub max_series: usize,
    /// How readily alerts are raised: 1 as designed, 2 twice as readily, 0.5 half. Divides the surprise (in decades) that a
    /// score of 0.5 stands for. 0.25 to 4.
    pub sensitivity: f64,
    /// An episode opens at this score. Above `close_score`, below 1.
    pub open_score: f32,
    /// Samples scored below this are calm. Above 0.
    pub close_score: f32,
    /// Calm samples in a row that close an episode. 1 to 10,000.
    pub calm_samples: u16,
    /// An open episode reports itself every this many samples, besides when its peak has clearly grown. At least 10.
    pub update_every: u32,
    /// Samples of a series before it is scored. 20 to 10,000.
    pub warm_up: u32,
    /// A series is never called stalled before this much silence, in milliseconds. At least 1,000.
    pub grace_min_ms: i64,
    /// … nor before this many of its usual intervals. 2 to 1,000.
    pub grace_factor: f64,
    /// How far ahead of the wall clock a timestamp may be, in milliseconds. At least 0.
    pub max_ahead_ms: i64,
}

impl StreamOptions {
    /// What is usual with a detector: episodes end as its scores need it.
    pub fn of(detector: DetectorName) -> Self {
        // Tail ranks are high for single samples of a long event; it is over when there was none for long.
        let (close_score, calm_samples) = match detector {
            DetectorName::RobustForecast => (0.25, 15),
            DetectorName::TailRank => (0.499, 64),
        };
        Self {
            detector,
            label: None,
            utc_offsets: UtcOffsets::default(),
            max_series: 10_000,
            sensitivity: 1.0,
            open_score: 0.5,
            close_score,
            calm_samples,
            update_every: 60,
            warm_up: 30,
            grace_min_ms: 30_000,
            grace_factor: 5.0,
            max_ahead_ms: 3_600_000,
        }
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self::of(DetectorName::default())
    }
}

/// How far local time is ahead of UTC, and when that changes: what is left of a time zone when no database of zones may be
/// read. The default is UTC.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UtcOffsets(Vec<(i64, i64)>);

impl UtcOffsets {
    /// From changes: timestamp, and milliseconds that local time is ahead of UTC from then on. The first offset holds
    /// before, too. Changes are put in order.
    pub fn new(mut changes: Vec<(i64, i64)>) -> Self {
        changes.sort_unstable();
        changes.dedup_by_key(|change| change.0);
        Self(changes)
    }

    /// Local time, in milliseconds, of a timestamp.
    pub fn local_ms(&self, timestamp_ms: i64) -> i64 {
        let passed = self.0.partition_point(|change| change.0 <= timestamp_ms);
        let offset = self.0.get(passed.saturating_sub(1)).map_or(0, |change| change.1);
        timestamp_ms.saturating_add(offset)
    }
}

/// A choice out of its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {rule}")]
pub struct SettingsProblem {
    /// The field of [`StreamOptions`].
    pub key: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

/// Checked choices; reads like [`StreamOptions`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamSettings(StreamOptions);

impl StreamSettings {
    /// What anomalies name as their detector.
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(self.detector.as_str())
    }
}

impl Deref for StreamSettings {
    type Target = StreamOptions;

    fn deref(&self) -> &StreamOptions {
        &self.0
    }
}

impl TryFrom<StreamOptions> for StreamSettings {
    type Error = Vec<SettingsProblem>;

    /// # Errors
    /// All choices that are out of their bounds.
    fn try_from(options: StreamOptions) -> Result<Self, Self::Error> {
        let o = &options;
        let rules = [
            ("max_series", "must be 1 to 1000000", (1..=1_000_000).contains(&o.max_series)),
            ("sensitivity", "must be 0.25 to 4", (0.25..=4.0).contains(&o.sensitivity)),
            ("open_score", "must be above close_score and below 1", o.open_score > o.close_score && o.open_score < 1.0),
            ("close_score", "must be above 0", o.close_score > 0.0),
            ("calm_samples", "must be 1 to 10000", (1..=10_000).contains(&o.calm_samples)),
            ("update_every", "must be at least 10", o.update_every >= 10),
            ("warm_up", "must be 20 to 10000", (20..=10_000).contains(&o.warm_up)),
            ("grace_min_ms", "must be at least 1000", o.grace_min_ms >= 1000),
            ("grace_factor", "must be 2 to 1000", (2.0..=1000.0).contains(&o.grace_factor)),
            ("max_ahead_ms", "must be at least 0", o.max_ahead_ms >= 0),
        ];
        let problems: Vec<_> =
            rules.into_iter().filter(|(.., kept)| !kept).map(|(key, rule, _)| SettingsProblem { key, rule }).collect();
        if problems.is_empty() { Ok(Self(options)) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_bounds() {
        assert_eq!(StreamSettings::try_from(StreamOptions::default()), Ok(StreamSettings::default()));
    }

    #[test]
    fn local_time_follows_the_changes_of_the_clock() {
        let hour = 3_600_000;
        let berlin = UtcOffsets::new(vec![(1_000, 2 * hour), (0, hour), (2_000, hour)]);
        assert_eq!([-5, 0, 999, 1_000, 1_999, 2_000].map(|at| (berlin.local_ms(at) - at) / hour), [1, 1, 1, 2, 2, 1]);
        assert_eq!(UtcOffsets::default().local_ms(7), 7);
        assert_eq!(berlin.local_ms(i64::MAX), i64::MAX);
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let bad = StreamOptions { max_series: 0, sensitivity: f64::NAN, open_score: 0.2, ..StreamOptions::default() };
        let problems = StreamSettings::try_from(bad).unwrap_err();
        let keys: Vec<_> = problems.iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["max_series", "sensitivity", "open_score"]);
    }
}
