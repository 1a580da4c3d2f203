//! Turns scores into episodes: one anomaly opens, grows and closes, instead of one alert a sample.
//!
//! Hysteresis: an episode opens at `open_score`. It closes when the samples have been below
//! `close_score`, and nearer to the expected value than a fault that goes on, for a while of their
//! own time: `calm_samples` in a row that last a minute, or at least three that last `calm_ms`. So
//! a fast series is over after a minute, one sample a minute after a quarter of an hour, and an
//! hourly one after half a day. Samples without a score (the detector is warming up again) count as
//! calm. In between it reports again only if its peak has clearly grown, and every `update_every`
//! samples.
//!
//! An episode has one side. Anomalous values on the other side of the band are another event: the
//! episode ends where they begin, and they open the next one. Three in a row are needed, or one
//! that is clearly more surprising than the episode. Each crossing doubles that number until an
//! episode ends otherwise, so that a value that swings makes few episodes. Fewer values than that
//! stay in the open episode. A value that repeats is on no side.

use super::detector::Score;
use super::settings::StreamSettings;
use super::stored::stored_fields;
use super::surprise::has_clearly_grown;
use earcon_model::{
    Acknowledgement, Anomaly, AnomalyEvent, AnomalyId, EpisodeEnd, Feature, Feedback, KpiName, Labels, SeriesId,
    WorkspaceId,
};

/// The series and the detector that an episode belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) workspace: &'a WorkspaceId,
    pub(super) kpi: &'a KpiName,
    pub(super) labels: &'a Labels,
    pub(super) detector: &'a str,
    /// Whether the series is new.
    pub(super) learning: bool,
}

/// The open episode of a series, if there is one.
#[derive(Debug, Clone, Default)]
pub(super) struct Episode {
    /// Boxed because open episodes are rare: other series need eight bytes for it.
    pub(super) open: Option<Box<Anomaly>>,
    /// The episode that the newest anomalous values would open, which lie on the other side.
    pub(super) crossing: Option<Box<Anomaly>>,
    pub(super) progress: Progress,
}

/// The state of the hysteresis for the open episode.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// Calm samples in a row.
    calm: u16,
    /// Timestamp of the sample before them.
    restless_ms: i64,
    /// Samples since the last report.
    unreported: u32,
    /// Peak score of the last report.
    reported_peak: f32,
    /// How many episodes in a row ended because the values crossed.
    crossings: u8,
    /// Timestamp of the latest anomalous sample before the ones that cross.
    before_crossing_ms: i64,
}

stored_fields!(Progress { calm, restless_ms, unreported, reported_peak, crossings, before_crossing_ms });

/// Values in a row on the other side that end an episode. Each crossing before doubles them, at
/// most this often.
const CROSSED: u32 = 3;
const MOST_DOUBLED: u8 = 16;

impl Episode {
    /// Processes the score of one sample. Returns the events to report: at most one, or the end of
    /// an episode and the beginning of the next.
    pub(super) fn push(
        &mut self,
        timestamp_ms: i64,
        value: f64,
        score: Option<&Score>,
        owner: Owner<'_>,
        settings: &StreamSettings,
    ) -> [Option<AnomalyEvent>; 2] {
        if let Some(score) = score.filter(|score| score.value >= settings.open_score)
            && self.crosses(timestamp_ms, value, score, owner)
        {
            return self.cross(timestamp_ms);
        }
        [self.go_on(timestamp_ms, value, score, owner, settings), None]
    }

    /// Notes an anomalous value on the other side of the open episode. Returns whether the episode
    /// ends with it. A value on its own side takes back what was noted.
    fn crosses(&mut self, timestamp_ms: i64, value: f64, score: &Score, owner: Owner<'_>) -> bool {
        let Some(anomaly) = &self.open else { return false };
        if score.direction == anomaly.direction || anomaly.reason == Feature::Volatility {
            self.crossing = None;
            return false;
        }
        // The mean of several values swings back after an excursion, and a value that repeats is on
        // no side.
        if score.reason == Feature::Slope || score.reason == Feature::Volatility {
            return false;
        }
        let crossing = match &mut self.crossing {
            Some(crossing) => {
                crossing.samples = crossing.samples.saturating_add(1);
                crossing.last_at_ms = timestamp_ms;
                if score.value > crossing.peak_score {
                    raise_peak(crossing, timestamp_ms, value, score);
                }
                crossing
            }
            none => {
                self.progress.before_crossing_ms = anomaly.last_at_ms;
                none.insert(Box::new(opened(timestamp_ms, value, score, owner)))
            }
        };
        let needed = CROSSED << self.progress.crossings.min(MOST_DOUBLED);
        crossing.samples >= needed || has_clearly_grown(anomaly.peak_score, score.value)
    }

    /// Ends the open episode where the values crossed, and opens the next one.
    fn cross(&mut self, timestamp_ms: i64) -> [Option<AnomalyEvent>; 2] {
        let (Some(mut anomaly), Some(next)) = (self.open.take(), self.crossing.take()) else { return [None, None] };
        // The newest sample was not counted yet.
        anomaly.samples = anomaly.samples.saturating_sub(next.samples - 1).max(1);
        anomaly.last_at_ms = self.progress.before_crossing_ms;
        (anomaly.closed_at_ms, anomaly.end) = (Some(next.opened_at_ms), Some(EpisodeEnd::OtherSide));
        self.progress = Progress {
            restless_ms: timestamp_ms,
            reported_peak: next.peak_score,
            crossings: self.progress.crossings.saturating_add(1),
            ..Progress::default()
        };
        self.open = Some(next.clone());
        [Some(AnomalyEvent::Closed(anomaly)), Some(AnomalyEvent::Opened(next))]
    }

    fn go_on(
        &mut self,
        timestamp_ms: i64,
        value: f64,
        score: Option<&Score>,
        owner: Owner<'_>,
        settings: &StreamSettings,
    ) -> Option<AnomalyEvent> {
        let surprise = score.map_or(0.0, |score| score.value);
        let Some(anomaly) = &mut self.open else {
            let score = score.filter(|score| score.value >= settings.open_score)?;
            let anomaly = Box::new(opened(timestamp_ms, value, score, owner));
            self.progress = Progress { restless_ms: timestamp_ms, reported_peak: surprise, ..Progress::default() };
            self.open = Some(anomaly.clone());
            return Some(AnomalyEvent::Opened(anomaly));
        };
        if surprise >= settings.open_score {
            anomaly.samples = anomaly.samples.saturating_add(1);
            anomaly.last_at_ms = timestamp_ms;
        }
        let own_side = self.crossing.is_none();
        if let Some(score) = score.filter(|score| own_side && score.value > anomaly.peak_score) {
            raise_peak(anomaly, timestamp_ms, value, score);
        }
        let progress = &mut self.progress;
        if surprise < settings.close_score && !score.is_some_and(|score| score.goes_on) {
            progress.calm = progress.calm.saturating_add(1);
        } else {
            (progress.calm, progress.restless_ms) = (0, timestamp_ms);
        }
        if settings.is_over(progress.calm, timestamp_ms.saturating_sub(progress.restless_ms)) {
            (anomaly.closed_at_ms, anomaly.end) = (Some(timestamp_ms), Some(EpisodeEnd::Calm));
            (self.progress, self.crossing) = (Progress::default(), None);
            return self.open.take().map(AnomalyEvent::Closed);
        }
        progress.unreported += 1;
        let grown = has_clearly_grown(progress.reported_peak, anomaly.peak_score);
        if grown || progress.unreported >= settings.update_every {
            progress.unreported = 0;
            if grown {
                progress.reported_peak = anomaly.peak_score;
            }
            return Some(AnomalyEvent::Updated(anomaly.clone()));
        }
        None
    }

    /// Closes the open episode at `ended_at_ms`, for another reason than calm samples, but not
    /// before its last alert.
    pub(super) fn end(&mut self, ended_at_ms: i64, why: EpisodeEnd) -> Option<AnomalyEvent> {
        let mut anomaly = self.open.take()?;
        (self.progress, self.crossing) = (Progress::default(), None);
        (anomaly.closed_at_ms, anomaly.end) = (Some(ended_at_ms.max(anomaly.last_at_ms)), Some(why));
        Some(AnomalyEvent::Closed(anomaly))
    }

    /// Records the acknowledgement if `id` is the open episode; the first one stays. Returns
    /// whether it is the open episode.
    pub(super) fn acknowledge(&mut self, id: AnomalyId, acknowledgement: &Acknowledgement) -> bool {
        match &mut self.open {
            Some(anomaly) if anomaly.id == id => {
                anomaly.acknowledged.get_or_insert_with(|| acknowledgement.clone());
                true
            }
            _ => false,
        }
    }

    /// Records feedback if `id` is the open episode; the latest one replaces earlier ones.
    pub(super) fn record_feedback(&mut self, id: AnomalyId, feedback: &Feedback) {
        if let Some(anomaly) = self.open.as_mut().filter(|anomaly| anomaly.id == id) {
            anomaly.feedback = Some(feedback.clone());
        }
    }
}

fn opened(timestamp_ms: i64, value: f64, score: &Score, owner: Owner<'_>) -> Anomaly {
    Anomaly {
        id: AnomalyId::of(owner.workspace, SeriesId::of(owner.kpi, owner.labels), timestamp_ms, owner.detector),
        kpi: owner.kpi.clone(),
        labels: owner.labels.clone(),
        opened_at_ms: timestamp_ms,
        last_at_ms: timestamp_ms,
        closed_at_ms: None,
        peak_score: score.value,
        peak_at_ms: timestamp_ms,
        peak_value: value,
        peak_expected: score.expected,
        peak_lower: score.lower,
        peak_upper: score.upper,
        direction: score.direction,
        reason: score.reason,
        samples: 1,
        detector: owner.detector.to_owned(),
        acknowledged: None,
        feedback: None,
        muted: None,
        unit: None,
        end: None,
        learning: owner.learning,
    }
}

fn raise_peak(anomaly: &mut Anomaly, timestamp_ms: i64, value: f64, score: &Score) {
    anomaly.peak_score = score.value;
    anomaly.peak_at_ms = timestamp_ms;
    anomaly.peak_value = value;
    anomaly.peak_expected = score.expected;
    anomaly.peak_lower = score.lower;
    anomaly.peak_upper = score.upper;
    anomaly.direction = score.direction;
    anomaly.reason = score.reason;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DetectorName, StreamOptions};
    use earcon_model::{Direction, Feature, Features};

    /// Fifteen samples last longer than a minute.
    const STEP_MS: i64 = 10_000;

    /// The kinds of events that a sequence of scores causes, with the index of each sample. The
    /// scores of values below are negative.
    fn reports(scores: &[Option<f32>]) -> Vec<(usize, &'static str)> {
        run(scores).into_iter().map(|(i, body)| (i, body.event_type().as_str())).collect()
    }

    fn run(scores: &[Option<f32>]) -> Vec<(usize, AnomalyEvent)> {
        let (workspace, kpi, labels) = (WorkspaceId::new("w").unwrap(), KpiName::new("k").unwrap(), Labels::none());
        let owner = Owner { workspace: &workspace, kpi: &kpi, labels: &labels, detector: "d-1", learning: false };
        // Fifteen calm samples end an episode with these settings.
        let usual = StreamOptions::for_detector(DetectorName::default());
        let options = StreamOptions { close_score: 0.25, calm_samples: 15, ..usual };
        let settings = StreamSettings::try_from(options).unwrap();
        let mut episode = Episode::default();
        let mut bodies = Vec::new();
        for (i, score) in scores.iter().enumerate() {
            let score = score.map(|value| Score {
                value: value.abs(),
                expected: 0.0,
                lower: -1.0,
                upper: 1.0,
                features: Features::default(),
                direction: if value < 0.0 { Direction::Below } else { Direction::Above },
                reason: Feature::RobustZ,
                goes_on: false,
            });
            let body = episode.push(i as i64 * STEP_MS, i as f64, score.as_ref(), owner, &settings);
            bodies.extend(body.into_iter().flatten().map(|body| (i, body)));
        }
        bodies
    }

    fn flat(score: f32, times: usize) -> Vec<Option<f32>> {
        vec![Some(score); times]
    }

    #[test]
    fn opens_at_the_threshold_and_closes_after_enough_calm() {
        let scores = [flat(0.49, 5), flat(0.5, 1), flat(0.1, 15)].concat();
        assert_eq!(reports(&scores), [(5, "anomaly.opened"), (20, "anomaly.closed")]);
    }

    #[test]
    fn half_calm_samples_neither_open_nor_close() {
        let scores = [flat(0.6, 1), flat(0.1, 14), flat(0.3, 1), flat(0.1, 14), flat(0.4, 5)].concat();
        assert_eq!(reports(&scores), [(0, "anomaly.opened")]);
    }

    #[test]
    fn reports_again_after_clear_growth_or_update_every() {
        let scores = [flat(0.5, 1), flat(0.55, 3), flat(0.93, 5), flat(0.6, 70)].concat();
        assert_eq!(reports(&scores), [(0, "anomaly.opened"), (4, "anomaly.updated"), (64, "anomaly.updated")]);
    }

    #[test]
    fn samples_without_a_score_are_calm() {
        let scores = [flat(0.9, 1), vec![None; 15]].concat();
        assert_eq!(reports(&scores), [(0, "anomaly.opened"), (15, "anomaly.closed")]);
    }

    #[test]
    fn closed_episode_has_peak_and_sample_count() {
        let bodies = run(&[flat(0.6, 1), flat(0.8, 1), flat(0.3, 1), flat(0.5, 1), flat(0.0, 15)].concat());
        let (at, AnomalyEvent::Closed(anomaly)) = bodies.last().unwrap() else { panic!("{bodies:?}") };
        assert_eq!((*at, anomaly.closed_at_ms), (18, Some(18 * STEP_MS)));
        assert_eq!(anomaly.end, Some(EpisodeEnd::Calm));
        assert_eq!((anomaly.opened_at_ms, anomaly.last_at_ms, anomaly.samples), (0, 3 * STEP_MS, 3));
        assert_eq!((anomaly.peak_at_ms, anomaly.peak_value, anomaly.peak_score), (STEP_MS, 1.0, 0.8));
    }

    #[test]
    fn values_that_cross_to_the_other_side_are_another_event() {
        let scores = [flat(0.6, 2), flat(0.0, 2), flat(-0.6, 2), flat(-0.7, 3), flat(0.0, 15)].concat();
        let bodies = run(&scores);
        let [
            (0, AnomalyEvent::Opened(rise)),
            (6, AnomalyEvent::Closed(risen)),
            (6, AnomalyEvent::Opened(fall)),
            (23, AnomalyEvent::Closed(fallen)),
        ] = &bodies[..]
        else {
            panic!("{bodies:?}")
        };
        assert_eq!((risen.id, risen.end, risen.direction), (rise.id, Some(EpisodeEnd::OtherSide), Direction::Above));
        assert_eq!((risen.samples, risen.last_at_ms, risen.closed_at_ms), (2, STEP_MS, Some(4 * STEP_MS)));
        assert_eq!((risen.peak_score, risen.peak_at_ms), (0.6, 0));
        assert_eq!((fall.opened_at_ms, fall.last_at_ms, fall.samples), (4 * STEP_MS, 6 * STEP_MS, 3));
        assert_eq!((fall.direction, fall.peak_score, fall.peak_at_ms), (Direction::Below, 0.7, 6 * STEP_MS));
        assert!(fall.id != rise.id);
        assert_eq!((fallen.id, fallen.samples, fallen.end), (fall.id, 5, Some(EpisodeEnd::Calm)));
    }

    #[test]
    fn one_value_on_the_other_side_is_another_event_only_if_it_is_clearly_more_surprising() {
        let kinds = |value: f32| reports(&[flat(0.6, 1), flat(-value, 1), flat(0.6, 1), flat(0.0, 15)].concat());
        assert_eq!(kinds(0.8), [(0, "anomaly.opened"), (17, "anomaly.closed")]);
        let crossed = [(0, "anomaly.opened"), (1, "anomaly.closed"), (1, "anomaly.opened"), (17, "anomaly.closed")];
        assert_eq!(kinds(0.99), crossed);
        let stayed = run(&[flat(0.6, 1), flat(-0.8, 2), flat(0.5, 1), flat(0.0, 15)].concat());
        let (_, AnomalyEvent::Closed(anomaly)) = &stayed[1] else { panic!("{stayed:?}") };
        assert_eq!((anomaly.samples, anomaly.peak_score, anomaly.direction), (4, 0.6, Direction::Above));
    }

    #[test]
    fn a_value_that_swings_makes_few_episodes() {
        let swings = (0..200).flat_map(|i| flat(if i % 2 == 0 { 0.8 } else { -0.8 }, 5)).collect::<Vec<_>>();
        let opened = reports(&swings).iter().filter(|(_, kind)| *kind == "anomaly.opened").count();
        assert_eq!(opened, 2, "the swings are shorter than the six values that the second crossing needs");
        let longer = (0..8).flat_map(|i| flat(if i % 2 == 0 { 0.8 } else { -0.8 }, 200)).collect::<Vec<_>>();
        let opened = reports(&longer).iter().filter(|(_, kind)| *kind == "anomaly.opened").count();
        assert_eq!(opened, 8);
    }

    #[test]
    fn calm_lasts_a_while_of_sample_time() {
        let hour = 3_600_000;
        let settings = StreamSettings::default();
        // The number of calm samples after which an episode of this interval is over.
        let over_after = |interval: i64| (1..1_000).find(|n| settings.is_over(*n, i64::from(*n) * interval));
        assert_eq!(over_after(100), Some(600), "a minute");
        assert_eq!(over_after(1_000), Some(60), "a minute");
        assert_eq!(over_after(60_000), Some(15), "a quarter of an hour");
        assert_eq!(over_after(300_000), Some(15));
        assert_eq!(over_after(hour), Some(12), "half a day");
        assert_eq!(over_after(24 * hour), Some(3), "three days");
    }
}
