//! Events about a KPI as a whole.

use super::EventType;
use crate::deletion::Deletion;

/// What happened to a KPI. The subject is the KPI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KpiEvent {
    /// The actor failed too often in a short time. It restarts on request or with the process.
    Parked {
        /// The last failure.
        reason: String,
    },
    /// A parked KPI runs again.
    Resumed,
    /// A person deleted some or all of it. Events before this one no longer count as far as they
    /// are covered.
    Deleted(Deletion),
}

impl KpiEvent {
    /// The type on the wire.
    pub fn event_type(&self) -> EventType {
        match self {
            KpiEvent::Parked { .. } => EventType::KpiParked,
            KpiEvent::Resumed => EventType::KpiResumed,
            KpiEvent::Deleted(_) => EventType::Deleted,
        }
    }
}
