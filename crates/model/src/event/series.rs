//! Events about the series of a KPI.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::EventType;
use crate::ids::Labels;
use crate::sample::{Features, Sample, ScoredSample};

/// Scored samples of one series. One sample, the usual number, takes no allocation.
pub type ScoredSamples = SmallVec<[ScoredSample; 1]>;

/// What happened to series of a KPI. The subject is the KPI.
#[derive(Debug, Clone, PartialEq)]
pub enum SeriesEvent {
    /// Samples were scored and stored.
    Samples(Vec<SeriesSamples>),
    /// History was ingested: scored, learned from and stored like samples. It never alerts.
    Backfilled(Vec<SeriesSamples>),
    /// A series sent nothing for longer than its grace period.
    Stalled {
        /// The series.
        labels: Labels,
        /// Timestamp of its last sample, milliseconds UTC.
        last_timestamp_ms: i64,
    },
    /// A stalled series sends again.
    Restored {
        /// The series.
        labels: Labels,
        /// Timestamp of the sample that ended the silence, milliseconds UTC.
        timestamp_ms: i64,
    },
    /// The sender marked the end of a series; its silence is no stall.
    Ended {
        /// The series.
        labels: Labels,
        /// When it ended, milliseconds UTC; not before its last sample.
        timestamp_ms: i64,
    },
}

impl SeriesEvent {
    /// The type on the wire.
    pub fn event_type(&self) -> EventType {
        match self {
            SeriesEvent::Samples(_) => EventType::Samples,
            SeriesEvent::Backfilled(_) => EventType::Backfilled,
            SeriesEvent::Stalled { .. } => EventType::SeriesStalled,
            SeriesEvent::Restored { .. } => EventType::SeriesRestored,
            SeriesEvent::Ended { .. } => EventType::SeriesEnded,
        }
    }
}

/// Samples of one series inside a [`SeriesEvent::Samples`] or [`SeriesEvent::Backfilled`].
///
/// The order of the fields is part of the stored format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesSamples {
    /// The series.
    pub labels: Labels,
    /// In timestamp order, each later than the one before.
    #[serde(with = "crate::small")]
    pub samples: ScoredSamples,
    /// Samples not newer than one already seen: stored and counted, not scored.
    pub late: Vec<Sample>,
    /// Features of the last scored sample; `None` while warming up.
    pub features: Option<Features>,
    /// Status of the series after these samples.
    pub status: SeriesStatus,
    /// The counter behind these samples; `None` if the sender measured them directly.
    pub counter: Option<CounterSamples>,
    /// What the values seem to be, if they are sent as measurements and seem to be something else.
    pub looks_like: Option<LooksLike>,
}

impl SeriesSamples {
    /// Records a sample that is not newer than one already seen. Late totals of a counter are only
    /// counted.
    pub fn add_late(&mut self, sample: Sample) {
        match &mut self.counter {
            Some(counter) => counter.late += 1,
            None => self.late.push(sample),
        }
    }
}

/// The totals behind samples of a counter. With the rates, a replay leads to the same state.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CounterSamples {
    /// A total without a previous total. The first rate counts from it. It is not scored.
    pub start: Option<Sample>,
    /// The total after these samples, from which the next rate counts; `None` if there is none.
    pub raw: Option<f64>,
    /// How many totals were not newer than one already seen. They are not stored, because the rate
    /// over their time is known.
    pub late: u32,
}

/// What values that are sent as measurements seem to be. The order of the variants is part of the
/// stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LooksLike {
    /// The total of a counter: it only grows, and begins again at about zero.
    Counter,
    /// A clock, such as an uptime or a time of day: it grows by as much as time passes.
    Clock,
}

impl LooksLike {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            LooksLike::Counter => "counter",
            LooksLike::Clock => "clock",
        }
    }
}

/// Status of a series. The order of the variants is part of the stored format.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum SeriesStatus {
    /// Not enough samples to score yet.
    Warming {
        /// Samples seen.
        seen: u32,
        /// Samples needed.
        needed: u32,
    },
    /// Scored, and no anomaly is open.
    Normal,
    /// An anomaly is open.
    Anomalous,
    /// Nothing arrived for longer than the grace period.
    Stalled,
    /// No samples are expected: the sender marked its end, or it has history only.
    Ended,
}
