//! Members that grow beyond their incident.

use super::*;

/// A slow burst on one host, which has alerted, with a weak member of its own.
fn burst_with_a_weak_member() -> (Harness, Anomaly) {
    let mut f = Harness::new();
    f.set_inventory(&["load{host:1}", "disk{host:1}", "up{host:1}", "a{host:2}", "b{host:3}", "c{host:4}"]);
    f.open("load{host:1}", 0.6);
    f.open("disk{host:1}", 0.6);
    f.wait(30_000);
    let weak = f.open("up{host:1}", 0.55);
    f.wait(60_000);
    assert_eq!((f.opened().len(), f.last().members.len(), f.last().is_alerted()), (1, 3, true));
    (f, weak)
}

#[test]
fn member_that_grows_far_beyond_its_incident_alerts_on_its_own() {
    let (mut f, mut weak) = burst_with_a_weak_member();
    f.wait(600_000);
    let grown_at = f.now_ms;
    f.grow(&mut weak, 0.9999);
    f.wait(10_000);
    assert_eq!(f.opened().len(), 2);
    let own = f.last();
    assert!(own.is_alerted() && own.members.len() == 1 && own.members[0].kpi.as_str() == "up");
    assert_eq!((own.opened_at_ms, own.members[0].anomaly), (grown_at, weak.id));
    let (id, own) = (f.opened()[0].id, own.id);
    let first = f.engine.open().find(|incident| incident.id == id).unwrap();
    assert_eq!((first.members.len(), first.members_open, first.members_total), (2, 2, 2));
    let left = first.timeline.iter().find(|entry| entry.what == earcon_model::TimelineKind::Left).unwrap();
    assert_eq!((left.kpi.as_str(), left.at_ms), ("up", grown_at));
    // It ends with its own anomaly, and not with the burst.
    f.close(&weak);
    f.wait(70_000);
    assert_eq!(f.engine.open().map(|incident| incident.id).collect::<Vec<_>>(), [id]);
    assert!(f.events_of_type("incident.closed").iter().any(|incident| incident.id == own));
}

#[test]
fn two_members_that_grow_together_are_one_other_incident() {
    let (mut f, mut weak) = burst_with_a_weak_member();
    let mut disk = anomaly("disk{host:1}", T, 0.6);
    f.grow(&mut weak, 0.9999);
    f.wait(10_000);
    f.grow(&mut disk, 0.9999);
    f.wait(10_000);
    assert_eq!(f.opened().len(), 2);
    let mut kpis: Vec<_> = f.last().members.iter().map(|member| member.kpi.to_string()).collect();
    kpis.sort();
    assert_eq!(kpis, ["disk", "up"]);
}

#[test]
fn growth_within_the_kind_of_its_incident_stays_there() {
    let grown = |score: f32| {
        let (mut f, mut weak) = burst_with_a_weak_member();
        f.grow(&mut weak, score);
        f.wait(10_000);
        f.opened().len()
    };
    assert_eq!([grown(0.8), grown(0.95), grown(0.9999)], [1, 1, 2]);
    // Growth in small steps counts from what the others are.
    let (mut f, mut weak) = burst_with_a_weak_member();
    for score in [0.8, 0.95, 0.99, 0.999, 0.9999] {
        f.grow(&mut weak, score);
        f.wait(10_000);
    }
    assert_eq!(f.opened().len(), 2);
    // An incident is about its first member.
    let mut f = Harness::new();
    let mut first = f.open("load", 0.6);
    f.wait(60_000);
    f.grow(&mut first, 0.9999);
    f.wait(10_000);
    assert_eq!(f.opened().len(), 1);
}

#[test]
fn series_of_the_same_kpi_and_acknowledged_members_stay() {
    let mut f = Harness::new();
    f.open("load{host:1}", 0.6);
    f.wait(10_000);
    let mut same = f.open("load{host:2}", 0.6);
    f.wait(60_000);
    f.grow(&mut same, 0.9999);
    f.wait(10_000);
    assert_eq!(f.opened().len(), 1);
    let (mut f, mut weak) = burst_with_a_weak_member();
    weak.acknowledged = Some(Acknowledgement { at_ms: f.now_ms, by: "ana".into(), note: None });
    let event = AnomalyEvent::Acknowledged {
        id: weak.id,
        labels: weak.labels.clone(),
        acknowledgement: weak.acknowledged.clone().unwrap(),
    };
    f.append(weak.kpi.clone(), event);
    f.grow(&mut weak, 0.9999);
    f.wait(10_000);
    assert_eq!(f.opened().len(), 1);
}
