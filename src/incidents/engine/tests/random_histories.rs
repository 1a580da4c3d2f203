//! Random histories, with restarts at random events.

use proptest::prelude::*;

use super::*;

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
