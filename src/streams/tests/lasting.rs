//! Faults that last, disturbances that return at irregular times, and losses of what never was.

use super::signals::{Dice, START, labelled, with};
use crate::StreamSettings;
use earcon_model::{Anomaly, AnomalyEvent, Direction, EventBody, Feature, ScoredSample, SeriesEvent};

const MINUTE: i64 = 60_000;
const DAY: usize = 1_440;

/// The scored samples and the anomalies of a series with one value every `interval_ms`.
fn run(interval_ms: i64, values: &[f64]) -> (Vec<ScoredSample>, Vec<Anomaly>) {
    let rows: Vec<(i64, f64)> =
        values.iter().enumerate().map(|(i, value)| (START + i as i64 * interval_ms, *value)).collect();
    let now = START + rows.len() as i64 * interval_ms;
    let (mut samples, mut opened) = (Vec::new(), Vec::new());
    for body in with(StreamSettings::default()).push(&[labelled("", rows)], now).bodies {
        match body {
            EventBody::Series(SeriesEvent::Samples(all)) => samples.extend(all.into_iter().flat_map(|one| one.samples)),
            EventBody::Anomaly(AnomalyEvent::Opened(anomaly)) => opened.push(*anomaly),
            _ => {}
        }
    }
    (samples, opened)
}

fn row_of(anomaly: &Anomaly, interval_ms: i64) -> usize {
    ((anomaly.opened_at_ms - START) / interval_ms) as usize
}

#[test]
fn a_fault_of_an_hour_is_outside_of_the_band_to_its_end() {
    for seed in 1..=10 {
        let mut dice = Dice::new(seed);
        let fault = 3_000..3_060;
        let values: Vec<f64> =
            (0..3_100).map(|i| 100.0 + 5.0 * dice.normal() + if fault.contains(&i) { 60.0 } else { 0.0 }).collect();
        let (samples, opened) = run(MINUTE, &values);
        let outside = samples[fault.clone()].iter().filter(|sample| sample.is_outside()).count();
        assert!(outside >= 58, "seed {seed}: {outside} of 60");
        let starts: Vec<_> = opened.iter().map(|anomaly| row_of(anomaly, MINUTE)).collect();
        assert_eq!(starts, [3_000], "seed {seed}: one anomaly, and none behind it");
    }
}

/// A batch of half an hour, once a day at any hour, every five minutes. `batch` returns the height
/// and the length in minutes of that day's.
fn daily_batch(seed: u64, days: usize, batch: impl Fn(usize) -> (f64, usize)) -> (Vec<f64>, Vec<usize>) {
    let mut dice = Dice::new(seed);
    let (mut values, mut starts) = (Vec::new(), Vec::new());
    for day in 0..days {
        let start = 12 * (6.0 + 8.0 * dice.uniform()) as usize;
        starts.push(day * 288 + start);
        let (height, minutes) = batch(day);
        for slot in 0..288 {
            let running = (start..start + minutes / 5).contains(&slot);
            values.push(20.0 + 2.0 * dice.normal() + if running { height + 2.0 * dice.normal() } else { 0.0 });
        }
    }
    (values, starts)
}

#[test]
fn a_batch_that_runs_once_a_day_at_any_hour_becomes_known() {
    let (mut first, mut later) = (0, 0);
    for seed in 1..=10 {
        let (values, _) = daily_batch(seed, 21, |_| (50.0, 30));
        let (_, opened) = run(5 * MINUTE, &values);
        let days = opened.iter().map(|anomaly| row_of(anomaly, 5 * MINUTE) / 288);
        days.for_each(|day| if day < 7 { first += 1 } else { later += 1 });
    }
    assert!((20..=75).contains(&first), "{first} alerts in ten first weeks");
    assert!(later <= 14, "{later} alerts in 140 later days");
}

#[test]
fn a_known_batch_that_goes_farther_or_lasts_longer_alerts() {
    for (what, height, minutes) in [("farther", 100.0, 30), ("longer", 50.0, 150)] {
        let found = (1..=10).filter(|&seed| {
            let odd = |day| if day == 16 { (height, minutes) } else { (50.0, 30) };
            let (values, starts) = daily_batch(seed, 18, odd);
            let (_, opened) = run(5 * MINUTE, &values);
            let during = starts[16]..starts[16] + minutes / 5;
            opened.iter().any(|a| during.contains(&row_of(a, 5 * MINUTE)) && a.direction == Direction::Above)
        });
        let found = found.count();
        assert!(found >= 8, "{what}: {found} of 10");
    }
}

#[test]
fn a_series_that_never_lost_much_alerts_when_it_falls_to_nothing() {
    let mut found = 0;
    for seed in 1..=20 {
        let mut dice = Dice::new(seed);
        let scatter = |dice: &mut Dice| 1.0 + 0.16 * dice.normal().clamp(-2.5, 2.5);
        let values: Vec<f64> =
            (0..220).map(|i| 500.0 * scatter(&mut dice) * if i == 200 { 0.02 } else { 1.0 }).collect();
        let (samples, opened) = run(60 * MINUTE, &values);
        let loss = opened.iter().find(|anomaly| row_of(anomaly, 60 * MINUTE) == 200);
        found += usize::from(loss.is_some_and(|anomaly| anomaly.reason == Feature::Loss));
        assert!(samples[200].is_outside() == loss.is_some());
        assert!(opened.len() <= 1, "seed {seed}: {opened:?}");
    }
    assert!(found >= 18, "{found} of 20");
}

#[test]
fn halved_traffic_is_found_where_the_day_is_steep_and_values_scatter() {
    let found = (1..=12).filter(|&seed| {
        let mut dice = Dice::new(seed);
        let start = 8 * DAY + 540 + 60 * (seed as usize % 6);
        let fault = start..start + 150;
        let values: Vec<f64> = (0..9 * DAY)
            .map(|i| {
                let day = 0.55 - 0.45 * (std::f64::consts::TAU * i as f64 / DAY as f64).cos();
                dice.count(14.0 * day * if fault.contains(&i) { 0.5 } else { 1.0 })
            })
            .collect();
        let (_, opened) = run(MINUTE, &values);
        let hit = |a: &Anomaly| fault.contains(&row_of(a, MINUTE)) && a.direction == Direction::Below;
        opened.iter().any(hit)
    });
    let found = found.count();
    assert!(found >= 9, "{found} of 12");
}
