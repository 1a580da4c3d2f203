//! Silence: reported once, ended by the next sample.

use super::signals::{START, batch, every, fresh, labelled};
use earcon_model::{EventBody, Labels, SeriesEvent, SeriesStatus};

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
