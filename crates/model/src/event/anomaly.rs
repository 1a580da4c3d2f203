//! Events about the anomalies of a KPI.

use super::EventType;
use crate::anomaly::{Acknowledgement, Anomaly, AnomalyId, Feedback};
use crate::ids::Labels;

/// What happened to an anomaly. The subject is its KPI.
#[derive(Debug, Clone, PartialEq)]
pub enum AnomalyEvent {
    /// An episode began.
    Opened(Box<Anomaly>),
    /// An episode grew: a new peak, or another minute of it.
    Updated(Box<Anomaly>),
    /// An episode ended.
    Closed(Box<Anomaly>),
    /// A person has seen an anomaly.
    Acknowledged {
        /// Which anomaly.
        id: AnomalyId,
        /// The series it belongs to.
        labels: Labels,
        /// Who and when.
        acknowledgement: Acknowledgement,
    },
    /// A person gave feedback on an anomaly. It changes how easily the series alerts.
    Feedback {
        /// Which anomaly.
        id: AnomalyId,
        /// The series it belongs to.
        labels: Labels,
        /// The feedback.
        feedback: Feedback,
        /// Multiplies the configured sensitivity of the series from here on.
        sensitivity: f32,
    },
}

impl AnomalyEvent {
    /// The type on the wire.
    pub fn event_type(&self) -> EventType {
        match self {
            AnomalyEvent::Opened(_) => EventType::AnomalyOpened,
            AnomalyEvent::Updated(_) => EventType::AnomalyUpdated,
            AnomalyEvent::Closed(_) => EventType::AnomalyClosed,
            AnomalyEvent::Acknowledged { .. } => EventType::AnomalyAcknowledged,
            AnomalyEvent::Feedback { .. } => EventType::AnomalyFeedback,
        }
    }

    /// The anomaly as of this event, if the event carries all of it.
    pub fn anomaly(&self) -> Option<&Anomaly> {
        match self {
            AnomalyEvent::Opened(anomaly) | AnomalyEvent::Updated(anomaly) | AnomalyEvent::Closed(anomaly) => {
                Some(anomaly)
            }
            AnomalyEvent::Acknowledged { .. } | AnomalyEvent::Feedback { .. } => None,
        }
    }

    /// The same, to change it before the event is logged.
    pub fn anomaly_mut(&mut self) -> Option<&mut Anomaly> {
        match self {
            AnomalyEvent::Opened(anomaly) | AnomalyEvent::Updated(anomaly) | AnomalyEvent::Closed(anomaly) => {
                Some(anomaly)
            }
            AnomalyEvent::Acknowledged { .. } | AnomalyEvent::Feedback { .. } => None,
        }
    }
}
