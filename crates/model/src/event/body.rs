//! The families of events.

use super::{AnomalyEvent, DetectorEvent, EventType, IncidentEvent, KpiEvent, SeriesEvent};

/// What happened, by family.
///
/// Code that handles a family matches all of its kinds, without a wildcard. It ignores other
/// families in one arm, so that a new family changes only the code that handles it.
#[derive(Debug, Clone, PartialEq)]
pub enum EventBody {
    /// Samples, stalls and ends of series.
    Series(SeriesEvent),
    /// Episodes of series, with acknowledgements and feedback.
    Anomaly(AnomalyEvent),
    /// The actor of a KPI.
    Kpi(KpiEvent),
    /// The detectors of a KPI.
    Detector(DetectorEvent),
    /// Groups of anomalies.
    Incident(IncidentEvent),
}

impl EventBody {
    /// The type on the wire.
    pub fn event_type(&self) -> EventType {
        match self {
            EventBody::Series(event) => event.event_type(),
            EventBody::Anomaly(event) => event.event_type(),
            EventBody::Kpi(event) => event.event_type(),
            EventBody::Detector(event) => event.event_type(),
            EventBody::Incident(event) => event.event_type(),
        }
    }
}

impl From<SeriesEvent> for EventBody {
    fn from(event: SeriesEvent) -> Self {
        EventBody::Series(event)
    }
}

impl From<AnomalyEvent> for EventBody {
    fn from(event: AnomalyEvent) -> Self {
        EventBody::Anomaly(event)
    }
}

impl From<KpiEvent> for EventBody {
    fn from(event: KpiEvent) -> Self {
        EventBody::Kpi(event)
    }
}

impl From<DetectorEvent> for EventBody {
    fn from(event: DetectorEvent) -> Self {
        EventBody::Detector(event)
    }
}

impl From<IncidentEvent> for EventBody {
    fn from(event: IncidentEvent) -> Self {
        EventBody::Incident(event)
    }
}
