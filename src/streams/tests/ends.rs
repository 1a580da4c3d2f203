//! Series that end, and history that arrives afterwards.

use super::signals::{START, every, fresh, labelled};
use crate::KpiState;
use earcon_model::{AnomalyEvent, EventBody, Labels, Reading, SeriesBatch, SeriesEvent, SeriesStatus};

fn second(second: i64) -> i64 {
    START + second * 1_000
}

fn ended(at: i64) -> SeriesBatch {
    SeriesBatch { ended_at_ms: Some(second(at)), ..every(1_000, &[]) }
}

fn status(state: &KpiState) -> SeriesStatus {
    state.series().next().unwrap().status
}

/// A series of ordinary values for ten minutes; the last one is given.
fn busy(last: f64) -> KpiState {
    let mut state = fresh();
    let value = |i: usize| if i == 599 { last } else { (i * 7 % 11) as f64 };
    state.push(&[every(1_000, &(0..600).map(value).collect::<Vec<_>>())], second(600));
    state
}

#[test]
fn ended_series_does_not_stall_and_resumes_without_event() {
    let mut state = busy(5.0);
    let end = EventBody::Series(SeriesEvent::Ended { labels: Labels::none(), timestamp_ms: second(601) });
    assert_eq!(state.push(&[ended(601)], second(601)).bodies, [end]);
    assert_eq!((status(&state), state.check_stalls(second(1_000_000))), (SeriesStatus::Ended, vec![]));
    assert!(state.push(&[ended(700)], second(700)).bodies.is_empty(), "it has ended already");

    let bodies = state.push(&[labelled("", [(second(5_000), 4.0)])], second(5_000)).bodies;
    assert!(
        matches!(&bodies[..], [EventBody::Series(SeriesEvent::Samples(all))] if all[0].status == SeriesStatus::Normal),
        "{bodies:?}"
    );
    let stall_at = state.next_stall_at().unwrap();
    assert_eq!(state.check_stalls(stall_at).len(), 1, "it is expected again");
}

#[test]
fn an_end_closes_the_open_anomaly_and_a_stall() {
    let mut silent = busy(900.0);
    silent.check_stalls(second(10_000));
    let bodies = silent.push(&[ended(10_000)], second(10_000)).bodies;
    assert!(
        matches!(&bodies[..], [EventBody::Series(SeriesEvent::Ended { .. })]),
        "the stall has closed it: {bodies:?}"
    );
    assert_eq!(status(&silent), SeriesStatus::Ended);

    let mut state = busy(900.0);
    assert_eq!(status(&state), SeriesStatus::Anomalous);
    let bodies = state.push(&[ended(10_000)], second(10_000)).bodies;
    let [EventBody::Series(SeriesEvent::Ended { .. }), EventBody::Anomaly(AnomalyEvent::Closed(closed))] = &bodies[..]
    else {
        panic!("{bodies:?}")
    };
    assert_eq!(closed.closed_at_ms, Some(second(10_000)));
    assert_eq!(status(&state), SeriesStatus::Ended);
    assert!(state.series().next().unwrap().anomaly.is_none());
}

#[test]
fn end_marker_is_ignored_if_old_or_for_unknown_series() {
    let mut state = busy(5.0);
    assert!(state.push(&[ended(598)], second(600)).bodies.is_empty());
    assert!(state.push(&[ended(100_000_000)], second(600)).bodies.is_empty(), "nor one from the future");
    let unknown = SeriesBatch { labels: Labels::parse("s:9").unwrap(), ..ended(600) };
    assert!(state.push(&[unknown], second(600)).bodies.is_empty());
    assert_eq!((status(&state), state.series().count()), (SeriesStatus::Normal, 1));
}

#[test]
fn resumed_counter_has_a_new_starting_point() {
    let mut state = fresh();
    let counter = |rows: &[(i64, f64)], ended_at_ms| SeriesBatch {
        reading: Reading::Counter,
        ended_at_ms,
        ..labelled("", rows.iter().map(|(at, value)| (second(*at), *value)))
    };
    let rates = |bodies: &[EventBody]| -> Vec<f64> {
        let samples = bodies.iter().filter_map(|body| match body {
            EventBody::Series(SeriesEvent::Samples(all)) => {
                Some(all.iter().flat_map(|one| &one.samples).map(|sample| sample.value))
            }
            _ => None,
        });
        samples.flatten().collect()
    };
    let bodies = state.push(&[counter(&[(0, 50.0), (1, 60.0)], Some(second(2)))], second(2)).bodies;
    assert_eq!(rates(&bodies), [10.0]);
    let bodies = state.push(&[counter(&[(50, 3.0), (51, 4.0)], None)], second(51)).bodies;
    assert_eq!(rates(&bodies), [1.0], "the increase in between is not counted");
}

#[test]
fn history_trains_the_baseline_without_alerts() {
    let mut state = fresh();
    let value = |i: usize| if i == 599 { 900.0 } else { (i * 7 % 11) as f64 };
    let now = second(90_000_000);
    let pushed = state.backfill(&[every(1_000, &(0..1_000).map(value).collect::<Vec<_>>())], now);
    assert_eq!((pushed.accepted, pushed.late), (1_000, 0));
    let [EventBody::Series(SeriesEvent::Backfilled(all))] = &pushed.bodies[..] else { panic!("{:?}", pushed.bodies) };
    assert!(all[0].samples[599].score.unwrap() >= 0.5, "it is scored, and live it would have been an anomaly");
    assert_eq!((status(&state), state.next_stall_at()), (SeriesStatus::Ended, None));

    // History determines the score of the live sample, and the series is expected to send from here
    // on.
    let bodies = state.push(&[labelled("", [(now, 5.0)])], now).bodies;
    let [EventBody::Series(SeriesEvent::Samples(all))] = &bodies[..] else { panic!("{bodies:?}") };
    assert!(all[0].samples[0].score.is_some() && all[0].status == SeriesStatus::Normal);
    assert_eq!(state.next_stall_at(), Some(now + 30_000));
}

#[test]
fn history_older_than_live_samples_is_kept_silently() {
    let mut state = busy(5.0);
    let pushed = state.backfill(&[labelled("", [(second(-5), 1.0), (second(-4), 2.0)])], second(600));
    assert_eq!((pushed.accepted, pushed.late), (2, 2));
    let [EventBody::Series(SeriesEvent::Backfilled(all))] = &pushed.bodies[..] else { panic!("{:?}", pushed.bodies) };
    assert_eq!((all[0].late.len(), state.series().next().unwrap().late), (2, 0));
    assert_eq!(status(&state), SeriesStatus::Normal);
}

#[test]
fn history_neither_ends_a_stall_nor_touches_an_open_anomaly() {
    let mut state = busy(900.0);
    let mut silent = busy(900.0);
    silent.check_stalls(second(10_000));
    let calm: Vec<_> = (700..800).map(|i| (second(i), (i * 7 % 11) as f64)).collect();
    for (state, expected) in [(&mut state, SeriesStatus::Anomalous), (&mut silent, SeriesStatus::Stalled)] {
        let bodies = state.backfill(&[labelled("", calm.clone())], second(10_000)).bodies;
        assert!(matches!(&bodies[..], [EventBody::Series(SeriesEvent::Backfilled(_))]), "{bodies:?}");
        let view = state.series().next().unwrap();
        assert_eq!((view.status, view.anomaly.is_some()), (expected, expected == SeriesStatus::Anomalous));
    }
}
