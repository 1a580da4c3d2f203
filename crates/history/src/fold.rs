//! The change that an event makes to the history.

use earcon_model::{
    Acknowledgement, Anomaly, AnomalyEvent, AnomalyId, Event, EventBody, Feedback, KpiName, SeriesEvent, SeriesSamples,
};

/// A change of the history, as one event asks for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HistoryChange<'a> {
    /// Adds the rows of some series of a KPI.
    Rows(&'a KpiName, &'a [SeriesSamples]),
    /// Replaces an anomaly, except for its acknowledgement and feedback.
    Anomaly(&'a Anomaly),
    /// Acknowledges an anomaly; the first acknowledgement stays.
    Acknowledged(AnomalyId, &'a Acknowledgement),
    /// Records feedback on an anomaly; the last feedback stays.
    Feedback(AnomalyId, &'a Feedback),
}

impl<'a> HistoryChange<'a> {
    /// The change that this event asks for; `None` if it does not touch the history.
    pub fn from_event(event: &'a Event) -> Option<Self> {
        match &event.body {
            EventBody::Series(SeriesEvent::Samples(parts) | SeriesEvent::Backfilled(parts)) => {
                Some(HistoryChange::Rows(event.kpi()?, parts))
            }
            EventBody::Series(
                SeriesEvent::Stalled { .. } | SeriesEvent::Restored { .. } | SeriesEvent::Ended { .. },
            ) => None,
            EventBody::Anomaly(
                AnomalyEvent::Opened(anomaly) | AnomalyEvent::Updated(anomaly) | AnomalyEvent::Closed(anomaly),
            ) => Some(HistoryChange::Anomaly(anomaly)),
            EventBody::Anomaly(AnomalyEvent::Acknowledged { id, acknowledgement, .. }) => {
                Some(HistoryChange::Acknowledged(*id, acknowledgement))
            }
            EventBody::Anomaly(AnomalyEvent::Feedback { id, feedback, .. }) => {
                Some(HistoryChange::Feedback(*id, feedback))
            }
            _ => None,
        }
    }

    /// The anomaly that changes.
    pub fn anomaly_id(&self) -> Option<AnomalyId> {
        match self {
            HistoryChange::Rows(..) => None,
            HistoryChange::Anomaly(anomaly) => Some(anomaly.id),
            HistoryChange::Acknowledged(id, _) | HistoryChange::Feedback(id, _) => Some(*id),
        }
    }

    /// The anomaly after the change, from the anomaly `before` it. `None` if no anomaly changes.
    /// Also `None` for an acknowledgement or feedback without `before`: that anomaly has expired.
    pub fn anomaly_after(&self, before: Option<&Anomaly>) -> Option<Anomaly> {
        match self {
            HistoryChange::Rows(..) => None,
            HistoryChange::Anomaly(anomaly) => Some(carry_over_feedback((*anomaly).clone(), before)),
            HistoryChange::Acknowledged(_, acknowledgement) => {
                let mut anomaly = before?.clone();
                anomaly.acknowledged.get_or_insert_with(|| (*acknowledgement).clone());
                Some(anomaly)
            }
            HistoryChange::Feedback(_, feedback) => {
                Some(Anomaly { feedback: Some((*feedback).clone()), ..before?.clone() })
            }
        }
    }
}

/// Keeps acknowledgement and feedback of the anomaly `before`. Events about an episode may lack
/// them.
fn carry_over_feedback(mut anomaly: Anomaly, before: Option<&Anomaly>) -> Anomaly {
    if let Some(seen) = before.and_then(|before| before.acknowledged.as_ref()) {
        anomaly.acknowledged = Some(seen.clone());
    }
    if let Some(feedback) = before.and_then(|before| before.feedback.as_ref()) {
        anomaly.feedback = Some(feedback.clone());
    }
    anomaly
}

#[cfg(test)]
mod tests;
