//! A wall clock that was ahead and is set back, while the time of the log cannot go back.

use super::signals::{START, batch, fresh, with};
use crate::{Conditions, KpiState, Pushed, StreamOptions, StreamSettings};
use earcon_model::{
    AnomalyEvent, Event, EventBody, Labels, Reading, SeriesBatch, SeriesEvent, SeriesSamples, SeriesStatus,
};

const DAY: i64 = 86_400_000;

fn second(second: i64) -> i64 {
    START + second * 1_000
}

/// Pushes one batch at this wall time, while the log is a day ahead of it.
fn push_after_the_clock_went_back(state: &mut KpiState, batch: SeriesBatch, wall_ms: i64) -> Pushed {
    state.push_under(&[batch], Conditions { wall_ms, ..Conditions::at(wall_ms + DAY) })
}

/// A KPI whose 600 samples are stamped by a clock that is a day ahead; the last value is given.
fn ahead(last: f64) -> (KpiState, Pushed) {
    let mut state = fresh();
    let value = |i: i64| if i == 599 { last } else { (i * 7 % 11) as f64 };
    let pushed = state.push(&[batch((0..600).map(|i| (second(i) + DAY, value(i))))], second(600) + DAY);
    (state, pushed)
}

fn samples(bodies: &[EventBody]) -> &SeriesSamples {
    let found = bodies.iter().find_map(|body| match body {
        EventBody::Series(SeriesEvent::Samples(all)) => all.first(),
        _ => None,
    });
    found.expect("samples")
}

#[test]
fn a_series_goes_on_after_a_clock_that_was_ahead_is_set_back() {
    let (mut state, _) = ahead(5.0);
    let pushed =
        push_after_the_clock_went_back(&mut state, batch([(second(601), 3.0), (second(602), 4.0)]), second(602));
    let end = SeriesEvent::Ended { labels: Labels::none(), timestamp_ms: second(600) };
    assert_eq!(pushed.bodies[0], EventBody::Series(end), "the wrong time ends one interval before");
    assert_eq!((pushed.accepted, pushed.late), (2, 0));
    let scored = &samples(&pushed.bodies).samples;
    assert!(scored.len() == 2 && scored.iter().all(|sample| sample.score.is_some()), "{scored:?}");
    assert_eq!(state.series().next().unwrap().status, SeriesStatus::Normal);
    // It stalls again by the time of the log.
    let stall_at = second(602) + DAY + 30_000;
    assert!(state.check_stalls(stall_at - 1).is_empty());
    assert_eq!(state.check_stalls(stall_at).len(), 1);
}

#[test]
fn a_replay_goes_back_at_the_same_place() {
    let (mut live, before) = ahead(5.0);
    let after = push_after_the_clock_went_back(&mut live, batch([(second(601), 3.0), (second(602), 4.0)]), second(602));
    let mut replayed = fresh();
    let timed = before.bodies.into_iter().map(|body| (second(600) + DAY, body));
    let timed = timed.chain(after.bodies.into_iter().map(|body| (second(602) + DAY, body)));
    for (seq, (time_ms, body)) in (1..).zip(timed) {
        replayed.replay(&Event { seq, time_ms, subject: live.kpi().clone().into(), body });
    }
    assert_eq!(live.snapshot(), replayed.snapshot());
}

#[test]
fn an_open_anomaly_of_the_wrong_time_closes_and_not_before_it_opened() {
    let (mut state, _) = ahead(900.0);
    assert_eq!(state.series().next().unwrap().status, SeriesStatus::Anomalous);
    let pushed = push_after_the_clock_went_back(&mut state, batch([(second(601), 5.0)]), second(601));
    let Some(EventBody::Anomaly(AnomalyEvent::Closed(closed))) = pushed.bodies.get(1) else { panic!("{pushed:?}") };
    assert!(closed.closed_at_ms.unwrap() >= closed.opened_at_ms);
}

#[test]
fn a_sample_behind_one_that_the_clock_allows_is_late() {
    let mut state = fresh();
    let ahead_ms = StreamSettings::default().max_ahead_ms;
    state.push(&[batch([(START + ahead_ms, 1.0)])], START);
    let pushed = state.push(&[batch([(START + 5, 2.0)])], START + 10);
    assert_eq!((pushed.accepted, pushed.late), (1, 1));
}

#[test]
fn history_takes_no_series_back() {
    let (mut state, _) = ahead(5.0);
    let conditions = Conditions { wall_ms: second(602), ..Conditions::at(second(602) + DAY) };
    let pushed = state.backfill_under(&[batch([(second(601), 3.0)])], conditions);
    assert_eq!((pushed.accepted, pushed.late), (1, 1));
}

#[test]
fn a_counter_of_the_wrong_time_begins_at_a_new_starting_point() {
    let counter = |rows: Vec<(i64, f64)>| SeriesBatch { reading: Reading::Counter, ..batch(rows) };
    let mut state = fresh();
    state.push(&[counter((0..10).map(|i| (second(i) + DAY, i as f64)).collect())], second(10) + DAY);
    let rows = counter(vec![(second(11), 11.0), (second(12), 12.0)]);
    let pushed = push_after_the_clock_went_back(&mut state, rows, second(12));
    let entry = samples(&pushed.bodies);
    assert_eq!(entry.counter.unwrap().start.unwrap().value, 11.0);
    assert_eq!(entry.samples.iter().map(|sample| sample.value).collect::<Vec<_>>(), [1.0]);
}

#[test]
fn a_sample_is_too_far_ahead_by_the_wall_clock_and_not_by_the_log() {
    let mut state = with(StreamSettings::try_from(StreamOptions::default()).unwrap());
    let pushed = push_after_the_clock_went_back(&mut state, batch([(START + DAY, 1.0)]), START);
    assert_eq!((pushed.accepted, pushed.rejected.len()), (0, 1));
}

#[test]
fn samples_behind_one_that_is_ahead_of_the_clock_are_late_and_say_so() {
    let mut state = fresh();
    state.push(&[batch((0..40).map(|i| (second(i), (i % 7) as f64)))], second(40));
    let first = state.push(&[batch([(second(100), 3.0)])], second(40));
    assert_eq!((first.accepted, first.late, first.ahead), (1, 0, None));
    let mut behind = state.push(&[batch([(second(41), 3.0), (second(42), 3.0)])], second(42));
    let ahead = behind.ahead.take().unwrap();
    assert_eq!((behind.late, ahead.count, ahead.newest_ms, ahead.ahead_ms), (2, 2, second(100), 58_000));
    let text = ahead.to_string();
    assert!(text.starts_with("2 samples are late") && text.contains("58 s ahead of the server's clock"), "{text}");
    // The clock has passed it: an ordinary late sample.
    let late = state.push(&[batch([(second(99), 3.0)])], second(101));
    assert_eq!((late.late, late.ahead), (1, None));
    // The same sample again is late because it is the same.
    let mut again = fresh();
    again.push(&[batch([(second(100), 3.0)])], second(40));
    assert_eq!(again.push(&[batch([(second(100), 3.0)])], second(40)).ahead, None);
}
