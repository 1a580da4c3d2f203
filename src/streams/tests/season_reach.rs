//! Properties of `season-reach-1` besides its scores: invariants of every detector, unusual input,
//! memory, local time.

use proptest::prelude::*;

use super::signals::{Dice, START, every, labelled, with};
use crate::{DetectorName, KpiState, StreamOptions, StreamSettings, UtcOffsets};
use earcon_model::{Anomaly, AnomalyEvent, Direction, EventBody, ScoredSample, SeriesEvent};

const NOW: i64 = START + 100_000_000_000;

fn settings() -> StreamSettings {
    StreamSettings::try_from(StreamOptions::for_detector(DetectorName::SeasonReach)).unwrap()
}

fn fresh() -> KpiState {
    with(settings())
}

fn restored(bytes: &[u8]) -> KpiState {
    let KpiState { workspace, kpi, settings, .. } = fresh();
    KpiState::restore(workspace, kpi, settings, bytes).unwrap()
}

fn scored(bodies: &[EventBody]) -> Vec<ScoredSample> {
    let all = bodies.iter().filter_map(|body| match body {
        EventBody::Series(SeriesEvent::Samples(all)) => Some(all.iter().flat_map(|one| one.samples.clone())),
        _ => None,
    });
    all.flatten().collect()
}

fn opened(bodies: &[EventBody]) -> Vec<Anomaly> {
    let anomaly = |body: &EventBody| match body {
        EventBody::Anomaly(AnomalyEvent::Opened(anomaly)) => Some((**anomaly).clone()),
        _ => None,
    };
    bodies.iter().filter_map(anomaly).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn neither_batches_nor_a_snapshot_change_anything(
        seed in 0u64..1_000_000,
        cut in 0.0..1.0f64,
        steps in prop::collection::vec(prop_oneof![20 => Just(1_000i64), 1 => 0..5_000_000i64], 20..40),
        odd in prop_oneof![Just(0.0), Just(1e300), Just(-1e-300), Just(1e9)],
    ) {
        // With gaps, jumps, and a change of level that makes the detector forget the series.
        let mut dice = Dice::new(seed);
        let mut at = START;
        let rows: Vec<(i64, f64)> = (0..9_000usize)
            .map(|i| {
                at += steps[i % steps.len()];
                let level = if i > 5_000 { 1e5 } else { 10.0 };
                (at, if i % 997 == 996 { odd } else { level + dice.normal() })
            })
            .collect();
        let (before, after) = rows.split_at((rows.len() as f64 * cut) as usize);
        let (mut whole, mut parts) = (fresh(), fresh());
        let at_once = whole.push(&[labelled("", rows.iter().copied())], NOW).bodies;
        let mut pieces = parts.push(&[labelled("", before.iter().copied())], NOW).bodies;
        let mut resumed = restored(&parts.snapshot());
        for chunk in after.chunks(333) {
            pieces.extend(resumed.push(&[labelled("", chunk.iter().copied())], NOW).bodies);
        }
        prop_assert_eq!(whole.snapshot(), resumed.snapshot());
        prop_assert_eq!(format!("{:?}", scored(&at_once)), format!("{:?}", scored(&pieces)));
        prop_assert_eq!(opened(&at_once), opened(&pieces));
    }
}

#[test]
fn scaling_a_series_by_a_power_of_two_changes_no_score() {
    let mut dice = Dice::new(5);
    let values: Vec<f64> = (0..9_000).map(|i| (dice.normal() * 64.0 + f64::from(i / 4_500) * 1e5).round()).collect();
    let scores = |factor: f64| -> Vec<Option<f32>> {
        let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
        scored(&fresh().push(&[every(1_000, &scaled)], NOW).bodies).iter().map(|sample| sample.score).collect()
    };
    let plain = scores(1.0);
    assert!(plain.iter().flatten().any(|score| *score > 0.5));
    assert_eq!(plain, scores(2f64.powi(900)));
    assert_eq!(plain, scores(2f64.powi(-900)));
}

#[test]
fn every_magnitude_gives_finite_numbers() {
    let extremes = [1.0, f64::MAX, -f64::MAX, 1e-300, 0.0, 5e-324, -1e300, 1e300, f64::MIN_POSITIVE, -0.0, 1e154];
    let values: Vec<f64> = (0..13_000usize).map(|i| extremes[(i * i + i / 7) % extremes.len()]).collect();
    let mut state = fresh();
    let bodies = state.push(&[every(1_000, &values)], NOW).bodies;
    for sample in &scored(&bodies)[30..] {
        assert!([sample.expected, sample.lower, sample.upper].iter().all(|v| v.is_finite()), "{sample:?}");
        assert!(sample.lower <= sample.expected && sample.expected <= sample.upper, "{sample:?}");
        assert!((0.0..=1.0).contains(&sample.score.unwrap()), "{sample:?}");
    }
    let f = state.series().next().unwrap().features.unwrap();
    assert!([f.robust_z, f.residual_z, f.volatility, f.slope, f.level].iter().all(|v| v.is_finite()), "{f:?}");
}

#[test]
fn constant_series_is_ordinary_and_leaving_it_is_not() {
    for value in [0.0, 1.0, -1e300, 5e-324] {
        let bodies = fresh().push(&[every(1_000, &[value; 9_000])], NOW).bodies;
        assert!(scored(&bodies)[30..].iter().all(|sample| sample.score == Some(0.0)), "{value}");
    }
    let mut values = vec![42.0; 1_500];
    values.push(43.0);
    assert_eq!(opened(&fresh().push(&[every(1_000, &values)], NOW).bodies).len(), 1);
}

#[test]
fn spike_is_found_at_once_after_four_hundred_samples() {
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let mut values: Vec<f64> = (0..400).map(|_| 100.0 + 5.0 * dice.normal()).collect();
        values.push(200.0);
        let mut state = fresh();
        let bodies = state.push(&[every(300_000, &values)], NOW).bodies;
        assert!(scored(&bodies)[400].score > Some(0.8), "seed {seed}");
        // It opens an episode, or is the peak of one that is open.
        let found = state.series().next().unwrap().anomaly.unwrap();
        assert_eq!((found.peak_value, found.direction, &*found.detector), (200.0, Direction::Above, "season-reach-1"));
    }
}

#[test]
fn large_spike_alerts_after_thirty_samples() {
    let mut dice = Dice::new(3);
    let mut values: Vec<f64> = (0..40).map(|_| 100.0 + 5.0 * dice.normal()).collect();
    values.push(1_000.0);
    assert_eq!(opened(&fresh().push(&[every(1_000, &values)], NOW).bodies).len(), 1);
}

#[test]
fn clock_change_does_not_shift_the_daily_profile() {
    // Busy from nine to five, local time; the clock goes forward on day 60.
    const HOUR: i64 = 3_600_000;
    let change = START + 60 * 24 * HOUR;
    let offsets = UtcOffsets::new(vec![(0, HOUR), (change, 2 * HOUR)]);
    let mut dice = Dice::new(11);
    let rows: Vec<(i64, f64)> = (0..90 * 24 * 4)
        .map(|i| {
            let at = START + i * HOUR / 4;
            let busy = (9..17).contains(&(offsets.local_ms(at) / HOUR % 24));
            (at, if busy { 100.0 } else { 20.0 } + dice.normal())
        })
        .collect();
    let largest_residual = |utc_offsets: UtcOffsets| {
        let options = StreamOptions { utc_offsets, ..StreamOptions::for_detector(DetectorName::SeasonReach) };
        let bodies = with(StreamSettings::try_from(options).unwrap()).push(&[labelled("", rows.clone())], NOW).bodies;
        let opened = opened(&bodies);
        opened.iter().filter(|a| (change..change + 48 * HOUR).contains(&a.opened_at_ms)).count()
    };
    assert_eq!(largest_residual(offsets.clone()), 0, "local time is known");
    assert!(largest_residual(UtcOffsets::default()) > 0, "in UTC the day moves by an hour");
}

#[test]
fn memory_of_a_series_is_bounded() {
    let bytes = KpiState::bytes_per_series(DetectorName::SeasonReach);
    assert!(bytes <= 2_048, "{bytes} bytes");
}
