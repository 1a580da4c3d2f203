//! All series of one KPI, and the decisions that a stream makes about them.
//!
//! Live and replayed state are equal. [`KpiState::push`] at `now_ms` gives events;
//! [`KpiState::replay`] of these events (with `time_ms` = `now_ms`) gives the same state, to the
//! bit.

use std::sync::Arc;

use super::arrival::{ArrivalContext, Conditions, SeriesLimit};
use super::detector::AnyDetector;
use super::detector_name::DetectorName;
use super::natural::NaturalRange;
use super::series::{KpiContext, Series, SeriesView};
use super::settings::StreamSettings;
use super::shadow_state::Shadow;
use earcon_model::wording::{counted, duration};
use earcon_model::{
    Acknowledgement, AheadOfClock, AnomalyEvent, AnomalyId, Arrival, DetectorEvent, DetectorRef, EpisodeEnd, Event,
    EventBody, Feedback, KpiEvent, KpiName, Labels, Reading, Sample, SeriesBatch, SeriesEvent, SeriesTable,
    WorkspaceId, rfc3339,
};

/// Why a row was rejected. The text is fit to show to the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// NaN or an infinity.
    #[error("value must be a finite number")]
    NotFinite,
    /// A counter only grows from zero, so it cannot be negative.
    #[error(
        "a counter must not be negative; if this is no counter, send it without \"counter\": true, or, from an \
         agent, set \"reading\": \"gauge\" for its name as sent in the workspace's rules (PUT …/ingest/rules)"
    )]
    NegativeCounter,
    /// Before 1970: usually a wrong unit or a clock that is not set.
    #[error("its time {} lies before 1970; check its sign and the unit of the timestamp", rfc3339(*timestamp_ms))]
    BeforeEpoch {
        /// The timestamp as sent.
        timestamp_ms: i64,
    },
    /// Too far ahead: it would make every sample until then late.
    #[error(
        "its time {} lies {} ahead of the server's clock, which shows {}, and so more than the {} that are allowed \
         (ingest.max_ahead_seconds); check the clocks of sender and server, and the unit of the timestamp",
        rfc3339(*timestamp_ms),
        duration(timestamp_ms.saturating_sub(*wall_ms)),
        rfc3339(*wall_ms),
        duration(*max_ahead_ms)
    )]
    TooFarAhead {
        /// The timestamp as sent.
        timestamp_ms: i64,
        /// What the server's clock shows.
        wall_ms: i64,
        /// The allowed distance.
        max_ahead_ms: i64,
    },
    /// Older than history keeps samples.
    #[error(
        "its time {} is older than the {} that history keeps (storage.history_days){}",
        rfc3339(*timestamp_ms),
        counted(max_age_ms.unsigned_abs() / 86_400_000, "day", "days"),
        unit_hint(*timestamp_ms)
    )]
    TooOld {
        /// The timestamp as sent.
        timestamp_ms: i64,
        /// The greatest age.
        max_age_ms: i64,
    },
    /// The end of a series that does not exist.
    #[error("there is no such series that could end")]
    NoSuchSeries,
    /// The end of a series lies before its newest sample.
    #[error(
        "the series cannot have ended at {}, because its newest sample is of {}",
        rfc3339(*ended_at_ms),
        rfc3339(*newest_ms)
    )]
    EndBeforeNewest {
        /// The end as sent.
        ended_at_ms: i64,
        /// The time of the newest sample.
        newest_ms: i64,
    },
    /// There is no memory for another series, with the reason.
    #[error("{0}")]
    NoRoom(String),
    /// The KPI has reached its limit of series.
    #[error("the KPI already has its {max_series} series; labels must not hold values without bounds")]
    TooManySeries {
        /// The limit.
        max_series: usize,
    },
}

/// A time before 1973 is mostly one in seconds.
fn unit_hint(timestamp_ms: i64) -> &'static str {
    if timestamp_ms < 100_000_000_000 { "; it seems not to be in the unit that is expected" } else { "" }
}

/// Checks a sample that arrives at `now_ms`, whatever its series.
///
/// # Errors
/// Why it is rejected.
pub fn check_sample(
    settings: &StreamSettings,
    sample: Sample,
    reading: Reading,
    wall_ms: i64,
) -> Result<(), Rejection> {
    let Sample { timestamp_ms, value } = sample;
    let (max_ahead_ms, max_age_ms) = (settings.max_ahead_ms, settings.max_age_ms);
    if !value.is_finite() {
        Err(Rejection::NotFinite)
    } else if reading == Reading::Counter && value < 0.0 {
        Err(Rejection::NegativeCounter)
    } else if timestamp_ms < 0 {
        Err(Rejection::BeforeEpoch { timestamp_ms })
    } else if timestamp_ms > wall_ms.saturating_add(max_ahead_ms) {
        Err(Rejection::TooFarAhead { timestamp_ms, wall_ms, max_ahead_ms })
    } else if timestamp_ms < wall_ms.saturating_sub(max_age_ms) {
        Err(Rejection::TooOld { timestamp_ms, max_age_ms })
    } else {
        Ok(())
    }
}

/// The result of one push.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pushed {
    /// To be logged in this order: `SeriesRestored` events, one `Samples` or `Backfilled` with all
    /// series, changes of episodes, ended series. The sequence repeats if an ended series came
    /// back.
    pub bodies: Vec<EventBody>,
    /// Accepted rows, late ones included.
    pub accepted: u32,
    /// Rejected rows, by their number in the request.
    pub rejected: Vec<(u32, Rejection)>,
    /// How many of the rejected rows hold no sample, but end a series.
    pub rejected_ends: u64,
    /// Accepted rows that were not scored, because they are not newer than an earlier one.
    pub late: u32,
    /// Those of the late rows that are older than a sample ahead of the clock.
    pub ahead: Option<Box<AheadOfClock>>,
    /// How series are read now whose earlier samples were read otherwise.
    pub reread: Option<Reading>,
}

/// Scoring state of one KPI.
#[derive(Debug, Clone)]
pub struct KpiState {
    pub(super) workspace: WorkspaceId,
    pub(super) kpi: KpiName,
    /// The configured settings. The settings of entries derive from them.
    pub(super) base: Arc<StreamSettings>,
    /// The settings of the live detector.
    pub(super) settings: Arc<StreamSettings>,
    pub(super) live: DetectorRef,
    /// The shadow detector; boxed because it is rare.
    pub(super) shadow: Option<Box<Shadow>>,
    /// In order of first appearance, and so of their ordinals.
    pub(super) series: Vec<Series>,
    /// The ordinal of the next new series.
    pub(super) next_ordinal: u32,
    /// The same series by labels. The number that their labels carry is the position in `series`.
    pub(super) index: SeriesTable<()>,
    /// Series that were deleted while the parts of the state were being saved.
    pub(super) deleted: Vec<(u32, Labels)>,
    /// The range of the values by their unit, as of the latest push. No part of what is saved.
    pub(super) natural: NaturalRange,
    /// No series stalls before this time.
    pub(super) next_stall_ms: Option<i64>,
}

impl KpiState {
    /// A KPI without series.
    pub fn new(workspace: WorkspaceId, kpi: KpiName, settings: Arc<StreamSettings>) -> Self {
        Self {
            workspace,
            kpi,
            base: settings.clone(),
            settings,
            live: DetectorRef::Configured,
            shadow: None,
            series: Vec::new(),
            next_ordinal: 0,
            index: SeriesTable::default(),
            deleted: Vec::new(),
            natural: NaturalRange::Any,
            next_stall_ms: None,
        }
    }

    /// Scores the rows that arrived at `now_ms`. Accepts good rows and returns the rejected ones.
    /// The order of rows is the order of arrival.
    pub fn push(&mut self, batches: &[SeriesBatch], now_ms: i64) -> Pushed {
        self.push_under(batches, Conditions::at(now_ms))
    }

    /// As [`push`](Self::push), under these conditions.
    ///
    /// A series may have samples that lie too far ahead of the wall clock. The clock was wrong then
    /// and is set back now. Such a series ends one interval before its next sample, and begins
    /// again with it. Otherwise all samples would be late until the wrong time has come.
    pub fn push_under(&mut self, batches: &[SeriesBatch], conditions: Conditions<'_>) -> Pushed {
        self.ingest(batches, ArrivalContext { arrival: Arrival::Live, conditions })
    }

    /// Ingests history that arrived at `now_ms`. Samples newer than all before are scored and
    /// learned. They open and close no anomaly, start and end no stall, and do not count as late.
    pub fn backfill(&mut self, batches: &[SeriesBatch], now_ms: i64) -> Pushed {
        self.backfill_under(batches, Conditions::at(now_ms))
    }

    /// As [`backfill`](Self::backfill), under these conditions.
    pub fn backfill_under(&mut self, batches: &[SeriesBatch], conditions: Conditions<'_>) -> Pushed {
        self.ingest(batches, ArrivalContext { arrival: Arrival::Backfill, conditions })
    }

    /// Wall time of the next useful call of [`check_stalls`](Self::check_stalls). `None` if nothing
    /// can stall. It may be somewhat early, never late.
    pub fn next_stall_at(&self) -> Option<i64> {
        self.next_stall_ms
    }

    /// Marks and reports the series that have been silent for too long at `now_ms`, and closes
    /// their episodes.
    pub fn check_stalls(&mut self, now_ms: i64) -> Vec<EventBody> {
        if self.next_stall_ms.is_none_or(|next| now_ms < next) {
            return Vec::new();
        }
        let mut bodies = Vec::new();
        for position in 0..self.series.len() as u32 {
            let series = &self.series[position as usize];
            if series.deadline_ms(&self.settings).is_some_and(|deadline| now_ms >= deadline) {
                let last_timestamp_ms = series.cadence.last_timestamp_ms();
                let labels = series.labels.clone();
                bodies.push(SeriesEvent::Stalled { labels, last_timestamp_ms }.into());
                bodies.extend(self.stall(position).map(EventBody::Anomaly));
            }
        }
        self.find_next_stall();
        bodies
    }

    /// Marks a series as stalled. Ends its episode, which is returned, and that of the shadow.
    fn stall(&mut self, position: u32) -> Option<AnomalyEvent> {
        let series = &mut self.series[position as usize];
        let last_ms = series.cadence.last_timestamp_ms();
        let closed = series.stall(self.natural);
        self.end_shadow_episode(position, last_ms, EpisodeEnd::Stalled);
        closed
    }

    /// Records an acknowledgement if the anomaly is an open one of this KPI; the first one stays.
    /// Returns whether it is open here.
    pub fn acknowledge(&mut self, id: AnomalyId, acknowledgement: &Acknowledgement) -> bool {
        self.series.iter_mut().any(|series| series.episode.acknowledge(id, acknowledgement))
    }

    /// Records feedback on an anomaly of the series with these labels, open or not. Returns the new
    /// factor of the configured sensitivity; 1 if there is no such series.
    pub fn record_feedback(&mut self, id: AnomalyId, labels: &Labels, feedback: &Feedback) -> f32 {
        let position = self.index.find(labels);
        position.map_or(1.0, |position| self.series[position as usize].record_feedback(id, feedback))
    }

    /// Applies an event of this KPI from the log and ignores events of other KPIs.
    ///
    /// Samples are scored again. Events that follow from samples (episodes, the end of a stall) are
    /// skipped, because scoring produces them again. The shadow does not see the event here; pass
    /// it to [`observe`](Self::observe) as in live operation.
    pub fn replay(&mut self, event: &Event) {
        if event.kpi() != Some(&self.kpi) {
            return;
        }
        match &event.body {
            EventBody::Series(body) => self.replay_series(body, event.time_ms),
            EventBody::Anomaly(body) => self.replay_anomaly(body),
            EventBody::Detector(body) => self.replay_detector(body),
            EventBody::Kpi(KpiEvent::Deleted(deletion)) => {
                // The closed episodes have events of their own.
                let _closed = self.delete(&deletion.scope);
            }
            _ => {}
        }
    }

    fn replay_series(&mut self, event: &SeriesEvent, now_ms: i64) {
        match event {
            SeriesEvent::Samples(all) => {
                let context = ArrivalContext::replayed(Arrival::Live, now_ms);
                all.iter().for_each(|one| self.replay_samples(one, context));
            }
            SeriesEvent::Backfilled(all) => {
                let context = ArrivalContext::replayed(Arrival::Backfill, now_ms);
                all.iter().for_each(|one| self.replay_samples(one, context));
            }
            SeriesEvent::Stalled { labels, .. } => {
                if let Some(position) = self.index.find(labels) {
                    // The closed episode has an event of its own.
                    let _closed = self.stall(position);
                }
            }
            SeriesEvent::Ended { labels, timestamp_ms } => {
                if let Some(position) = self.index.find(labels) {
                    // The closed episode has an event of its own.
                    let _closed = self.series[position as usize].end(*timestamp_ms, NaturalRange::Any);
                }
            }
            // It follows from the samples.
            SeriesEvent::Restored { .. } => {}
        }
    }

    fn replay_anomaly(&mut self, event: &AnomalyEvent) {
        match event {
            AnomalyEvent::Acknowledged { id, acknowledgement, .. } => {
                self.acknowledge(*id, acknowledgement);
            }
            AnomalyEvent::Feedback { id, labels, feedback, .. } => {
                self.record_feedback(*id, labels, feedback);
            }
            // They follow from the samples.
            AnomalyEvent::Opened(_) | AnomalyEvent::Updated(_) | AnomalyEvent::Closed(_) => {}
        }
    }

    fn replay_detector(&mut self, event: &DetectorEvent) {
        match event {
            DetectorEvent::Changed(slots) => {
                // Detectors that this version does not know change nothing: scoring goes on.
                let _unknown_detector = self.set_detectors(slots).is_err();
            }
            DetectorEvent::Trained { detector, algorithm, series } => {
                self.import_training(detector, algorithm, series);
            }
        }
    }

    /// All series, in order of first appearance.
    pub fn series(&self) -> impl Iterator<Item = SeriesView<'_>> {
        self.series.iter().map(|series| series.view(&self.kpi, &self.settings))
    }

    /// How many series there are.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// The KPI.
    pub fn kpi(&self) -> &KpiName {
        &self.kpi
    }

    /// Memory of one idle series under a detector, in bytes: inline, heap, and its share of the
    /// index, without the text of its labels. An open anomaly adds about 400.
    pub fn bytes_per_series(detector: DetectorName) -> usize {
        let state = size_of::<Series>() + AnyDetector::heap_bytes(detector);
        state + size_of::<Labels>() + size_of::<u32>()
    }

    pub(super) fn add_series(&mut self, labels: &Labels, limit: SeriesLimit<'_>) -> Result<u32, Rejection> {
        if let SeriesLimit::Sender(fewer, room) = limit {
            let max_series = fewer.map_or(usize::MAX, |max| max as usize).min(self.settings.max_series);
            if self.series_count() >= max_series {
                return Err(Rejection::TooManySeries { max_series });
            }
            room.take().map_err(Rejection::NoRoom)?;
        }
        let position = self.series.len() as u32;
        if self.series.len() == self.series.capacity() {
            // A series has most of a kilobyte here: doubling would waste too much.
            self.series.reserve_exact(self.series.len() / 4 + 1);
        }
        self.series.push(Series::new(self.next_ordinal, labels.clone(), self.shared()));
        self.next_ordinal += 1;
        self.index.push_numbered(labels.clone(), ());
        Ok(position)
    }

    pub(super) fn shared(&self) -> KpiContext<'_> {
        KpiContext { workspace: &self.workspace, kpi: &self.kpi, settings: &self.settings }
    }

    pub(super) fn note_deadline(&mut self, position: Option<u32>) {
        let deadline = position.and_then(|position| self.series[position as usize].deadline_ms(&self.settings));
        self.next_stall_ms = earlier(self.next_stall_ms, deadline);
    }

    pub(super) fn find_next_stall(&mut self) {
        let deadlines = self.series.iter().map(|series| series.deadline_ms(&self.settings));
        self.next_stall_ms = deadlines.fold(None, earlier);
    }
}

fn earlier(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
