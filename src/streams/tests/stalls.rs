//! Silence: reported once, ended by the next sample.

use super::signals::{START, batch, every, fresh, labelled};
use earcon_model::{AnomalyEvent, EpisodeEnd, Event, EventBody, Labels, SeriesEvent, SeriesStatus};

#[test]
fn silence_is_reported_once_and_ends_with_the_next_sample() {
    let mut state = fresh();
    let now = START + 19_000;
    state.push(&[every(1_000, &[1.0; 20])], now);
    let deadline = state.next_stall_at().unwrap();
    assert_eq!(deadline, now + 30_000);
    assert!(state.check_stalls(deadline - 1).is_empty());

    let stalled = EventBody::Series(SeriesEvent::Stalled { labels: Labels::none(), last_timestamp_ms: START + 19_000 });
    assert_eq!(state.check_stalls(deadline), [stalled]);
    assert_eq!(state.series().next().unwrap().status, SeriesStatus::Stalled);
    assert!(state.check_stalls(deadline + 1_000_000).is_empty());
    assert_eq!(state.next_stall_at(), None);

    let pushed = state.push(&[batch([(START + 90_000, 1.0), (START + 91_000, 1.0)])], START + 91_000);
    let restored = EventBody::Series(SeriesEvent::Restored { labels: Labels::none(), timestamp_ms: START + 90_000 });
    assert_eq!(pushed.bodies[0], restored);
    let EventBody::Series(SeriesEvent::Samples(all)) = &pushed.bodies[1] else { panic!("{:?}", pushed.bodies) };
    assert_eq!(all[0].status, SeriesStatus::Warming { seen: 22, needed: 30 });
    assert_eq!(pushed.bodies.len(), 2);
    assert!(state.next_stall_at().is_some());
}

#[test]
fn stall_closes_the_open_anomaly_also_in_a_replay() {
    let mut state = fresh();
    let values: Vec<f64> = (0..600).map(|i| if i == 599 { 900.0 } else { (i * 7 % 11) as f64 }).collect();
    let now = START + 600_000;
    let mut log = state.push(&[every(1_000, &values)], now).bodies;
    assert_eq!(state.series().next().unwrap().status, SeriesStatus::Anomalous);
    let stalls_at = state.next_stall_at().unwrap();
    let bodies = state.check_stalls(stalls_at);
    let [EventBody::Series(SeriesEvent::Stalled { .. }), EventBody::Anomaly(AnomalyEvent::Closed(closed))] =
        &bodies[..]
    else {
        panic!("{bodies:?}")
    };
    assert_eq!((closed.closed_at_ms, closed.end), (Some(START + 599_000), Some(EpisodeEnd::Stalled)));
    let view = state.series().next().unwrap();
    assert!(view.anomaly.is_none() && view.status == SeriesStatus::Stalled);

    log.extend(bodies);
    let mut replayed = fresh();
    for (n, body) in log.into_iter().enumerate() {
        let time_ms = if n < 2 { now } else { stalls_at };
        replayed.replay(&Event::new(n as u64 + 1, time_ms, state.kpi().clone(), body));
    }
    assert_eq!(replayed.snapshot(), state.snapshot());
}

#[test]
fn late_samples_do_not_end_a_silence() {
    let mut state = fresh();
    state.push(&[every(1_000, &[1.0; 20])], START);
    state.check_stalls(START + 10_000_000);
    let pushed = state.push(&[batch([(START + 1, 1.0)])], START + 10_000_000);
    assert_eq!(pushed.bodies.len(), 1);
    assert_eq!(state.series().next().unwrap().status, SeriesStatus::Stalled);
}

#[test]
fn a_replay_of_old_data_does_not_stall_at_once() {
    let mut state = fresh();
    let years_later = START + 100_000_000_000;
    state.push(&[every(1_000, &[1.0; 200])], years_later);
    assert!(state.check_stalls(years_later + 29_999).is_empty());
    assert_eq!(state.check_stalls(years_later + 30_000).len(), 1);
}

#[test]
fn next_stall_is_never_announced_too_late() {
    let mut state = fresh();
    let mut now = START;
    for round in 0..200i64 {
        for series in 0..5i64 {
            // Series k sends every (k+1)th round and falls silent after 40·(k+1) rounds.
            if round % (series + 1) == 0 && round < 40 * (series + 1) {
                let labels = format!("s:{series}");
                state.push(&[labelled(&labels, [(now, 1.0)])], now);
            }
        }
        let mut by_scan = state.clone();
        by_scan.find_next_stall();
        let (announced, exact) = (state.next_stall_at(), by_scan.next_stall_at());
        assert!(exact.is_none() || announced <= exact, "{announced:?} {exact:?}");
        state.check_stalls(now);
        now += 10_000;
    }
    let stalled = state.series().filter(|series| series.status == SeriesStatus::Stalled).count();
    assert_eq!(stalled, 4, "all but the slowest, which sends until the end");
}
