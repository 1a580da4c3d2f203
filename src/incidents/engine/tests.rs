use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::incidents::DAY_MS;
use earcon_model::{Acknowledgement, Deletion, Direction, Feature, KpiEvent, KpiName, Labels, Link, Subject};

const T: i64 = 1_767_225_600_000;

/// A log with an engine that follows it, as the actor does.
struct Harness {
    engine: IncidentEngine,
    log: Vec<Arc<Event>>,
    now_ms: i64,
    /// The engine reads once this many events wait. Its own events then follow events it had not
    /// seen.
    lag: usize,
}

fn workspace() -> WorkspaceId {
    WorkspaceId::new("w").unwrap()
}

fn settings() -> IncidentSettings {
    IncidentSettings { max_per_day: 20, settle_ms: 2_000, linger_ms: 60_000 }
}

fn series(text: &str) -> (KpiName, Labels) {
    let (kpi, labels) = text.split_once('{').unwrap_or((text, ""));
    (KpiName::new(kpi).unwrap(), Labels::parse(labels.trim_end_matches('}')).unwrap())
}

fn anomaly(name: &str, opened_at_ms: i64, score: f32) -> Anomaly {
    let (kpi, labels) = series(name);
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{name}{opened_at_ms}").as_bytes());
    Anomaly {
        id: AnomalyId(id),
        kpi,
        labels,
        opened_at_ms,
        last_at_ms: opened_at_ms,
        closed_at_ms: None,
        peak_score: score,
        peak_at_ms: opened_at_ms,
        peak_value: 1.0,
        peak_expected: 0.0,
        peak_lower: 0.0,
        peak_upper: 0.5,
        direction: Direction::Above,
        reason: Feature::RobustZ,
        samples: 1,
        detector: "d".into(),
        acknowledged: None,
        feedback: None,
        rank: None,
        muted: None,
        unit: None,
        end: None,
    }
}

impl Harness {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: IncidentSettings) -> Self {
        Self { engine: IncidentEngine::new(workspace(), settings, 0), log: Vec::new(), now_ms: T, lag: 1 }
    }

    fn append(&mut self, subject: impl Into<Subject>, body: impl Into<EventBody>) {
        let event = Event::new(self.log.len() as Seq + 1, self.now_ms, subject, body);
        self.log.push(Arc::new(event));
    }

    /// Appends an event, then lets the engine read it and report.
    fn happen(&mut self, anomaly: &Anomaly, make: fn(Box<Anomaly>) -> AnomalyEvent) {
        self.append(anomaly.kpi.clone(), make(Box::new(anomaly.clone())));
        if self.log.len() - self.engine.seq() as usize >= self.lag {
            self.decide();
        }
    }

    fn decide(&mut self) {
        for event in &self.log[self.engine.seq() as usize..] {
            self.engine.ingest(event, &|_| None);
        }
        for decided in self.engine.decide(self.now_ms) {
            self.append(decided.incident().id, decided);
        }
    }

    fn open(&mut self, name: &str, score: f32) -> Anomaly {
        self.open_at(name, self.now_ms, score)
    }

    fn open_at(&mut self, name: &str, onset_ms: i64, score: f32) -> Anomaly {
        let anomaly = anomaly(name, onset_ms, score);
        self.happen(&anomaly, AnomalyEvent::Opened);
        anomaly
    }

    fn grow(&mut self, anomaly: &mut Anomaly, score: f32) {
        anomaly.peak_score = score;
        anomaly.peak_at_ms = self.now_ms;
        self.happen(anomaly, AnomalyEvent::Updated);
    }

    fn close(&mut self, anomaly: &Anomaly) {
        let closed = Anomaly { closed_at_ms: Some(self.now_ms), ..anomaly.clone() };
        self.happen(&closed, AnomalyEvent::Closed);
    }

    fn wait(&mut self, ms: i64) {
        let until = self.now_ms + ms;
        self.decide();
        while let Some(at) = self.engine.due_at().filter(|at| *at <= until) {
            self.now_ms = at.max(self.now_ms);
            self.decide();
        }
        self.now_ms = until;
    }

    fn set_inventory(&mut self, names: &[&str]) {
        let all: Vec<_> = names.iter().map(|name| series(name)).collect();
        self.engine.set_inventory(SeriesInventory::from_series(all.iter().map(|(kpi, labels)| (kpi, labels))));
    }

    fn events_of_type(&self, event_type: &str) -> Vec<&Incident> {
        let of_type = |event: &&Arc<Event>| event.body.event_type().as_str() == event_type;
        self.log.iter().filter(of_type).filter_map(|event| event.incident()).collect()
    }

    fn opened(&self) -> Vec<&Incident> {
        self.events_of_type("incident.opened")
    }

    fn last(&self) -> &Incident {
        self.log.iter().rev().find_map(|event| event.incident()).unwrap()
    }
}

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
    f.set_inventory(&["a{host:1}", "b{host:1}", "c{host:2}", "d{host:3}", "e{host:4}", "a{host:9}"]);
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
    assert_eq!(incident.title(), "upstream higher than expected, and 1 other series");
}

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
    f.wait(59_999);
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
        f.wait(150_000);
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

/// A step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Open(u8, f32),
    Grow(u8, f32),
    Close(u8),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..24, 0.5_f32..0.9999).prop_map(|(n, score)| Step::Open(n, score)),
        2 => (0_u8..24, 0.5_f32..0.9999).prop_map(|(n, score)| Step::Grow(n, score)),
        3 => (0_u8..24).prop_map(Step::Close),
        3 => prop_oneof![0_i64..3_000, 30_000_i64..200_000].prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..120)
}

fn name(n: u8) -> String {
    format!("k{}{{host:{}}}", n % 12, n % 5)
}

fn live(steps: &[Step], f: &mut Harness, open: &mut BTreeMap<u8, Anomaly>) {
    for step in steps {
        match step {
            Step::Open(n, score) if !open.contains_key(n) => {
                open.insert(*n, f.open(&name(*n), *score));
            }
            Step::Grow(n, score) => {
                if let Some(anomaly) = open.get_mut(n) {
                    f.grow(anomaly, *score);
                }
            }
            Step::Close(n) => {
                if let Some(anomaly) = open.remove(n) {
                    f.close(&anomaly);
                }
            }
            Step::Wait(ms) => f.wait(*ms),
            Step::Open(..) => {}
        }
    }
}

/// The incidents that a follower of the log holds as open. Each event must fit the ones before.
fn fold(log: &[Arc<Event>]) -> BTreeMap<IncidentId, Incident> {
    let mut open: BTreeMap<IncidentId, Incident> = BTreeMap::new();
    for event in log {
        let Some(incident) = event.incident() else { continue };
        let before = open.get(&incident.id).map(|before| before.revision);
        match event.body {
            EventBody::Incident(IncidentEvent::Opened(_)) => {
                assert_eq!((before, incident.revision), (None, 1), "opened twice")
            }
            _ => assert_eq!(before, Some(incident.revision - 1), "reported twice, or a report is missing"),
        }
        match event.body {
            EventBody::Incident(IncidentEvent::Closed(_)) => open.remove(&incident.id),
            _ => open.insert(incident.id, incident.clone()),
        };
    }
    open
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn open_anomaly_is_in_exactly_one_incident(steps in steps()) {
        let mut f = Harness::new();
        let all: Vec<_> = (0..24).map(name).collect();
        f.set_inventory(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let mut open = BTreeMap::new();
        live(&steps, &mut f, &mut open);
        f.wait(70_000);
        let alerted = fold(&f.log);
        let mut members: Vec<_> = alerted.values().flat_map(|incident| &incident.members)
            .filter(|member| member.closed_at_ms.is_none()).map(|member| member.anomaly).collect();
        members.sort();
        let mut anomalies: Vec<_> = open.values().map(|anomaly| anomaly.id).collect();
        anomalies.sort();
        prop_assert_eq!(members, anomalies);
        for incident in alerted.values() {
            let open = incident.members.iter().filter(|member| member.closed_at_ms.is_none()).count();
            prop_assert_eq!(incident.members_open as usize, open);
            prop_assert_eq!(incident.members_total as usize, incident.members.len());
        }
    }

    /// After a kill at any event, with a state saved at any time before, nothing is reported twice
    /// or lost.
    #[test]
    fn restart_neither_repeats_nor_loses_reports(
        before in steps(), saved in 0.0_f64..1.0, cut in 0.0_f64..1.0, after in steps(), lag in 1_usize..6,
    ) {
        let all: Vec<_> = (0..24).map(name).collect();
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        let mut f = Harness { lag, ..Harness::new() };
        f.set_inventory(&all);
        let mut open = BTreeMap::new();
        let (first, second) = before.split_at((before.len() as f64 * saved) as usize);
        live(first, &mut f, &mut open);
        let state = f.engine.save().unwrap();
        let at_least = f.log.len();
        live(second, &mut f, &mut open);
        // Events in flight when the process was killed are not in the log.
        let length = at_least + ((f.log.len() - at_least) as f64 * cut) as usize;
        f.log.truncate(length);

        let mut engine = IncidentEngine::restore(workspace(), settings(), &state).unwrap();
        let known: Vec<_> = all.iter().map(|name| series(name)).collect();
        engine.set_inventory(SeriesInventory::from_series(known.iter().map(|(kpi, labels)| (kpi, labels))));
        f.log.iter().for_each(|event| engine.replay(event, &|_| None));
        let mut twice = IncidentEngine::restore(workspace(), settings(), &state).unwrap();
        twice.set_inventory(SeriesInventory::from_series(known.iter().map(|(kpi, labels)| (kpi, labels))));
        f.log.iter().for_each(|event| twice.replay(event, &|_| None));
        prop_assert_eq!(engine.save().unwrap(), twice.save().unwrap());
        f.engine = engine;

        // Anomalies that are open in the log continue.
        let mut open = BTreeMap::new();
        for event in &f.log {
            match &event.body {
                EventBody::Anomaly(AnomalyEvent::Opened(anomaly) | AnomalyEvent::Updated(anomaly)) => {
                    let n = (0..24).find(|n| series(&name(*n)) == (anomaly.kpi.clone(), anomaly.labels.clone())).unwrap();
                    open.insert(n, (**anomaly).clone());
                }
                EventBody::Anomaly(AnomalyEvent::Closed(anomaly)) => open.retain(|_, there: &mut Anomaly| there.id != anomaly.id),
                _ => {}
            }
        }
        f.wait(3_000);
        live(&after, &mut f, &mut open);
        f.wait(70_000);
        let alerted = fold(&f.log);
        let mut members: Vec<_> = alerted.values().flat_map(|incident| &incident.members)
            .filter(|member| member.closed_at_ms.is_none()).map(|member| member.anomaly).collect();
        members.sort();
        let mut anomalies: Vec<_> = open.values().map(|anomaly| anomaly.id).collect();
        anomalies.sort();
        prop_assert_eq!(members, anomalies);
    }

    #[test]
    fn alerts_of_a_day_never_exceed_the_budget(steps in steps(), max in 1_u32..8) {
        let mut f = Harness::with(IncidentSettings { max_per_day: max, ..settings() });
        let mut open = BTreeMap::new();
        live(&steps, &mut f, &mut open);
        let alerted: std::collections::BTreeSet<_> = f.log.iter().filter_map(|event| event.incident())
            .filter(|incident| incident.merged_into.is_none()).filter_map(|incident| incident.alerted_at_ms).collect();
        for at in &alerted {
            prop_assert!(alerted.range(at..&(at + DAY_MS)).count() <= max as usize);
        }
    }

    /// The grouping of simultaneous anomalies does not depend on the order in which they are read.
    #[test]
    fn order_of_simultaneous_anomalies_does_not_matter(order in Just((0_u8..24).collect::<Vec<_>>()).prop_shuffle(), many in 2_usize..24) {
        let all: Vec<_> = (0..24).map(name).collect();
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        let groups = |order: &[u8]| {
            let mut f = Harness::new();
            f.set_inventory(&all);
            order.iter().for_each(|n| { f.open(&name(*n), 0.7); });
            f.wait(10_000);
            let mut groups: Vec<Vec<String>> = f.engine.open().map(|incident| {
                let mut names: Vec<_> = incident.members.iter().map(|m| format!("{}{}", m.kpi, m.labels)).collect();
                names.sort();
                names
            }).collect();
            groups.sort();
            groups
        };
        let mut sorted = order[..many].to_vec();
        sorted.sort_unstable();
        prop_assert_eq!(groups(&order[..many]), groups(&sorted));
    }
}

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
