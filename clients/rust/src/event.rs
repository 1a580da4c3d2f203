//! Events of a workspace's log.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::anomaly::{Acknowledgement, Anomaly, Feedback};
use crate::incident::Incident;
use crate::message::DecodeError;
use crate::series::{Labels, SeriesSamples, SeriesState};

/// One event. Serialises to the JSON of the server's protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Position in the log of the workspace.
    pub seq: u64,
    /// The epoch that wrote the event. Together with `seq` it identifies the event for good.
    pub epoch: Arc<str>,
    /// Time of the commit, milliseconds since the Unix epoch, UTC.
    pub time: i64,
    /// Name of the workspace.
    pub workspace: Arc<str>,
    /// The subject: `workspace`, `kpi/<name>`, `incident/<id>`, `run/<id>`, `job/<id>` or another.
    pub subject: String,
    /// The KPI, if the event is about one.
    pub kpi: Option<String>,
    /// Type and content of the event.
    pub data: EventData,
    /// With a `rate`: the position to resume from without losing samples, if it is not `seq`.
    pub resume: Option<u64>,
    /// With a `rate`: the number of events merged into this event.
    pub conflated: Option<u64>,
}

/// Type and content of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum EventData {
    /// New samples.
    Samples {
        /// The samples of each series.
        series: Vec<SeriesSamples>,
    },
    /// An anomaly was opened.
    AnomalyOpened(Box<Anomaly>),
    /// An open anomaly changed.
    AnomalyUpdated(Box<Anomaly>),
    /// An anomaly was closed.
    AnomalyClosed(Box<Anomaly>),
    /// A person acknowledged an anomaly.
    AnomalyAcknowledged(Acknowledged),
    /// A person gave feedback on an anomaly.
    AnomalyFeedback(AnomalyFeedback),
    /// A series received no sample for longer than usual.
    SeriesStalled {
        /// The labels of the series.
        labels: Labels,
        /// Timestamp of the last sample, milliseconds UTC.
        last_timestamp: i64,
    },
    /// A stalled series received a sample.
    SeriesRestored {
        /// The labels of the series.
        labels: Labels,
        /// Timestamp of the sample that ended the stall, milliseconds UTC.
        timestamp: i64,
    },
    /// The sender ended a series. The series cannot stall any more.
    SeriesEnded {
        /// The labels of the series.
        labels: Labels,
        /// Time of the end, milliseconds UTC.
        timestamp: i64,
    },
    /// History was ingested. A query of the history returns the samples.
    SamplesBackfilled {
        /// The samples of each series.
        series: Vec<Backfilled>,
    },
    /// Scoring of the KPI failed too often. The KPI is not scored until it is resumed.
    KpiParked {
        /// Message of the last failure.
        reason: String,
    },
    /// A parked KPI was resumed.
    KpiResumed,
    /// A person deleted some or all of the KPI. What earlier events and answers brought no longer
    /// counts, as far as it is covered.
    Deleted(Deleted),
    /// The detectors of the KPI changed.
    DetectorChanged {
        /// The entry whose anomalies alert, `name@revision`; `default` is the configured detector.
        live: String,
        /// The entry that scores the same samples without alerts.
        shadow: Option<String>,
    },
    /// A detector of the KPI was trained with history.
    DetectorTrained {
        /// The entry, `name@revision` or `default`.
        entry: String,
        /// The algorithm.
        detector: String,
        /// Number of series with new baselines.
        series: u64,
    },
    /// An incident was opened: one anomaly, or several that belong together.
    IncidentOpened(Box<Incident>),
    /// An incident grew, was alerted or was acknowledged.
    IncidentUpdated(Box<Incident>),
    /// An incident ended or was merged into another.
    IncidentClosed(Box<Incident>),
    /// An event of a type that this version of the client does not know.
    Other {
        /// The type.
        name: String,
        /// The content.
        data: Value,
    },
}

/// What a person deleted of a KPI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The covered part.
    pub scope: DeletedScope,
    /// Only series that have all these labels.
    pub labels: Labels,
    /// First time of a range of samples, milliseconds UTC. `None`: from the beginning.
    pub from: Option<i64>,
    /// First time after the range. `None`: to the end.
    pub to: Option<i64>,
    /// Who deleted it.
    pub by: String,
}

/// What a deletion covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletedScope {
    /// The KPI with everything that belongs to it.
    Kpi,
    /// Whole series.
    Series,
    /// Samples of a time range.
    Samples,
}

/// An acknowledgement of an anomaly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Id of the anomaly.
    pub id: String,
    /// The labels of the series.
    pub labels: Labels,
    /// Author and time.
    pub acknowledged: Acknowledgement,
}

/// Feedback on an anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyFeedback {
    /// Id of the anomaly.
    pub id: String,
    /// The labels of the series.
    pub labels: Labels,
    /// The feedback, with its author.
    pub feedback: Feedback,
    /// The factor that multiplies the configured sensitivity of the series from now on.
    pub sensitivity: f32,
}

/// Summary of the ingested history of one series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfilled {
    /// The labels of the series.
    pub labels: Labels,
    /// Number of samples that were scored and stored.
    pub samples: u64,
    /// Number of late samples: stored, but not scored.
    pub late: u64,
    /// Timestamp of the oldest sample, milliseconds UTC.
    pub from: Option<i64>,
    /// Timestamp of the newest sample, milliseconds UTC.
    pub to: Option<i64>,
    /// State of the series.
    pub state: SeriesState,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct BackfilledData {
    pub(crate) series: Vec<Backfilled>,
}

#[derive(Serialize, Deserialize)]
struct SamplesData {
    series: Vec<SeriesSamples>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Stalled {
    pub(crate) labels: Labels,
    pub(crate) last_timestamp: i64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Restored {
    pub(crate) labels: Labels,
    pub(crate) timestamp: i64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Parked {
    pub(crate) reason: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Changed {
    live: String,
    shadow: Option<String>,
}

impl From<Changed> for EventData {
    fn from(Changed { live, shadow }: Changed) -> Self {
        EventData::DetectorChanged { live, shadow }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Trained {
    entry: String,
    detector: String,
    series: u64,
}

impl From<Trained> for EventData {
    fn from(Trained { entry, detector, series }: Trained) -> Self {
        EventData::DetectorTrained { entry, detector, series }
    }
}

impl EventData {
    /// The `type` in the protocol.
    pub fn name(&self) -> &str {
        match self {
            EventData::Samples { .. } => "samples",
            EventData::AnomalyOpened(_) => "anomaly.opened",
            EventData::AnomalyUpdated(_) => "anomaly.updated",
            EventData::AnomalyClosed(_) => "anomaly.closed",
            EventData::AnomalyAcknowledged(_) => "anomaly.acknowledged",
            EventData::AnomalyFeedback(_) => "anomaly.feedback",
            EventData::SeriesStalled { .. } => "series.stalled",
            EventData::SeriesRestored { .. } => "series.restored",
            EventData::SeriesEnded { .. } => "series.ended",
            EventData::SamplesBackfilled { .. } => "samples.backfilled",
            EventData::KpiParked { .. } => "kpi.parked",
            EventData::KpiResumed => "kpi.resumed",
            EventData::Deleted(_) => "deleted",
            EventData::DetectorChanged { .. } => "detector.changed",
            EventData::DetectorTrained { .. } => "detector.trained",
            EventData::IncidentOpened(_) => "incident.opened",
            EventData::IncidentUpdated(_) => "incident.updated",
            EventData::IncidentClosed(_) => "incident.closed",
            EventData::Other { name, .. } => name,
        }
    }

    /// Whether this version of the client knows the event type.
    pub(crate) fn is_known(name: &str) -> bool {
        const KNOWN: [&str; 18] = [
            "samples",
            "anomaly.opened",
            "anomaly.updated",
            "anomaly.closed",
            "anomaly.acknowledged",
            "anomaly.feedback",
            "series.stalled",
            "series.restored",
            "series.ended",
            "samples.backfilled",
            "kpi.parked",
            "kpi.resumed",
            "deleted",
            "detector.changed",
            "detector.trained",
            "incident.opened",
            "incident.updated",
            "incident.closed",
        ];
        KNOWN.contains(&name)
    }

    fn parse(name: &str, data: &str) -> Result<Self, DecodeError> {
        fn parse<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, DecodeError> {
            serde_json::from_str(data).map_err(DecodeError::Json)
        }
        Ok(match name {
            "samples" => EventData::Samples { series: parse::<SamplesData>(data)?.series },
            "anomaly.opened" => EventData::AnomalyOpened(parse(data)?),
            "anomaly.updated" => EventData::AnomalyUpdated(parse(data)?),
            "anomaly.closed" => EventData::AnomalyClosed(parse(data)?),
            "anomaly.acknowledged" => EventData::AnomalyAcknowledged(parse(data)?),
            "anomaly.feedback" => EventData::AnomalyFeedback(parse(data)?),
            "series.stalled" => {
                let Stalled { labels, last_timestamp } = parse(data)?;
                EventData::SeriesStalled { labels, last_timestamp }
            }
            "series.restored" => {
                let Restored { labels, timestamp } = parse(data)?;
                EventData::SeriesRestored { labels, timestamp }
            }
            "series.ended" => {
                let Restored { labels, timestamp } = parse(data)?;
                EventData::SeriesEnded { labels, timestamp }
            }
            "samples.backfilled" => EventData::SamplesBackfilled { series: parse::<BackfilledData>(data)?.series },
            "kpi.parked" => EventData::KpiParked { reason: parse::<Parked>(data)?.reason },
            "kpi.resumed" => EventData::KpiResumed,
            "deleted" => EventData::Deleted(parse(data)?),
            "detector.changed" => parse::<Changed>(data)?.into(),
            "detector.trained" => parse::<Trained>(data)?.into(),
            "incident.opened" => EventData::IncidentOpened(parse(data)?),
            "incident.updated" => EventData::IncidentUpdated(parse(data)?),
            "incident.closed" => EventData::IncidentClosed(parse(data)?),
            _ => EventData::Other { name: name.to_owned(), data: parse(data)? },
        })
    }
}

impl Serialize for EventData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// A borrowed [`SamplesData`].
        #[derive(Serialize)]
        struct Borrowed<'a> {
            series: &'a [SeriesSamples],
        }
        match self {
            EventData::Samples { series } => Borrowed { series }.serialize(serializer),
            EventData::AnomalyOpened(anomaly)
            | EventData::AnomalyUpdated(anomaly)
            | EventData::AnomalyClosed(anomaly) => anomaly.serialize(serializer),
            EventData::IncidentOpened(incident)
            | EventData::IncidentUpdated(incident)
            | EventData::IncidentClosed(incident) => incident.serialize(serializer),
            EventData::AnomalyAcknowledged(acknowledged) => acknowledged.serialize(serializer),
            EventData::AnomalyFeedback(feedback) => feedback.serialize(serializer),
            EventData::SeriesStalled { labels, last_timestamp } => {
                Stalled { labels: labels.clone(), last_timestamp: *last_timestamp }.serialize(serializer)
            }
            EventData::SamplesBackfilled { series } => BackfilledData { series: series.clone() }.serialize(serializer),
            EventData::SeriesRestored { labels, timestamp } | EventData::SeriesEnded { labels, timestamp } => {
                Restored { labels: labels.clone(), timestamp: *timestamp }.serialize(serializer)
            }
            EventData::KpiParked { reason } => Parked { reason: reason.clone() }.serialize(serializer),
            EventData::Deleted(deleted) => deleted.serialize(serializer),
            EventData::KpiResumed => serializer.serialize_map(Some(0))?.end(),
            EventData::DetectorChanged { live, shadow } => {
                Changed { live: live.clone(), shadow: shadow.clone() }.serialize(serializer)
            }
            EventData::DetectorTrained { entry, detector, series } => {
                Trained { entry: entry.clone(), detector: detector.clone(), series: *series }.serialize(serializer)
            }
            EventData::Other { data, .. } => data.serialize(serializer),
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("epoch", &self.epoch)?;
        map.serialize_entry("time", &self.time)?;
        map.serialize_entry("type", self.data.name())?;
        map.serialize_entry("workspace", &self.workspace)?;
        map.serialize_entry("subject", &self.subject)?;
        if let Some(kpi) = &self.kpi {
            map.serialize_entry("kpi", kpi)?;
        }
        map.serialize_entry("data", &self.data)?;
        if let Some(resume) = self.resume {
            map.serialize_entry("resume", &resume)?;
        }
        if let Some(conflated) = self.conflated {
            map.serialize_entry("conflated", &conflated)?;
        }
        map.end()
    }
}

/// An event in a text message. `data` is parsed once the type is known.
#[derive(Deserialize)]
struct Envelope<'a> {
    seq: u64,
    epoch: Arc<str>,
    time: i64,
    r#type: String,
    workspace: Arc<str>,
    subject: String,
    kpi: Option<String>,
    #[serde(borrow)]
    data: &'a RawValue,
    resume: Option<u64>,
    conflated: Option<u64>,
}

impl Event {
    /// Decodes the JSON of an event.
    ///
    /// # Errors
    /// If the text is not JSON, or a field is missing or has the wrong type.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        let Envelope { seq, epoch, time, r#type, workspace, subject, kpi, data, resume, conflated } =
            serde_json::from_str(text).map_err(DecodeError::Json)?;
        let data = EventData::parse(&r#type, data.get())?;
        Ok(Self { seq, epoch, time, workspace, subject, kpi, data, resume, conflated })
    }
}
