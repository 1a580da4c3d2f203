use super::*;
use earcon_model::{
    AnomalyEvent, DetectorEvent, Direction, Event, Feature, FeedbackOutcome, Incident, IncidentEvent, KpiEvent, Labels,
    SeriesEvent,
};

fn kpi() -> KpiName {
    KpiName::new("k").unwrap()
}

fn anomaly() -> Anomaly {
    let labels = Labels::none();
    Anomaly {
        id: known_id(),
        kpi: kpi(),
        labels,
        opened_at_ms: 1,
        last_at_ms: 2,
        closed_at_ms: None,
        peak_score: 0.9,
        peak_at_ms: 1,
        peak_value: 1.0,
        peak_expected: 0.0,
        peak_lower: -1.0,
        peak_upper: 1.0,
        direction: Direction::Above,
        reason: Feature::RobustZ,
        samples: 1,
        detector: "d-1".into(),
        acknowledged: None,
        feedback: None,
        muted: None,
        unit: None,
        end: None,
        learning: false,
    }
}

fn known_id() -> AnomalyId {
    Incident::example(&["k"]).members[0].anomaly
}

fn seen(by: &str) -> Acknowledgement {
    Acknowledgement { at_ms: 3, by: by.into(), note: None }
}

fn feedback(by: &str) -> Feedback {
    Feedback { outcome: FeedbackOutcome::Real, at_ms: 4, by: by.into(), note: None }
}

/// The anomaly after these events in order.
fn fold(events: &[AnomalyEvent]) -> Option<Anomaly> {
    let events = events.iter().map(|event| Event::new(1, 0, kpi(), event.clone()));
    events.fold(None, |known, event| HistoryChange::from_event(&event)?.anomaly_after(known.as_ref()).or(known))
}

fn acknowledged(by: &str) -> AnomalyEvent {
    AnomalyEvent::Acknowledged { id: known_id(), labels: Labels::none(), acknowledgement: seen(by) }
}

fn with_feedback(by: &str) -> AnomalyEvent {
    AnomalyEvent::Feedback { id: known_id(), labels: Labels::none(), feedback: feedback(by), sensitivity: 1.0 }
}

#[test]
fn events_without_rows_or_anomalies_change_nothing() {
    let id = Incident::example(&["k"]).id;
    let none = [
        Event::new(1, 0, kpi(), KpiEvent::Resumed),
        Event::new(1, 0, kpi(), DetectorEvent::Changed(Box::default())),
        Event::new(1, 0, kpi(), SeriesEvent::Ended { labels: Labels::none(), timestamp_ms: 1 }),
        Event::new(1, 0, id, IncidentEvent::Opened(Box::new(Incident::example(&["k"])))),
    ];
    assert!(none.iter().all(|event| HistoryChange::from_event(event).is_none()));
}

#[test]
fn the_first_acknowledgement_and_the_last_feedback_stay() {
    let opened = AnomalyEvent::Opened(Box::new(anomaly()));
    let closed = AnomalyEvent::Closed(Box::new(Anomaly { closed_at_ms: Some(9), ..anomaly() }));
    let after =
        fold(&[opened, acknowledged("ann"), with_feedback("ann"), acknowledged("ben"), with_feedback("ben"), closed]);
    let after = after.unwrap();
    assert_eq!((after.acknowledged, after.feedback), (Some(seen("ann")), Some(feedback("ben"))));
    assert_eq!(after.closed_at_ms, Some(9));
}

#[test]
fn feedback_on_an_unknown_anomaly_is_dropped() {
    assert_eq!(fold(&[acknowledged("ann"), with_feedback("ann")]), None);
}
