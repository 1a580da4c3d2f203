//! The scoring options of an operator, and their bounds.

use std::ops::Deref;
use std::sync::Arc;

use super::detector_name::DetectorName;

/// Calm samples in a row that end an episode, at least.
const LEAST_CALM: u16 = 3;
/// The default of `calm_samples`. From this number on, the samples have to last
/// [`LEAST_CALM_MS`]; a smaller setting holds at any pace.
const USUAL_CALM: u16 = 15;
/// How long the calm samples last that end an episode, at least, milliseconds.
const LEAST_CALM_MS: i64 = 60_000;

/// The options before the check. `StreamSettings::try_from` checks them.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamOptions {
    /// The detector that scores the samples.
    pub detector: DetectorName,
    /// The detector label in anomalies; `None` for the detector's own name.
    pub label: Option<Arc<str>>,
    /// The local time of the workspace, which determines hours and days.
    pub utc_offsets: UtcOffsets,
    /// Maximum number of series of a KPI; samples of further ones are rejected. 1 to 1,000,000.
    pub max_series: usize,
    /// A higher sensitivity lowers the surprise (in decades) that scores 0.5: it divides it. The
    /// design value is 1. 0.25 to 4.
    pub sensitivity: f64,
    /// An episode opens at this score. Above `close_score`, below 1.
    pub open_score: f32,
    /// Samples scored below this are calm. Above 0.
    pub close_score: f32,
    /// Calm samples in a row that close an episode; from 15 on only if they last a minute. 1 to
    /// 10,000. Three of them are enough once they last [`calm_ms`](Self::calm_ms).
    pub calm_samples: u16,
    /// How long three or more calm samples in a row last that close an episode, whatever their
    /// number, in milliseconds of the samples' time. At least 60,000.
    pub calm_ms: i64,
    /// An open episode reports every this many samples, and when its peak has clearly grown. At
    /// least 10.
    pub update_every: u32,
    /// Samples of a series before it is scored. 20 to 10,000.
    pub warm_up: u32,
    /// Minimum silence before a series counts as stalled, in milliseconds. At least 1,000.
    pub grace_min_ms: i64,
    /// Minimum silence in usual intervals of the series. 2 to 1,000.
    pub grace_factor: f64,
    /// Maximum distance of a timestamp ahead of the wall clock, in milliseconds. At least 0.
    pub max_ahead_ms: i64,
    /// Maximum age of a timestamp by the wall clock, in milliseconds: older samples would be
    /// deleted from history at once. At least 1; the default is no limit.
    pub max_age_ms: i64,
}

impl StreamOptions {
    /// The defaults of a detector. Its scores determine how episodes end.
    pub fn for_detector(detector: DetectorName) -> Self {
        // During a long event, some values are ordinary. It ends after a long calm.
        let (close_score, calm_samples, calm_ms) = match detector {
            DetectorName::SeasonReach => (0.499, USUAL_CALM, 43_200_000),
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
            calm_ms,
            update_every: 60,
            warm_up: 30,
            grace_min_ms: 30_000,
            grace_factor: 5.0,
            max_ahead_ms: 120_000,
            max_age_ms: i64::MAX,
        }
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self::for_detector(DetectorName::default())
    }
}

/// UTC offset transitions of a time zone, precomputed because pure code may not read tzdata. The
/// default is UTC.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UtcOffsets(Vec<(i64, i64)>);

impl UtcOffsets {
    /// From transitions: timestamp, and milliseconds that local time is ahead of UTC from then on.
    /// The first offset also holds before its timestamp. Sorts the transitions.
    pub fn new(mut changes: Vec<(i64, i64)>) -> Self {
        changes.sort_unstable();
        changes.dedup_by_key(|change| change.0);
        Self(changes)
    }

    /// Local time of a timestamp, in milliseconds.
    pub fn local_ms(&self, timestamp_ms: i64) -> i64 {
        let passed = self.0.partition_point(|change| change.0 <= timestamp_ms);
        let offset = self.0.get(passed.saturating_sub(1)).map_or(0, |change| change.1);
        timestamp_ms.saturating_add(offset)
    }
}

/// An option out of its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {rule}")]
pub struct SettingsProblem {
    /// The field of [`StreamOptions`].
    pub key: &'static str,
    /// The rule that it must obey.
    pub rule: &'static str,
}

/// Checked options; dereferences to [`StreamOptions`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamSettings(StreamOptions);

impl StreamSettings {
    /// The detector label in anomalies.
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(self.detector.as_str())
    }

    /// Whether an episode is over after `calm` samples in a row that were calm and have lasted
    /// `lasted_ms` since the sample before them.
    pub fn is_over(&self, calm: u16, lasted_ms: i64) -> bool {
        let least_ms = if self.calm_samples < USUAL_CALM { 0 } else { LEAST_CALM_MS };
        let many = calm >= self.calm_samples && lasted_ms >= least_ms;
        many || (calm >= LEAST_CALM && lasted_ms >= self.calm_ms)
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
    /// All options that are out of their bounds.
    fn try_from(options: StreamOptions) -> Result<Self, Self::Error> {
        let o = &options;
        let rules = [
            ("max_series", "must be 1 to 1000000", (1..=1_000_000).contains(&o.max_series)),
            ("sensitivity", "must be 0.25 to 4", (0.25..=4.0).contains(&o.sensitivity)),
            ("open_score", "must be above close_score and below 1", o.open_score > o.close_score && o.open_score < 1.0),
            ("close_score", "must be above 0", o.close_score > 0.0),
            ("calm_samples", "must be 1 to 10000", (1..=10_000).contains(&o.calm_samples)),
            ("calm_ms", "must be at least 60000", o.calm_ms >= 60_000),
            ("update_every", "must be at least 10", o.update_every >= 10),
            ("warm_up", "must be 20 to 10000", (20..=10_000).contains(&o.warm_up)),
            ("grace_min_ms", "must be at least 1000", o.grace_min_ms >= 1000),
            ("grace_factor", "must be 2 to 1000", (2.0..=1000.0).contains(&o.grace_factor)),
            ("max_ahead_ms", "must be at least 0", o.max_ahead_ms >= 0),
            ("max_age_ms", "must be at least 1", o.max_age_ms >= 1),
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
