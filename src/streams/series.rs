//! One series of a KPI: its detector, its episode, its cadence, and what was last said of it.

use super::cadence::Cadence;
use super::detector::{Chosen, Judgement};
use super::episode::{Episode, Owner};
use super::settings::StreamSettings;
use crate::model::{
    Anomaly, EventBody, Features, KpiName, Labels, Sample, ScoredSample, SeriesId, SeriesStatus, WorkspaceId,
};

/// A series as others may see it.
#[derive(Debug, Clone, Copy)]
pub struct SeriesView<'a> {
    /// Which series of the KPI.
    pub labels: &'a Labels,
    /// The newest sample and what was said of it. `None` while only late samples of it are known, which takes a
    /// log whose beginning is gone.
    pub last: Option<&'a ScoredSample>,
    /// Features of the newest sample; `None` while warming up.
    pub features: Option<Features>,
    /// How it stands.
    pub status: SeriesStatus,
    /// Late samples so far.
    pub late: u64,
    /// The open anomaly.
    pub anomaly: Option<&'a Anomaly>,
}

/// State of one series. Everything a sample touches is inline.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) id: SeriesId,
    pub(super) cadence: Cadence,
    pub(super) stalled: bool,
    pub(super) late: u64,
    pub(super) last: Option<ScoredSample>,
    pub(super) features: Option<Features>,
    pub(super) episode: Episode,
    pub(super) detector: Chosen,
    /// Where in the push under way this series' samples are collected; not part of the state.
    pub(super) collected_at: Option<u32>,
}

/// The KPI and the settings, which all series of it share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) workspace: &'a WorkspaceId,
    pub(super) kpi: &'a KpiName,
    pub(super) settings: &'a StreamSettings,
}

/// What a sample that is news leads to.
pub(super) struct Step {
    pub(super) scored: ScoredSample,
    /// It ended a silence.
    pub(super) restored: bool,
    /// Something about the series' episode.
    pub(super) episode: Option<EventBody>,
}

impl Series {
    pub(super) fn new(labels: Labels, shared: Shared<'_>) -> Self {
        Self {
            id: SeriesId::of(shared.kpi, &labels),
            labels,
            cadence: Cadence::default(),
            stalled: false,
            late: 0,
            last: None,
            features: None,
            episode: Episode::default(),
            detector: Chosen::new(shared.settings.detector),
            collected_at: None,
        }
    }

    /// Scores a sample that is newer than every one before.
    pub(super) fn score(&mut self, sample: Sample, now_ms: i64, shared: Shared<'_>) -> Step {
        debug_assert!(self.cadence.is_news(sample.timestamp_ms) && sample.value.is_finite());
        self.cadence.learn(sample.timestamp_ms, now_ms);
        let judgement = self.detector.push(sample, shared.settings).judgement;
        let scored = scored(sample, judgement.as_ref());
        self.last = Some(scored);
        self.features = judgement.map(|judgement| judgement.features);
        let owner = Owner {
            workspace: shared.workspace,
            kpi: shared.kpi,
            labels: &self.labels,
            series: self.id,
            detector: shared.settings.detector.as_str(),
        };
        let episode = self.episode.push(sample.timestamp_ms, sample.value, judgement.as_ref(), owner, shared.settings);
        Step { scored, restored: std::mem::take(&mut self.stalled), episode }
    }

    /// How the series stands. A stall outranks an anomaly, an anomaly outranks the warm-up.
    pub(super) fn status(&self, settings: &StreamSettings) -> SeriesStatus {
        let (seen, needed) = (self.detector.seen(), settings.warm_up);
        if self.stalled {
            SeriesStatus::Stalled
        } else if self.episode.open.is_some() {
            SeriesStatus::Anomalous
        } else if seen < needed {
            SeriesStatus::Warming { seen, needed }
        } else {
            SeriesStatus::Normal
        }
    }

    /// Wall time from which it counts as stalled; `None` when it is already, or its interval is not known yet.
    pub(super) fn deadline_ms(&self, settings: &StreamSettings) -> Option<i64> {
        if self.stalled { None } else { self.cadence.deadline_ms(settings) }
    }

    pub(super) fn view(&self, settings: &StreamSettings) -> SeriesView<'_> {
        SeriesView {
            labels: &self.labels,
            last: self.last.as_ref(),
            features: self.features,
            status: self.status(settings),
            late: self.late,
            anomaly: self.episode.open.as_deref(),
        }
    }
}

fn scored(sample: Sample, judgement: Option<&Judgement>) -> ScoredSample {
    let Sample { timestamp_ms, value } = sample;
    match judgement {
        Some(said) => ScoredSample {
            timestamp_ms,
            value,
            score: Some(said.score),
            expected: said.expected,
            lower: said.lower,
            upper: said.upper,
        },
        None => ScoredSample { timestamp_ms, value, score: None, expected: f64::NAN, lower: f64::NAN, upper: f64::NAN },
    }
}
