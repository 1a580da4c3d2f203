//! Events about the detectors of a KPI.

use super::EventType;
use crate::detector::{DetectorRef, DetectorSlots, TrainedSeries};

/// What happened to the detectors of a KPI. The subject is the KPI.
#[derive(Debug, Clone, PartialEq)]
pub enum DetectorEvent {
    /// From here on these detectors score the KPI. A detector that runs already keeps its state.
    /// Others start without history.
    Changed(Box<DetectorSlots>),
    /// A detector of the KPI has learned from history: its state for these series.
    Trained {
        /// Which of the KPI's detectors. The event has no effect if it is neither live nor shadow.
        detector: DetectorRef,
        /// The algorithm that made the state.
        algorithm: String,
        /// The state of each series.
        series: Vec<TrainedSeries>,
    },
}

impl DetectorEvent {
    /// The type on the wire.
    pub fn event_type(&self) -> EventType {
        match self {
            DetectorEvent::Changed(_) => EventType::DetectorChanged,
            DetectorEvent::Trained { .. } => EventType::DetectorTrained,
        }
    }
}
