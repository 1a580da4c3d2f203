//! Which anomalies belong to one incident, and incidents that become one.

use super::*;

#[test]
fn burst_of_forty_kpis_is_one_incident_alerted_once() {
    let mut f = Harness::new();
    for n in 0..40 {
        f.now_ms += 5;
        f.open_at(&format!("kpi{n}"), T + 1_000 - n, 0.6);
    }
    f.wait(1_799);
    assert!(f.opened().is_empty(), "members are gathered before the first report");
    f.wait(3_000);
    let opened = f.opened();
    assert_eq!((opened.len(), f.log.len()), (1, 41));
    assert_eq!((opened[0].members.len(), opened[0].members_total, opened[0].members_open), (40, 40, 40));
    assert!(opened[0].is_alerted());
    assert_eq!(opened[0].opened_at_ms, T + 961);
    let links = |link: &Link| opened[0].members.iter().filter(|member| member.link == *link).count();
    assert_eq!((links(&Link::First), links(&Link::Burst)), (1, 39));
}

#[test]
fn unrelated_series_stay_separate() {
    let mut f = Harness::new();
    f.open("a", 0.7);
    f.open("b", 0.7);
    f.wait(10_000);
    assert_eq!(f.opened().len(), 2);
}

#[test]
fn series_of_one_kpi_or_host_join_one_incident() {
    let mut f = Harness::new();
    // Three of many KPIs are no burst.
    let others: Vec<_> = (0..16).map(|n| format!("k{n}{{host:{n}0}}")).collect();
    let mut names: Vec<_> = others.iter().map(String::as_str).collect();
    names.extend(["a{host:1}", "b{host:1}", "c{host:2}", "a{host:9}"]);
    f.set_inventory(&names);
    f.open("a{host:1}", 0.7);
    f.open("b{host:1}", 0.7);
    f.open("c{host:2}", 0.7);
    f.open("a{host:9}", 0.7);
    f.wait(10_000);
    let opened = f.opened();
    assert_eq!(opened.iter().map(|incident| incident.members.len()).sum::<usize>(), 4);
    let three = opened.iter().find(|incident| incident.members.len() == 3).unwrap();
    let links: Vec<_> = three.members.iter().map(|member| member.link.clone()).collect();
    assert_eq!(links, [Link::First, Link::Shared("host:1".into()), Link::SameKpi]);
}

#[test]
fn linked_onset_long_after_starts_another_incident() {
    let mut f = Harness::new();
    f.open("a{x:1}", 0.7);
    f.wait(600_000);
    f.open("a{x:2}", 0.7);
    f.wait(10_000);
    assert_eq!(f.opened().len(), 2);
}

#[test]
fn companions_join_and_the_usual_leader_is_first_mover() {
    let mut f = Harness::new();
    for _ in 0..4 {
        let first = f.open("upstream", 0.6);
        f.wait(20_000);
        let second = f.open("downstream", 0.9);
        f.wait(10_000);
        f.close(&first);
        f.close(&second);
        f.wait(3_600_000);
    }
    let before = f.opened().len();
    assert_eq!(before, 7, "two each, until they were simultaneous three times");
    // Now in the same second.
    f.open("downstream", 0.95);
    f.open("upstream", 0.6);
    f.wait(10_000);
    let incident = f.opened()[before].clone();
    assert_eq!(f.opened().len(), before + 1);
    assert_eq!(incident.members[1].link, Link::Companion);
    assert_eq!(incident.first().unwrap().kpi.as_str(), "upstream");
    assert_eq!(incident.title(), "upstream is above the expected range, with 1 other series");
}

#[test]
fn linking_onset_merges_two_incidents() {
    let mut f = Harness::new();
    f.set_inventory(&["a{host:1}", "b{rack:7}", "c{host:1,rack:7}", "d", "e", "g"]);
    f.open("a{host:1}", 0.7);
    f.wait(5_000);
    f.open("b{rack:7}", 0.7);
    f.wait(5_000);
    let ids: Vec<_> = f.opened().iter().map(|incident| incident.id).collect();
    f.open("c{host:1,rack:7}", 0.7);
    f.wait(10_000);
    let closed = f.events_of_type("incident.closed");
    assert_eq!((closed.len(), closed[0].id, closed[0].merged_into), (1, ids[1], Some(ids[0])));
    let open: Vec<_> =
        f.engine.open().map(|incident| (incident.id, incident.members.len(), incident.members_open)).collect();
    assert_eq!(open, [(ids[0], 3, 3)]);
}

#[test]
fn suppressed_incident_absorbing_an_alerted_one_is_alerted_after_it() {
    let mut f = Harness::with(IncidentSettings { max_per_day: 5, ..settings() });
    f.set_inventory(&["a{host:1}", "b{rack:7}", "c{host:1,rack:7}", "d", "e", "g"]);
    for n in 0..4 {
        f.open(&format!("k{n}"), 0.6);
        f.wait(1_000_000);
    }
    let suppressed = f.open("a{host:1}", 0.6);
    f.wait(5_000);
    f.open("b{rack:7}", 0.999);
    f.wait(5_000);
    assert_eq!(f.opened().iter().rev().take(2).map(|i| i.is_alerted()).collect::<Vec<_>>(), [true, false]);
    f.open("c{host:1,rack:7}", 0.6);
    f.wait(10_000);
    let reports: Vec<_> = f.log.iter().filter_map(|event| event.incident()).rev().take(2).collect();
    assert_eq!((reports[1].merged_into, reports[1].is_alerted()), (Some(reports[0].id), true));
    assert_eq!(
        (reports[0].members[0].anomaly, reports[0].is_alerted(), reports[0].members_open),
        (suppressed.id, true, 3)
    );
}

#[test]
fn half_of_the_kpis_of_a_small_workspace_are_a_burst() {
    let mut f = Harness::new();
    f.set_inventory(&["a", "b", "c", "d", "e", "f", "g", "h"]);
    for name in ["a", "b", "c", "d", "e", "f"] {
        f.open_at(name, T + 500, 0.6);
    }
    f.wait(10_000);
    let opened = f.opened();
    assert_eq!(opened.iter().map(|incident| incident.members.len()).collect::<Vec<_>>(), [6]);
    // Two of eight are no burst.
    let mut f = Harness::new();
    f.set_inventory(&["a", "b", "c", "d", "e", "f", "g", "h"]);
    f.open("a", 0.6);
    f.open("b", 0.6);
    f.wait(10_000);
    assert_eq!(f.opened().len(), 2);
}

#[test]
fn chain_of_linked_onsets_does_not_swallow_the_workspace() {
    let names: Vec<_> = (0..300).map(|n| format!("k{n}{{host:{}}}", n % 20)).collect();
    let mut f = Harness::new();
    f.set_inventory(&names.iter().map(String::as_str).collect::<Vec<_>>());
    // One host, an onset every ten seconds for 25 minutes: no pause between them.
    for n in 0..150 {
        f.open(&format!("k{n}{{host:3}}"), 0.6);
        f.wait(10_000);
    }
    let most = f.engine.open().map(|incident| incident.members.len()).max().unwrap();
    assert!(most <= 31, "{most} members in five minutes");
    assert!(f.opened().len() >= 5);
}

#[test]
fn much_more_surprising_anomaly_of_another_kpi_is_alerted_on_its_own() {
    let mut f = Harness::new();
    f.set_inventory(&["load{host:1}", "disk{host:1}", "up{host:1}", "a{host:2}", "b{host:3}", "c{host:4}"]);
    f.open("load{host:1}", 0.6);
    f.wait(60_000);
    f.open("disk{host:1}", 0.7);
    f.wait(10_000);
    assert_eq!((f.opened().len(), f.last().members.len()), (1, 2), "a consequence of its kind joins");
    f.open("up{host:1}", 0.9999);
    f.wait(10_000);
    assert_eq!(f.opened().len(), 2);
    let down = f.last();
    assert!(down.is_alerted() && down.members[0].kpi.as_str() == "up" && down.members.len() == 1);
    // Before the first report it is the same event.
    let mut f = Harness::new();
    f.set_inventory(&["load{host:1}", "up{host:1}", "a{host:2}", "b{host:3}", "c{host:4}", "d{host:5}"]);
    f.open("load{host:1}", 0.6);
    f.open("up{host:1}", 0.9999);
    f.wait(10_000);
    assert_eq!((f.opened().len(), f.last().members.len()), (1, 2));
}

/// The incidents of eight of eight KPIs whose means are slightly out, so many seconds apart.
fn eight_weak(reason: Feature, apart_s: i64) -> Harness {
    let mut f = Harness::with(IncidentSettings { settle_weak_ms: 30_000, ..settings() });
    let kpis: Vec<String> = (0..8).map(|n| format!("k{n}")).collect();
    f.set_inventory(&kpis.iter().map(String::as_str).collect::<Vec<_>>());
    for kpi in &kpis {
        let weak = Anomaly { reason, ..anomaly(kpi, f.now_ms, 0.6) };
        f.happen(&weak, AnomalyEvent::Opened);
        f.wait(apart_s * 1_000);
    }
    f.wait(60_000);
    f
}

#[test]
fn weak_anomalies_of_half_the_kpis_are_one_incident_and_one_alert() {
    let soon = eight_weak(Feature::RobustZ, 6);
    assert_eq!(soon.engine.open().map(|open| open.members.len()).collect::<Vec<_>>(), [8]);
    assert_eq!(soon.events_of_type("incident.opened").len(), 1, "those before the burst wait for it");
    let late = eight_weak(Feature::Slope, 100);
    assert_eq!(late.engine.open().map(|open| open.members.len()).collect::<Vec<_>>(), [8]);
    let exact = eight_weak(Feature::RobustZ, 100);
    assert_eq!(exact.engine.open().count(), 8, "single values have an exact time");
}

#[test]
fn anomaly_linked_to_incidents_of_different_times_joins_the_later_one() {
    let mut f = Harness::new();
    f.set_inventory(&["a{host:1}", "b{rack:7}", "c{host:1,rack:7}", "d", "e", "g"]);
    f.open("a{host:1}", 0.95);
    f.wait(120_000);
    f.open("b{rack:7}", 0.95);
    f.wait(5_000);
    f.open("c{host:1,rack:7}", 0.95);
    f.wait(10_000);
    let members: Vec<_> = f.engine.open().map(|incident| incident.members.len()).collect();
    assert_eq!((f.opened().len(), members.iter().sum::<usize>()), (2, 3));
    assert_eq!(f.last().members[0].kpi.as_str(), "b");
}
