//! Incidents follow the time of the samples: a fast replay gives the same ones as real time.

use proptest::prelude::*;

use super::*;

/// An episode of a series: its beginning and its length, in seconds of sample time.
type Course = Vec<(u8, i64, i64)>;

fn courses() -> impl Strategy<Value = Course> {
    prop::collection::vec((0_u8..12, 0_i64..14_400, 10_i64..1_200), 1..40)
}

fn name(n: u8) -> String {
    format!("k{}{{host:{}}}", n % 6, n % 5)
}

/// One member of an incident.
type Seen = (String, i64, Option<i64>, u32);

/// The incidents of a course whose samples arrive `speed` times as fast as they were taken.
fn incidents(course: &Course, speed: i64) -> BTreeMap<IncidentId, (i64, Option<i64>, Vec<Seen>)> {
    let mut f = Harness::with(IncidentSettings { max_per_day: 0, ..settings() });
    let all: Vec<_> = (0..12).map(name).collect();
    f.set_inventory(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let mut moments = Vec::new();
    let mut free_at = [0; 12];
    let mut sorted = course.clone();
    sorted.sort_by_key(|(_, begin, _)| *begin);
    for (n, begin, length) in sorted {
        if begin >= free_at[usize::from(n)] {
            free_at[usize::from(n)] = begin + length + 1;
            moments.extend([(begin, n, true), (begin + length, n, false)]);
        }
    }
    moments.sort_unstable();
    let mut open = BTreeMap::new();
    for (at_s, n, begins) in moments {
        let sample_ms = T + at_s * 1_000;
        let arrives_ms = T + at_s * 1_000 / speed;
        f.wait((arrives_ms - f.now_ms).max(0));
        if begins {
            open.insert(n, f.open_at(&name(n), sample_ms, if n % 4 == 0 { 0.9999 } else { 0.6 }));
        } else if let Some(anomaly) = open.remove(&n) {
            let closed = Anomaly { closed_at_ms: Some(sample_ms), last_at_ms: sample_ms, ..anomaly };
            f.happen(&closed, AnomalyEvent::Closed);
        }
    }
    f.wait(600_000);
    let mut found = BTreeMap::new();
    for incident in f.log.iter().filter_map(|event| event.incident()) {
        let member =
            |m: &earcon_model::Member| (format!("{}{}", m.kpi, m.labels), m.opened_at_ms, m.closed_at_ms, m.episodes);
        let mut members: Vec<_> = incident.members.iter().map(member).collect();
        members.sort();
        found.insert(incident.id, (incident.opened_at_ms, incident.closed_at_ms, members));
    }
    found.retain(|id, _| {
        !f.log.iter().any(|event| event.incident().is_some_and(|i| i.id == *id && i.merged_into.is_some()))
    });
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn fast_replay_gives_the_same_incidents_as_real_time(course in courses()) {
        let real = incidents(&course, 1);
        for speed in [7, 60, 3_600] {
            prop_assert_eq!(&incidents(&course, speed), &real, "{} times as fast", speed);
        }
    }
}

/// The beginnings of the alerted incidents of unrelated spikes: (beginning in seconds, score).
fn alerted(spikes: &[(i64, f32)], speed: i64) -> Vec<i64> {
    let mut f = Harness::with(IncidentSettings { max_per_day: 5, ..settings() });
    let all: Vec<_> = (0..spikes.len()).map(|n| format!("k{n}{{host:{n}}}")).collect();
    f.set_inventory(&all.iter().map(String::as_str).collect::<Vec<_>>());
    for (name, (at_s, score)) in all.iter().zip(spikes) {
        let sample_ms = T + at_s * 1_000;
        f.wait((T + at_s * 1_000 / speed - f.now_ms).max(0));
        let spike = f.open_at(name, sample_ms, *score);
        let closed = Anomaly { closed_at_ms: Some(sample_ms + 10_000), ..spike };
        f.happen(&closed, AnomalyEvent::Closed);
    }
    f.wait(600_000);
    let alerts = f.log.iter().filter_map(|event| event.incident());
    let alerts: std::collections::BTreeSet<_> =
        alerts.filter(|incident| incident.alerted_at_ms.is_some()).map(|incident| incident.opened_at_ms).collect();
    alerts.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn fast_replay_alerts_the_same_incidents_as_real_time(
        steps in prop::collection::vec((400_i64..20_000, 0.5_f32..0.9999), 10..80),
    ) {
        let mut at_s = 0;
        let spikes: Vec<_> = steps.into_iter().map(|(step, score)| { at_s += step; (at_s, score) }).collect();
        let real = alerted(&spikes, 1);
        prop_assert!(!real.is_empty());
        for speed in [60, 3_600, 86_400] {
            prop_assert_eq!(&alerted(&spikes, speed), &real, "{} times as fast", speed);
        }
    }
}

#[test]
fn yesterday_and_today_are_two_incidents_in_a_fast_replay() {
    let day = 86_400;
    let course = vec![(0, 0, 300), (0, day, 300)];
    let found = incidents(&course, 3_600);
    assert_eq!(found.len(), 2, "{found:?}");
    let times: Vec<_> = found.values().map(|(opened, closed, _)| (*opened, *closed)).collect();
    assert!(times.contains(&(T, Some(T + 300_000))), "{times:?}");
}
