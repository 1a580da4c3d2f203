//! Which incidents are alerted, how often they report, and the limits of a storm.

use super::*;

#[test]
fn updates_report_clear_changes_at_a_limited_rate() {
    let mut f = Harness::new();
    let mut a = f.open("a", 0.55);
    f.wait(3_000);
    for n in 0..100 {
        f.now_ms += 100;
        f.grow(&mut a, 0.55 + 0.0044 * n as f32);
    }
    f.wait(60_000);
    let updates = f.events_of_type("incident.updated");
    assert!((1..=3).contains(&updates.len()), "{}", updates.len());
    assert!((updates.last().unwrap().peak_score - 0.9856).abs() < 1e-4);
}

#[test]
fn muted_members_are_not_alerted() {
    let mut f = Harness::new();
    f.append(KpiName::new("a").unwrap(), AnomalyEvent::Opened(Box::new(anomaly("a", T, 0.999))));
    let event = f.log[0].clone();
    f.engine.ingest(&event, &|_| Some("deployment".into()));
    f.wait(5_000);
    let suppressed = f.opened()[0].clone();
    assert_eq!((suppressed.alerted_at_ms, suppressed.surprise), (None, 0.0));
    assert_eq!(suppressed.members[0].muted.as_deref(), Some("deployment"));
    f.open("a{x:1}", 0.7);
    f.wait(10_000);
    assert!(f.last().is_alerted() && f.last().surprise < 2.0, "alerted for the member that is not muted");
}

#[test]
fn anomaly_outliving_its_mute_is_alerted() {
    let mut f = Harness::new();
    let mut a = anomaly("a", T, 0.9);
    f.append(a.kpi.clone(), AnomalyEvent::Opened(Box::new(a.clone())));
    let event = f.log[0].clone();
    f.engine.ingest(&event, &|_| Some("deployment".into()));
    f.wait(10_000);
    assert!(!f.last().is_alerted());
    f.grow(&mut a, 0.9);
    f.wait(10_000);
    assert!(f.last().is_alerted());
}

#[test]
fn budget_holds_and_growing_suppressed_incident_is_alerted() {
    let mut f = Harness::with(IncidentSettings { max_per_day: 5, ..settings() });
    let mut all = Vec::new();
    for n in 0..30 {
        all.push(f.open(&format!("k{n}"), 0.6));
        f.wait(150_000);
    }
    let alerted = |f: &Harness| f.engine.open().filter(|incident| incident.is_alerted()).count();
    assert_eq!((f.opened().len(), alerted(&f)), (30, 4));
    f.grow(&mut all[25], 0.9999);
    f.wait(10_000);
    assert_eq!(alerted(&f), 5);
    assert!(f.last().is_alerted() && f.last().members[0].kpi.as_str() == "k25");
    f.grow(&mut all[26], 0.99999);
    f.wait(10_000);
    assert_eq!(alerted(&f), 5, "the budget of the day is used up");
    f.wait(DAY_MS);
    f.grow(&mut all[27], 0.99999);
    f.wait(10_000);
    assert_eq!(alerted(&f), 6);
}

#[test]
fn storm_of_a_thousand_kpis_is_bounded() {
    let mut f = Harness::new();
    let all: Vec<_> = (0..1_000).map(|n| f.open(&format!("k{n}"), 0.5 + 0.0004 * n as f32)).collect();
    f.wait(10_000);
    assert_eq!(f.opened().len(), 1);
    let storm = f.opened()[0];
    assert_eq!((storm.members.len(), storm.members_total, storm.members_open), (200, 1_000, 1_000));
    assert!(storm.peak_score > 0.89 && storm.timeline.len() == Incident::MAX_TIMELINE);
    for anomaly in &all {
        f.close(anomaly);
    }
    f.wait(100_000);
    assert_eq!(f.events_of_type("incident.closed").len(), 1);
    assert_eq!((f.engine.open().count(), f.engine.series_count()), (0, 0));
}

#[test]
fn unlinked_incidents_are_bounded() {
    let mut f = Harness::new();
    for n in 0..400 {
        f.open_at(&format!("k{n}"), T + n * 3_600_000, 0.6);
        f.wait(3_000);
    }
    assert_eq!(f.engine.open().count(), MAX_INCIDENTS);
}

#[test]
fn new_series_alert_only_if_they_are_far_out_of_their_range() {
    let mut f = Harness::new();
    for n in 0..50 {
        f.open_learning(&format!("fresh{n}"), 0.9);
        f.wait(120_000);
    }
    assert_eq!((f.opened().len(), f.opened().iter().filter(|i| i.is_alerted()).count()), (50, 0));
    f.open_learning("down", 0.999);
    f.wait(10_000);
    assert!(f.last().is_alerted(), "ten bits are three times the edge");
    f.open("known", 0.6);
    f.wait(10_000);
    assert!(f.last().is_alerted(), "the budget was not spent");
}

#[test]
fn incident_of_new_series_is_alerted_once_a_known_one_joins() {
    let mut f = Harness::new();
    f.open_learning("a{x:1}", 0.9);
    f.wait(10_000);
    assert!(!f.last().is_alerted());
    f.open("a{x:2}", 0.6);
    f.wait(10_000);
    assert_eq!((f.last().is_alerted(), f.last().members.len()), (true, 2));
}

#[test]
fn higher_severity_is_reported() {
    let mut f = Harness::new();
    let mut a = f.open("a", 0.6);
    f.wait(10_000);
    assert_eq!(f.last().severity(), Severity::Info);
    f.now_ms += 7_200_000;
    a.last_at_ms = f.now_ms;
    f.happen(&a, AnomalyEvent::Updated);
    f.wait(10_000);
    assert_eq!((f.last().severity(), f.last().last_at_ms), (Severity::Warning, a.last_at_ms));
}
