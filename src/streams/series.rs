//! One series of a KPI: its detector, episode, cadence and newest score.

use super::arrival::ArrivalContext;
use super::cadence::Cadence;
use super::counter::CounterState;
use super::detector::{AnyDetector, Score};
use super::episode::{Episode, Owner};
use super::feedback::FeedbackMemory;
use super::growth::Growth;
use super::natural::NaturalRange;
use super::settings::StreamSettings;
use super::stored::Stored;
use earcon_model::{
    Anomaly, AnomalyEvent, AnomalyId, Arrival, EpisodeEnd, Features, Feedback, KpiName, Labels, LooksLike, Reading,
    Sample, ScoredSample, SeriesStatus, WorkspaceId,
};

/// Read-only view of a series.
#[derive(Debug, Clone, Copy)]
pub struct SeriesView<'a> {
    /// The labels of the series.
    pub labels: &'a Labels,
    /// The newest sample and its score. `None` after only the first total of a counter. Also `None`
    /// if only late samples are known, which requires a log whose beginning is gone.
    pub last: Option<&'a ScoredSample>,
    /// Features of the newest sample; `None` while warming up.
    pub features: Option<Features>,
    /// Its status.
    pub status: SeriesStatus,
    /// What its values seem to be, if they are sent as measurements and seem to be something else.
    pub looks_like: Option<LooksLike>,
    /// Late samples so far.
    pub late: u64,
    /// The open anomaly.
    pub anomaly: Option<&'a Anomaly>,
    /// Factor that feedback applies to the configured sensitivity, as of the newest sample.
    pub sensitivity: f32,
}

/// How long a series is new, milliseconds: its detector has not learned yet what it does in a day.
const LEARNING_MS: i64 = 7_200_000;

/// Whether the series is expected to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Presence {
    /// It sends; silence would be a stall.
    Sending,
    /// It has been silent for too long.
    Stalled,
    /// No samples are expected: it has ended, or no live sample has arrived yet.
    #[default]
    Ended,
}

impl Stored for Presence {
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u8).put(out);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        match u8::read(from)? {
            0 => Some(Presence::Sending),
            1 => Some(Presence::Stalled),
            2 => Some(Presence::Ended),
            _ => None,
        }
    }
}

/// State of one series. Everything that a sample touches is inline.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) cadence: Cadence,
    pub(super) presence: Presence,
    pub(super) counter_state: CounterState,
    pub(super) growth: Growth,
    pub(super) late: u64,
    pub(super) last: Option<ScoredSample>,
    pub(super) features: Option<Features>,
    pub(super) episode: Episode,
    pub(super) feedback: FeedbackMemory,
    pub(super) detector: AnyDetector,
    /// How many series of the KPI appeared before it, deleted ones included. No other series ever
    /// has the same.
    pub(super) ordinal: u32,
    /// Position of this series among the samples of the current push; not part of the state.
    pub(super) collected_at: Option<u32>,
}

/// The KPI and the settings, which all its series share.
#[derive(Debug, Clone, Copy)]
pub(super) struct KpiContext<'a> {
    pub(super) workspace: &'a WorkspaceId,
    pub(super) kpi: &'a KpiName,
    pub(super) settings: &'a StreamSettings,
}

impl Series {
    pub(super) fn new(ordinal: u32, labels: Labels, shared: KpiContext<'_>) -> Self {
        Self {
            labels,
            cadence: Cadence::default(),
            presence: Presence::default(),
            counter_state: CounterState::default(),
            growth: Growth::default(),
            late: 0,
            last: None,
            features: None,
            episode: Episode::default(),
            feedback: FeedbackMemory::default(),
            detector: AnyDetector::new(shared.settings.detector),
            ordinal,
            collected_at: None,
        }
    }

    /// Reads samples as `reading` from here on. Values of another kind are not comparable with
    /// earlier ones: the series warms up again, and an open episode closes with the calm samples of
    /// the warm-up. Returns whether earlier samples were read otherwise.
    pub(super) fn read_as(&mut self, reading: Reading, shared: KpiContext<'_>) -> bool {
        if self.counter_state.reading() == reading {
            return false;
        }
        (self.counter_state, self.growth) = (CounterState::new(reading), Growth::default());
        self.features = None;
        self.detector = AnyDetector::new(shared.settings.detector);
        !self.cadence.is_empty()
    }

    /// Registers a sample that is newer than all before. Returns its measured value, `None` for the
    /// first total of a counter, and whether the sample ended a stall.
    /// `starts_ms` are the times at which the sender began to count.
    pub(super) fn arrive(
        &mut self,
        sample: Sample,
        starts_ms: &[i64],
        context: ArrivalContext<'_>,
    ) -> (Option<f64>, bool) {
        debug_assert!(self.cadence.is_newer(sample.timestamp_ms) && sample.value.is_finite());
        let before_ms = self.cadence.last_timestamp_ms();
        let elapsed_ms = sample.timestamp_ms.saturating_sub(before_ms);
        let restarted = starts_ms.iter().any(|start| (before_ms + 1..=sample.timestamp_ms).contains(start));
        let measured = self.counter_state.read(sample, elapsed_ms, restarted);
        let arrived_ms = (context.arrival == Arrival::Live).then_some(context.conditions.now_ms);
        self.cadence.learn(sample.timestamp_ms, arrived_ms);
        if context.arrival == Arrival::Backfill {
            return (measured, false);
        }
        (measured, std::mem::replace(&mut self.presence, Presence::Sending) == Presence::Stalled)
    }

    /// Scores the measured value of a sample that has [arrived](Self::arrive). History is scored
    /// without an episode.
    pub(super) fn score(
        &mut self,
        sample: Sample,
        arrival: Arrival,
        shared: KpiContext<'_>,
    ) -> (ScoredSample, [Option<AnomalyEvent>; 2]) {
        let sensitivity = shared.settings.sensitivity * self.feedback.factor(sample.timestamp_ms);
        let score = self.detector.score(sample, shared.settings, sensitivity).map(positive_zeros);
        if self.counter_state.reading() == Reading::Gauge {
            self.growth.learn(self.newest(), sample);
        }
        let scored = scored(sample, score.as_ref());
        self.last = Some(scored);
        self.features = score.map(|score| score.features);
        if arrival == Arrival::Backfill {
            return (scored, [None, None]);
        }
        let owner = Owner {
            workspace: shared.workspace,
            kpi: shared.kpi,
            labels: &self.labels,
            detector: shared.settings.label(),
            learning: self.detector.known_for_ms(sample.timestamp_ms) < LEARNING_MS,
        };
        let Sample { timestamp_ms, value } = sample;
        (scored, self.episode.push(timestamp_ms, value, score.as_ref(), owner, shared.settings))
    }

    /// Records feedback on one of its anomalies, open or not. Returns the new factor of the
    /// sensitivity.
    pub(super) fn record_feedback(&mut self, id: AnomalyId, feedback: &Feedback) -> f32 {
        self.episode.record_feedback(id, feedback);
        self.feedback.record(id, feedback.outcome, self.cadence.last_timestamp_ms());
        self.sensitivity()
    }

    fn sensitivity(&self) -> f32 {
        self.feedback.factor(self.cadence.last_timestamp_ms()) as f32
    }

    /// Ends the series: its silence is no stall, and a counter starts from a new starting point.
    /// Returns the open episode, closed. An end before the newest sample takes the series back to
    /// that time: the sample is of a clock that was ahead.
    pub(super) fn end(&mut self, ended_at_ms: i64, natural: NaturalRange) -> Option<AnomalyEvent> {
        self.cadence.go_back_to(ended_at_ms);
        self.presence = Presence::Ended;
        self.counter_state.forget();
        let closed = self.episode.end(ended_at_ms, EpisodeEnd::SeriesEnded);
        closed.map(|event| self.shown(event, natural))
    }

    /// Notes that the series has been silent for too long. Returns the open episode, closed with
    /// the newest sample: nothing says whether the anomaly goes on.
    pub(super) fn stall(&mut self, natural: NaturalRange) -> Option<AnomalyEvent> {
        self.presence = Presence::Stalled;
        let closed = self.episode.end(self.cadence.last_timestamp_ms(), EpisodeEnd::Stalled);
        closed.map(|event| self.shown(event, natural))
    }

    /// An event of its anomalies within the bounds of the unit.
    pub(super) fn shown(&self, event: AnomalyEvent, natural: NaturalRange) -> AnomalyEvent {
        match self.detector.observed() {
            Some(observed) => natural.event(event, observed),
            None => event,
        }
    }

    /// A scored sample within the bounds of the unit.
    pub(super) fn shown_sample(&self, mut scored: ScoredSample, natural: NaturalRange) -> ScoredSample {
        if let Some(observed) = self.detector.observed() {
            natural.sample(&mut scored, observed);
        }
        scored
    }

    /// What its values seem to be, if they are sent as measurements and seem to be something else.
    pub(super) fn looks_like(&self, kpi: &KpiName) -> Option<LooksLike> {
        let newest = self.newest().filter(|_| self.counter_state.reading() == Reading::Gauge)?;
        self.growth.looks_like(kpi.as_str(), newest)
    }

    fn newest(&self) -> Option<Sample> {
        self.last.map(|ScoredSample { timestamp_ms, value, .. }| Sample { timestamp_ms, value })
    }

    /// The status of the series. A stall or an end outranks an anomaly; an anomaly outranks the
    /// warm-up.
    pub(super) fn status(&self, settings: &StreamSettings) -> SeriesStatus {
        let (seen, needed) = (self.detector.seen(), settings.warm_up);
        if self.presence == Presence::Stalled {
            SeriesStatus::Stalled
        } else if self.presence == Presence::Ended && self.cadence.has_samples() {
            SeriesStatus::Ended
        } else if self.episode.open.is_some() {
            SeriesStatus::Anomalous
        } else if seen < needed {
            SeriesStatus::Warming { seen, needed }
        } else {
            SeriesStatus::Normal
        }
    }

    /// Wall time from which it counts as stalled. `None` if it is stalled already, has ended, or
    /// its interval is not known yet.
    pub(super) fn deadline_ms(&self, settings: &StreamSettings) -> Option<i64> {
        if self.presence == Presence::Sending { self.cadence.deadline_ms(settings) } else { None }
    }

    pub(super) fn view(&self, kpi: &KpiName, settings: &StreamSettings) -> SeriesView<'_> {
        SeriesView {
            labels: &self.labels,
            last: self.last.as_ref(),
            features: self.features,
            status: self.status(settings),
            looks_like: self.looks_like(kpi),
            late: self.late,
            anomaly: self.episode.open.as_deref(),
            sensitivity: self.sensitivity(),
        }
    }
}

/// Without a negative sign at 0: people would read `-0`.
fn positive_zeros(score: Score) -> Score {
    let Score { expected, lower, upper, .. } = score;
    Score { expected: expected + 0.0, lower: lower + 0.0, upper: upper + 0.0, ..score }
}

fn scored(sample: Sample, score: Option<&Score>) -> ScoredSample {
    let Sample { timestamp_ms, value } = sample;
    match score {
        Some(score) => ScoredSample {
            timestamp_ms,
            value,
            score: Some(score.value),
            expected: score.expected,
            lower: score.lower,
            upper: score.upper,
        },
        None => ScoredSample { timestamp_ms, value, score: None, expected: f64::NAN, lower: f64::NAN, upper: f64::NAN },
    }
}
