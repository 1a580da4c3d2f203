//! An event is one record of a workspace's log.
//!
//! Events come in families ([`EventBody`]), each with its own enum. A new kind goes into the enum
//! of its family, into [`EventType`] and into the stored form.

mod anomaly;
mod body;
mod detector;
mod event_type;
mod incident;
mod kpi;
mod series;
mod stored;
mod subject;

use serde::{Deserialize, Serialize};

pub use anomaly::AnomalyEvent;
pub use body::EventBody;
pub use detector::DetectorEvent;
pub use event_type::EventType;
pub use incident::IncidentEvent;
pub use kpi::KpiEvent;
pub use series::{CounterSamples, LooksLike, ScoredSamples, SeriesEvent, SeriesSamples, SeriesStatus};
pub use subject::{JobId, RunId, Subject};

use super::deletion::Deletion;
use super::ids::{KpiName, Seq};
use super::incident::Incident;

/// One record of a workspace's log. Workspace and epoch are those of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the log.
    pub seq: Seq,
    /// Wall time of the commit, milliseconds since the Unix epoch, UTC.
    pub time_ms: i64,
    /// The topic of the event.
    pub subject: Subject,
    /// What happened. `stored` has its byte form.
    pub body: EventBody,
}

impl Event {
    /// An event about a subject: a [`KpiName`], an incident's id, or any other [`Subject`].
    pub fn new(seq: Seq, time_ms: i64, subject: impl Into<Subject>, body: impl Into<EventBody>) -> Self {
        Self { seq, time_ms, subject: subject.into(), body: body.into() }
    }

    /// The KPI it is about, if it is about one.
    pub fn kpi(&self) -> Option<&KpiName> {
        self.subject.kpi()
    }

    /// The incident it carries, if it is about one.
    pub fn incident(&self) -> Option<&Incident> {
        match &self.body {
            EventBody::Incident(event) => Some(event.incident()),
            _ => None,
        }
    }

    /// The KPI and the deletion in it, if that is what it is about.
    pub fn deletion(&self) -> Option<(&KpiName, &Deletion)> {
        match &self.body {
            EventBody::Kpi(KpiEvent::Deleted(deletion)) => Some((self.kpi()?, deletion)),
            _ => None,
        }
    }

    /// The type on the wire.
    pub fn event_type(&self) -> EventType {
        self.body.event_type()
    }
}
