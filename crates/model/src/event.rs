//! What flows: an event is one record of a workspace's log. Every event type is listed here and nowhere else.

mod stored;

use serde::{Deserialize, Serialize};

use super::anomaly::{Acknowledgement, Anomaly, AnomalyId, Feedback};
use super::detector::{DetectorRef, DetectorSlots, TrainedSeries};
use super::ids::{KpiName, Labels};
use super::incident::Incident;
use super::sample::{Features, Sample, ScoredSample};

/// Position in a workspace's log. Starts at 1, only grows, never reused; 0 means "before the first event".
pub type Seq = u64;

/// One record of a workspace's log. Workspace and epoch are those of the log it stands in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the log.
    pub seq: Seq,
    /// Wall time of the commit, milliseconds since the Unix epoch, UTC.
    pub time_ms: i64,
    /// The KPI it speaks of.
    pub kpi: KpiName,
    /// What happened.
    pub body: EventBody,
}

/// What happened. The order of the variants is part of the stored format: add at the end, never reorder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum EventBody {
    /// Samples were scored and stored.
    Samples(Vec<SeriesSamples>),
    /// An episode began.
    AnomalyOpened(Box<Anomaly>),
    /// An episode grew: a new peak, or another minute of it.
    AnomalyUpdated(Box<Anomaly>),
    /// An episode ended.
    AnomalyClosed(Box<Anomaly>),
    /// Somebody has seen an anomaly.
    AnomalyAcknowledged {
        /// Which anomaly.
        id: AnomalyId,
        /// The series it belongs to.
        labels: Labels,
        /// Who and when.
        acknowledgement: Acknowledgement,
    },
    /// A series sent nothing for longer than its grace period.
    SeriesStalled {
        /// The series.
        labels: Labels,
        /// Timestamp of its last sample, milliseconds UTC.
        last_timestamp_ms: i64,
    },
    /// A stalled series sends again.
    SeriesRestored {
        /// The series.
        labels: Labels,
        /// Timestamp of the sample that ended the silence, milliseconds UTC.
        timestamp_ms: i64,
    },
    /// The KPI's actor failed too often in a short time and is not restarted until asked to, or until the process restarts.
    KpiParked {
        /// The last failure.
        reason: String,
    },
    /// A parked KPI runs again.
    KpiResumed,
    /// The sender of a series said that it ends; its silence is no stall.
    SeriesEnded {
        /// The series.
        labels: Labels,
        /// When it ended, milliseconds UTC; not before its last sample.
        timestamp_ms: i64,
    },
    /// History was taken in: scored, learned from and stored like samples, but nobody is alerted by it.
    Backfilled(Vec<SeriesSamples>),
    /// From here on the KPI is scored by these. What runs already goes on with what it has learned; the rest begins afresh.
    DetectorChanged(Box<DetectorSlots>),
    /// One of the KPI's detectors has learned from history: this is what it knows of these series now.
    DetectorTrained {
        /// Which of the KPI's detectors; nothing happens when it is neither live nor shadow.
        choice: DetectorRef,
        /// The algorithm whose bytes these are.
        detector: String,
        /// What it has learned.
        series: Vec<TrainedSeries>,
    },
    /// Somebody said whether an anomaly was worth the alert; it moves how readily its series alerts.
    AnomalyJudged {
        /// Which anomaly.
        id: AnomalyId,
        /// The series it belongs to.
        labels: Labels,
        /// What they said.
        feedback: Feedback,
        /// What multiplies the configured sensitivity of the series from here on.
        sensitivity: f32,
    },
    /// Anomalies that belong together were found, or one that stands alone; the KPI is the likely first mover's.
    IncidentOpened(Box<Incident>),
    /// An incident grew, was alerted or acknowledged.
    IncidentUpdated(Box<Incident>),
    /// An incident is over, or became part of another.
    IncidentClosed(Box<Incident>),
}

/// Samples of one series inside a [`EventBody::Samples`] or [`EventBody::Backfilled`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "stored::Stored")]
pub struct SeriesSamples {
    /// The series.
    pub labels: Labels,
    /// In timestamp order, each later than the one before.
    pub samples: Vec<ScoredSample>,
    /// Samples not newer than one already seen: stored and counted, not scored.
    pub late: Vec<Sample>,
    /// Features of the last scored sample; `None` while warming up.
    pub features: Option<Features>,
    /// How the series stands after these samples.
    pub status: SeriesStatus,
    /// What these samples were before they were read as a counter; `None` when they are measurements themselves.
    pub counter: Option<CounterSamples>,
}

impl SeriesSamples {
    /// Records a sample that is not newer than one already seen. Late totals of a counter are only counted.
    pub fn add_late(&mut self, sample: Sample) {
        match &mut self.counter {
            Some(counter) => counter.late += 1,
            None => self.late.push(sample),
        }
    }
}

/// What samples of a counter were: from it and the rates a replay leads to the same state.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CounterSamples {
    /// A total with nothing before it, from which the first of the rates counts: taken, but nothing to score.
    pub start: Option<Sample>,
    /// The total after these samples, from which the next rate counts; `None` when there is none.
    pub raw: Option<f64>,
    /// Totals not newer than one already seen: counted, not stored, because the rate between their neighbours is known.
    pub late: u32,
}

/// How a series stands.
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
    /// Nothing is expected of it: its sender said that it ends, or all there is of it is history.
    Ended,
}

/// The `type` of an event on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// `samples`
    Samples,
    /// `anomaly.opened`
    AnomalyOpened,
    /// `anomaly.updated`
    AnomalyUpdated,
    /// `anomaly.closed`
    AnomalyClosed,
    /// `anomaly.acknowledged`
    AnomalyAcknowledged,
    /// `series.stalled`
    SeriesStalled,
    /// `series.restored`
    SeriesRestored,
    /// `kpi.parked`
    KpiParked,
    /// `kpi.resumed`
    KpiResumed,
    /// `series.ended`
    SeriesEnded,
    /// `samples.backfilled`
    Backfilled,
    /// `detector.changed`
    DetectorChanged,
    /// `detector.trained`
    DetectorTrained,
    /// `anomaly.judged`
    AnomalyJudged,
    /// `incident.opened`
    IncidentOpened,
    /// `incident.updated`
    IncidentUpdated,
    /// `incident.closed`
    IncidentClosed,
}

impl EventType {
    /// Every type there is.
    pub const ALL: [EventType; 17] = [
        EventType::Samples,
        EventType::AnomalyOpened,
        EventType::AnomalyUpdated,
        EventType::AnomalyClosed,
        EventType::AnomalyAcknowledged,
        EventType::SeriesStalled,
        EventType::SeriesRestored,
        EventType::KpiParked,
        EventType::KpiResumed,
        EventType::SeriesEnded,
        EventType::Backfilled,
        EventType::DetectorChanged,
        EventType::DetectorTrained,
        EventType::AnomalyJudged,
        EventType::IncidentOpened,
        EventType::IncidentUpdated,
        EventType::IncidentClosed,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Samples => "samples",
            EventType::AnomalyOpened => "anomaly.opened",
            EventType::AnomalyUpdated => "anomaly.updated",
            EventType::AnomalyClosed => "anomaly.closed",
            EventType::AnomalyAcknowledged => "anomaly.acknowledged",
            EventType::SeriesStalled => "series.stalled",
            EventType::SeriesRestored => "series.restored",
            EventType::KpiParked => "kpi.parked",
            EventType::KpiResumed => "kpi.resumed",
            EventType::SeriesEnded => "series.ended",
            EventType::Backfilled => "samples.backfilled",
            EventType::DetectorChanged => "detector.changed",
            EventType::DetectorTrained => "detector.trained",
            EventType::AnomalyJudged => "anomaly.judged",
            EventType::IncidentOpened => "incident.opened",
            EventType::IncidentUpdated => "incident.updated",
            EventType::IncidentClosed => "incident.closed",
        }
    }

    /// The type with this name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event_type| event_type.as_str() == name)
    }
}

impl EventBody {
    /// The type this body has on the wire.
    pub fn event_type(&self) -> EventType {
        match self {
            EventBody::Samples(_) => EventType::Samples,
            EventBody::AnomalyOpened(_) => EventType::AnomalyOpened,
            EventBody::AnomalyUpdated(_) => EventType::AnomalyUpdated,
            EventBody::AnomalyClosed(_) => EventType::AnomalyClosed,
            EventBody::AnomalyAcknowledged { .. } => EventType::AnomalyAcknowledged,
            EventBody::SeriesStalled { .. } => EventType::SeriesStalled,
            EventBody::SeriesRestored { .. } => EventType::SeriesRestored,
            EventBody::KpiParked { .. } => EventType::KpiParked,
            EventBody::KpiResumed => EventType::KpiResumed,
            EventBody::SeriesEnded { .. } => EventType::SeriesEnded,
            EventBody::Backfilled(_) => EventType::Backfilled,
            EventBody::DetectorChanged(_) => EventType::DetectorChanged,
            EventBody::DetectorTrained { .. } => EventType::DetectorTrained,
            EventBody::AnomalyJudged { .. } => EventType::AnomalyJudged,
            EventBody::IncidentOpened(_) => EventType::IncidentOpened,
            EventBody::IncidentUpdated(_) => EventType::IncidentUpdated,
            EventBody::IncidentClosed(_) => EventType::IncidentClosed,
        }
    }

    /// The incident it speaks of. Such events are no part of the state of the KPI they name.
    pub fn incident(&self) -> Option<&Incident> {
        match self {
            EventBody::IncidentOpened(incident)
            | EventBody::IncidentUpdated(incident)
            | EventBody::IncidentClosed(incident) => Some(incident),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_name_parses_back() {
        for event_type in EventType::ALL {
            assert_eq!(EventType::parse(event_type.as_str()), Some(event_type));
        }
        assert_eq!(EventType::parse("anomaly"), None);
    }
}
