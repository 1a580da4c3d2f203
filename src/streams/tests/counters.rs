//! Counters: the increase per second is scored, for any sequence of totals.

use super::signals::{START, fresh, labelled};
use crate::{KpiState, Pushed, Rejection};
use earcon_model::{EventBody, LooksLike, Reading, Sample, SeriesBatch, SeriesEvent, SeriesSamples, SeriesStatus};

/// Totals of one series at seconds after the start.
fn totals(rows: impl IntoIterator<Item = (i64, f64)>) -> SeriesBatch {
    let rows = rows.into_iter().map(|(second, value)| (START + second * 1_000, value));
    SeriesBatch { reading: Reading::Counter, ..labelled("s:0", rows) }
}

fn push(state: &mut KpiState, batch: SeriesBatch) -> Pushed {
    let now_ms = batch.rows.iter().map(|(_, sample)| sample.timestamp_ms).max().unwrap_or(START);
    state.push(&[batch], now_ms)
}

fn samples(pushed: &Pushed) -> &SeriesSamples {
    match &pushed.bodies[..] {
        [EventBody::Series(SeriesEvent::Samples(all))] if all.len() == 1 => &all[0],
        other => panic!("{other:?}"),
    }
}

fn rates(pushed: &Pushed) -> Vec<(i64, f64)> {
    samples(pushed).samples.iter().map(|s| ((s.timestamp_ms - START) / 1_000, s.value)).collect()
}

#[test]
fn the_increase_per_second_is_scored_and_kept() {
    let mut state = fresh();
    let pushed = push(&mut state, totals([(0, 100.0), (10, 150.0), (20, 150.0), (25, 160.0)]));
    assert_eq!((pushed.accepted, pushed.late), (4, 0));
    assert_eq!(rates(&pushed), [(10, 5.0), (20, 0.0), (25, 2.0)]);
    assert_eq!(samples(&pushed).status, SeriesStatus::Warming { seen: 3, needed: 30 });
}

#[test]
fn counter_begins_anew_behind_an_end_in_the_same_batch() {
    let rows = [(0, 10.0), (1, 20.0), (2, 100.0), (3, 110.0)];
    let ended = SeriesBatch { earlier_ends: vec![START + 1_500], ..totals(rows) };
    let mut state = fresh();
    let pushed = push(&mut state, ended);
    let all = pushed.bodies.iter().filter_map(|body| match body {
        EventBody::Series(SeriesEvent::Samples(all)) => Some(all.iter().flat_map(|one| &one.samples)),
        _ => None,
    });
    let rates: Vec<f64> = all.flatten().map(|sample| sample.value).collect();
    assert_eq!((pushed.accepted, rates), (4, vec![10.0, 10.0]), "and not 80 across the end");
    assert!(pushed.bodies.iter().any(|body| matches!(body, EventBody::Series(SeriesEvent::Ended { .. }))));
}

#[test]
fn first_total_is_logged_but_not_scored() {
    let mut state = fresh();
    let pushed = push(&mut state, totals([(0, 100.0)]));
    assert_eq!((pushed.accepted, rates(&pushed)), (1, vec![]));
    let start = samples(&pushed).counter.unwrap().start;
    assert_eq!(start, Some(Sample { timestamp_ms: START, value: 100.0 }), "an accepted total is in the log");
    let view = state.series().next().unwrap();
    assert_eq!((view.last, view.status), (None, SeriesStatus::Warming { seen: 0, needed: 30 }));
    assert_eq!(rates(&push(&mut state, totals([(5, 110.0)]))), [(5, 2.0)]);
}

#[test]
fn a_reset_starts_at_zero_and_a_gap_gives_its_mean_rate() {
    let mut state = fresh();
    let pushed = push(&mut state, totals([(0, 1_000.0), (10, 20.0), (1_010, 3_020.0)]));
    assert_eq!(rates(&pushed), [(10, 2.0), (1_010, 3.0)]);
}

#[test]
fn a_stated_start_after_the_sample_before_is_a_reset_also_with_a_higher_total() {
    let mut state = fresh();
    let second = |second: i64| START + second * 1_000;
    let batch = |rows: &[(i64, f64)], starts: &[i64]| {
        let starts_ms = starts.iter().map(|at| second(*at)).collect();
        SeriesBatch { starts_ms, ..totals(rows.iter().copied()) }
    };
    push(&mut state, batch(&[(0, 100.0)], &[-50]));
    assert_eq!(rates(&push(&mut state, batch(&[(10, 150.0)], &[-50]))), [(10, 5.0)], "the same start as before");
    assert_eq!(rates(&push(&mut state, batch(&[(20, 200.0)], &[15]))), [(20, 20.0)], "began again at 15");
    assert_eq!(rates(&push(&mut state, batch(&[(30, 210.0), (40, 300.0)], &[15, 35]))), [(30, 1.0), (40, 30.0)]);
}

#[test]
fn totals_sent_again_or_late_are_counted_and_change_nothing() {
    let mut state = fresh();
    push(&mut state, totals([(0, 100.0), (10, 150.0)]));
    let pushed = push(&mut state, totals([(0, 100.0), (10, 150.0), (5, 0.0)]));
    assert_eq!((pushed.accepted, pushed.late), (3, 3));
    assert_eq!((samples(&pushed).late.len(), samples(&pushed).counter.unwrap().late), (0, 3));
    let view = state.series().next().unwrap();
    assert_eq!((view.last.map(|last| (last.timestamp_ms, last.value)), view.late), (Some((START + 10_000, 5.0)), 3));
    assert_eq!(rates(&push(&mut state, totals([(20, 160.0)]))), [(20, 1.0)]);
}

#[test]
fn negative_total_is_rejected() {
    let pushed = push(&mut fresh(), totals([(0, 1.0), (1, -1.0), (2, 2.0)]));
    assert_eq!(pushed.rejected, [(1, Rejection::NegativeCounter)]);
    assert_eq!(rates(&pushed), [(2, 0.5)]);
}

#[test]
fn a_series_that_changes_its_reading_warms_up_again() {
    let mut state = fresh();
    let gauge = |second: i64, value| labelled("s:0", [(START + second * 1_000, value)]);
    for second in 0..40 {
        push(&mut state, gauge(second, 5.0));
    }
    assert_eq!(state.series().next().unwrap().status, SeriesStatus::Normal);
    let pushed = push(&mut state, totals([(40, 1e6), (41, 1e6 + 3.0)]));
    assert_eq!(rates(&pushed), [(41, 3.0)]);
    assert_eq!(samples(&pushed).status, SeriesStatus::Warming { seen: 1, needed: 30 });
    let pushed = push(&mut state, gauge(42, 5.0));
    assert_eq!((rates(&pushed), samples(&pushed).counter), (vec![(42, 5.0)], None));
    // A late sample of the other kind changes nothing.
    push(&mut state, totals([(10, 7.0)]));
    let pushed = push(&mut state, gauge(43, 5.0));
    assert_eq!(samples(&pushed).status, SeriesStatus::Warming { seen: 2, needed: 30 });
}

#[test]
fn silence_of_a_counter_is_a_stall() {
    let mut state = fresh();
    let pushed = push(&mut state, totals((0..20).map(|i| (i, i as f64))));
    assert_eq!(rates(&pushed).len(), 19);
    let stall_at = state.next_stall_at().unwrap();
    assert_eq!(state.check_stalls(stall_at).len(), 1);
    let bodies = push(&mut state, totals([(100, 119.0)])).bodies;
    assert!(matches!(bodies[0], EventBody::Series(SeriesEvent::Restored { .. })), "{bodies:?}");
    let EventBody::Series(SeriesEvent::Samples(all)) = &bodies[1] else { panic!("{bodies:?}") };
    assert!((all[0].samples[0].value - 100.0 / 81.0).abs() < 1e-12);
}

#[test]
fn a_counter_sent_as_measurements_is_reported_until_it_is_read_as_one() {
    let mut state = fresh();
    let total = |i: i64| if i < 500 { 1e9 + 40.0 * i as f64 } else { 40.0 * (i - 499) as f64 + (i % 3) as f64 };
    let rows = |range: std::ops::Range<i64>| labelled("", range.map(|i| (START + i * 60_000, total(i))));
    let said = |pushed: &Pushed| match pushed.bodies.first() {
        Some(EventBody::Series(SeriesEvent::Samples(all))) => all[0].looks_like,
        other => panic!("{other:?}"),
    };
    let now = START + 1_000 * 60_000;
    let before = state.push(&[rows(0..500)], now);
    assert_eq!(said(&before), None, "nothing tells it from a trend");
    let restarted = state.push(&[rows(500..520)], now);
    assert_eq!(said(&restarted), Some(LooksLike::Counter));
    let KpiState { workspace, kpi, settings, .. } = fresh();
    let mut restored = KpiState::restore(workspace, kpi, settings, &state.snapshot()).unwrap();
    assert_eq!(restored.series().next().unwrap().looks_like, Some(LooksLike::Counter));
    let read = restored.push(&[SeriesBatch { reading: Reading::Counter, ..rows(520..540) }], now);
    assert_eq!(said(&read), None);
}
