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
    /// The epoch of the log that `seq` belongs to.
    pub epoch: Arc<str>,
    /// Time of the commit, milliseconds since the Unix epoch, UTC.
    pub time: i64,
    /// The workspace.
    pub workspace: Arc<str>,
    /// What it is about: `workspace`, `kpi/<name>`, `incident/<id>`, `run/<id>`, `job/<id>` or another.
    pub subject: String,
    /// The KPI, if the event is about one.
    pub kpi: Option<String>,
    /// What happened.
    pub data: EventData,
    /// Under a `rate`: the position to resume from without losing samples, if it is not `seq`.
    pub resume: Option<u64>,
    /// Under a `rate`: how many events were merged into this one.
    pub conflated: Option<u64>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventData {
    /// New samples.
    Samples {
        /// By series.
        series: Vec<SeriesSamples>,
    },
    /// An anomaly began.
    AnomalyOpened(Box<Anomaly>),
    /// It grew.
    AnomalyUpdated(Box<Anomaly>),
    /// It ended.
    AnomalyClosed(Box<Anomaly>),
    /// A person has seen it.
    AnomalyAcknowledged(Acknowledged),
    /// A person gave feedback on it.
    AnomalyFeedback(AnomalyFeedback),
    /// A series sent nothing for longer than usual.
    SeriesStalled {
        /// The series.
        labels: Labels,
        /// Of its last sample, milliseconds UTC.
        last_timestamp: i64,
    },
    /// A stalled series sends again.
    SeriesRestored {
        /// The series.
        labels: Labels,
        /// Of the sample that ended the silence, milliseconds UTC.
        timestamp: i64,
    },
    /// The sender marked the end of a series: its silence is no stall.
    SeriesEnded {
        /// The series.
        labels: Labels,
        /// When it ended, milliseconds UTC.
        timestamp: i64,
    },
    /// History was ingested. Query it to get the samples.
    SamplesBackfilled {
        /// By series.
        series: Vec<Backfilled>,
    },
    /// The KPI failed too often and is not scored until it is resumed.
    KpiParked {
        /// The last failure.
        reason: String,
    },
    /// A parked KPI runs again.
    KpiResumed,
    /// Other detectors score the KPI from here on.
    DetectorChanged {
        /// The entry whose anomalies alert, `name@revision`; `default` is the configured detector.
        live: String,
        /// The entry that scores the same samples and is only counted.
        shadow: Option<String>,
    },
    /// One of the KPI's detectors has learned from history.
    DetectorTrained {
        /// The entry, `name@revision` or `default`.
        entry: String,
        /// The algorithm.
        detector: String,
        /// How many series have new baselines.
        series: u64,
    },
    /// Anomalies that belong together were found, or a single one.
    IncidentOpened(Box<Incident>),
    /// An incident grew, was alerted or acknowledged.
    IncidentUpdated(Box<Incident>),
    /// An incident is over, or was merged into another.
    IncidentClosed(Box<Incident>),
    /// A type this version of the client does not know.
    Other {
        /// Its name.
        name: String,
        /// Its content.
        data: Value,
    },
}

/// An acknowledgement of an anomaly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The anomaly.
    pub id: String,
    /// The series it belongs to.
    pub labels: Labels,
    /// Who and when.
    pub acknowledged: Acknowledgement,
}

/// Feedback on an anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyFeedback {
    /// The anomaly.
    pub id: String,
    /// The series it belongs to.
    pub labels: Labels,
    /// The feedback, with its author.
    pub feedback: Feedback,
    /// Multiplies the configured sensitivity of the series from here on.
    pub sensitivity: f32,
}

/// Ingested history of one series, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfilled {
    /// The series.
    pub labels: Labels,
    /// Samples that were scored and stored.
    pub samples: u64,
    /// Samples that were not newer than one before: stored only.
    pub late: u64,
    /// Of the oldest, milliseconds UTC.
    pub from: Option<i64>,
    /// Of the newest, milliseconds UTC.
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
    /// The `type` on the wire.
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
            EventData::DetectorChanged { .. } => "detector.changed",
            EventData::DetectorTrained { .. } => "detector.trained",
            EventData::IncidentOpened(_) => "incident.opened",
            EventData::IncidentUpdated(_) => "incident.updated",
            EventData::IncidentClosed(_) => "incident.closed",
            EventData::Other { name, .. } => name,
        }
    }

    /// Whether this version knows events of this type.
    pub(crate) fn is_known(name: &str) -> bool {
        const KNOWN: [&str; 17] = [
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
            "detector.changed",
            "detector.trained",
            "incident.opened",
            "incident.updated",
            "incident.closed",
        ];
        KNOWN.contains(&name)
    }

    fn parse(name: &str, data: &str) -> Result<Self, DecodeError> {
        fn of<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, DecodeError> {
            serde_json::from_str(data).map_err(DecodeError::Json)
        }
        Ok(match name {
            "samples" => EventData::Samples { series: of::<SamplesData>(data)?.series },
            "anomaly.opened" => EventData::AnomalyOpened(of(data)?),
            "anomaly.updated" => EventData::AnomalyUpdated(of(data)?),
            "anomaly.closed" => EventData::AnomalyClosed(of(data)?),
            "anomaly.acknowledged" => EventData::AnomalyAcknowledged(of(data)?),
            "anomaly.feedback" => EventData::AnomalyFeedback(of(data)?),
            "series.stalled" => {
                let Stalled { labels, last_timestamp } = of(data)?;
                EventData::SeriesStalled { labels, last_timestamp }
            }
            "series.restored" => {
                let Restored { labels, timestamp } = of(data)?;
                EventData::SeriesRestored { labels, timestamp }
            }
            "series.ended" => {
                let Restored { labels, timestamp } = of(data)?;
                EventData::SeriesEnded { labels, timestamp }
            }
            "samples.backfilled" => EventData::SamplesBackfilled { series: of::<BackfilledData>(data)?.series },
            "kpi.parked" => EventData::KpiParked { reason: of::<Parked>(data)?.reason },
            "kpi.resumed" => EventData::KpiResumed,
            "detector.changed" => of::<Changed>(data)?.into(),
            "detector.trained" => of::<Trained>(data)?.into(),
            "incident.opened" => EventData::IncidentOpened(of(data)?),
            "incident.updated" => EventData::IncidentUpdated(of(data)?),
            "incident.closed" => EventData::IncidentClosed(of(data)?),
            _ => EventData::Other { name: name.to_owned(), data: of(data)? },
        })
    }
}

impl Serialize for EventData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Like [`SamplesData`], borrowed.
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

/// An event in a text message; `data` is parsed once the type is known.
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
    /// Reads the JSON of an event.
    ///
    /// # Errors
    /// It is not JSON, or a field is missing or of another type.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        let Envelope { seq, epoch, time, r#type, workspace, subject, kpi, data, resume, conflated } =
            serde_json::from_str(text).map_err(DecodeError::Json)?;
        let data = EventData::parse(&r#type, data.get())?;
        Ok(Self { seq, epoch, time, workspace, subject, kpi, data, resume, conflated })
    }
}
