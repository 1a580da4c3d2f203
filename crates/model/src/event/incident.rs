//! Events about incidents.

use super::EventType;
use crate::incident::Incident;

/// What happened to an incident. The subject is the incident.
#[derive(Debug, Clone, PartialEq)]
pub enum IncidentEvent {
    /// An incident began, with one anomaly or several.
    Opened(Box<Incident>),
    /// An incident grew, was alerted or acknowledged.
    Updated(Box<Incident>),
    /// An incident is over, or was merged into another.
    Closed(Box<Incident>),
}

impl IncidentEvent {
    /// The incident as of this event.
    pub fn incident(&self) -> &Incident {
        match self {
            IncidentEvent::Opened(incident) | IncidentEvent::Updated(incident) | IncidentEvent::Closed(incident) => {
                incident
            }
        }
    }

    /// The type on the wire.
    pub fn event_type(&self) -> EventType {
        match self {
            IncidentEvent::Opened(_) => EventType::IncidentOpened,
            IncidentEvent::Updated(_) => EventType::IncidentUpdated,
            IncidentEvent::Closed(_) => EventType::IncidentClosed,
        }
    }
}
