//! From the first member to the end: close, acknowledgement, deletion, and states that are lost.

use super::*;

#[test]
fn incident_closes_after_linger_unless_a_member_returns() {
    let mut f = Harness::new();
    let first = f.open("a", 0.7);
    f.wait(10_000);
    f.close(&first);
    f.wait(30_000);
    let again = f.open("a", 0.8);
    f.wait(10_000);
    f.close(&again);
    let ended_at_ms = f.now_ms;
    // Samples have the time of `settle_ms` to arrive.
    f.wait(61_999);
    assert!(f.events_of_type("incident.closed").is_empty());
    f.wait(1);
    let closed = f.events_of_type("incident.closed");
    assert_eq!((closed.len(), f.opened().len()), (1, 1));
    assert_eq!((closed[0].closed_at_ms, closed[0].members[0].episodes), (Some(ended_at_ms), 2));
    let what: Vec<_> = closed[0].timeline.iter().map(|moment| moment.what).collect();
    use TimelineKind::{Alerted, Ended, Joined, Returned};
    assert_eq!(what, [Joined, Alerted, Ended, Returned, Ended]);
    f.open("a", 0.7);
    f.wait(10_000);
    assert_eq!(f.opened().len(), 2);
}

#[test]
fn acknowledged_incident_is_marked() {
    let mut f = Harness::new();
    let a = f.open("a", 0.7);
    f.wait(5_000);
    let by = Acknowledgement { at_ms: f.now_ms, by: "ada".into(), note: None };
    let body = EventBody::Anomaly(AnomalyEvent::Acknowledged {
        id: a.id,
        labels: a.labels.clone(),
        acknowledgement: by.clone(),
    });
    f.append(a.kpi.clone(), body);
    let event = f.log.last().unwrap().clone();
    f.engine.ingest(&event, &|_| None);
    f.wait(1);
    assert_eq!(f.last().acknowledged, Some(by));
}

#[test]
fn reconcile_ends_members_whose_close_was_lost() {
    let mut f = Harness::new();
    let a = f.open("a", 0.7);
    f.open("b", 0.7);
    f.wait(5_000);
    f.engine.reconcile(&HashSet::from([a.id]), f.now_ms);
    f.wait(100_000);
    assert_eq!(f.events_of_type("incident.closed").len(), 1);
    assert_eq!(f.engine.open().next().unwrap().members[0].kpi.as_str(), "a");
}

#[test]
fn damaged_state_is_refused() {
    assert!(IncidentEngine::restore(workspace(), settings(), b"").is_err());
    assert!(IncidentEngine::restore(workspace(), settings(), &[VERSION_BEFORE, 1, 2]).is_err());
}

const VERSION_BEFORE: u8 = 0;

#[test]
fn deleted_members_leave_at_once_and_an_empty_incident_closes() {
    let mut harness = Harness::new();
    let shared = harness.open("a{host:x}", 0.9);
    harness.open("a{host:y}", 0.9);
    harness.now_ms += 10_000;
    harness.decide();
    let revision = harness.engine.open().next().unwrap().revision;
    assert_eq!(harness.engine.series_count(), 2);

    let delete = |harness: &mut Harness, scope| {
        harness.now_ms += 1_000;
        harness.append(shared.kpi.clone(), KpiEvent::Deleted(Deletion { scope, by: "ann".into() }));
        harness.decide();
    };
    delete(&mut harness, DeletionScope::Series { labels: shared.labels.clone() });
    let left = harness.engine.open().next().unwrap().clone();
    assert_eq!((left.members.len(), left.members_total, left.members_open), (1, 1, 1));
    assert!(left.revision > revision, "it is reported at once");
    assert!(left.timeline.iter().all(|entry| entry.labels != shared.labels));
    assert_eq!((harness.engine.series_count(), harness.engine.take_deletions().len()), (1, 1));
    // The other member is found at its new place.
    let other = anomaly("a{host:y}", T, 0.9);
    harness.close(&other);
    assert_eq!(harness.engine.open().next().unwrap().members_open, 0);

    delete(&mut harness, DeletionScope::Kpi);
    assert_eq!((harness.engine.open().count(), harness.engine.series_count()), (0, 0));
    let Some(EventBody::Incident(IncidentEvent::Closed(closed))) = harness.log.last().map(|event| &event.body) else {
        panic!("{:?}", harness.log.last());
    };
    assert!(closed.members.is_empty() && closed.closed_at_ms.is_some());
}
