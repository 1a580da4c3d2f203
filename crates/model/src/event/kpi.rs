//! Events about the actor of a KPI.

use super::EventType;

/// What happened to the actor of a KPI. The subject is the KPI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KpiEvent {
    /// The actor failed too often in a short time. It restarts on request or with the process.
    Parked {
        /// The last failure.
        reason: String,
    },
    /// A parked KPI runs again.
    Resumed,
}

impl KpiEvent {
    /// The type on the wire.
    pub fn event_type(&self) -> EventType {
        match self {
            KpiEvent::Parked { .. } => EventType::KpiParked,
            KpiEvent::Resumed => EventType::KpiResumed,
        }
    }
}
