//! Generated series with anomalies, one kind each, from a seed.
//!
//! Each lasts three weeks at one sample every five minutes: a daily pattern and noise with a
//! standard deviation of 2. The anomalies, each with its window, follow after twelve normal days.

use super::null_data::{DAY, Dice, INTERVAL_MS, START_MS};
use super::run::LabelledSeries;

/// A kind of anomaly.
#[derive(Debug, Clone, Copy)]
pub struct ConstructedKind {
    /// Its name in reports.
    pub name: &'static str,
    make: fn(&mut Dice) -> (Vec<f64>, Windows),
}

/// First and last row of each anomaly.
type Windows = Vec<(usize, usize)>;

const DAYS: usize = 21;
const ROWS: usize = DAYS * DAY;
/// First row of the anomaly, for kinds with a single one.
const EVENT: usize = 15 * DAY;
const NOISE: f64 = 2.0;
/// Height of spikes: thirty standard deviations of the noise.
const SPIKE: f64 = 30.0 * NOISE;

/// All kinds.
pub const CONSTRUCTED_KINDS: [ConstructedKind; 7] = [
    ConstructedKind { name: "repeated spikes", make: repeated_spikes },
    ConstructedKind { name: "absent spike", make: absent_spike },
    ConstructedKind { name: "level shift", make: |dice| over_a_day(dice, |_, _, usual| usual + 8.0 * NOISE) },
    ConstructedKind { name: "slow drift", make: slow_drift },
    ConstructedKind { name: "variance change", make: variance_change },
    ConstructedKind { name: "frequency change", make: frequency_change },
    ConstructedKind { name: "stuck value", make: stuck_value },
];

impl ConstructedKind {
    /// A series of the kind. The same seed gives the same series.
    pub fn series(&self, seed: u64) -> LabelledSeries {
        let (values, windows) = (self.make)(&mut Dice::new(seed));
        let at = |row: usize| START_MS + row as i64 * INTERVAL_MS;
        LabelledSeries {
            name: format!("{} {seed}", self.name),
            timestamps_ms: (0..values.len()).map(at).collect(),
            values,
            windows: windows.into_iter().map(|(first, last)| (at(first), at(last))).collect(),
            labelled: true,
        }
    }
}

/// The daily pattern without noise.
fn course(row: usize) -> f64 {
    100.0 + 10.0 * (std::f64::consts::TAU * row as f64 / DAY as f64).sin()
}

fn ordinary(dice: &mut Dice) -> Vec<f64> {
    (0..ROWS).map(|row| course(row) + NOISE * dice.normal()).collect()
}

/// Fourteen equal spikes, about three in two days, at any hour.
fn repeated_spikes(dice: &mut Dice) -> (Vec<f64>, Windows) {
    let mut values = ordinary(dice);
    let mut windows = Vec::new();
    for i in 0..14 {
        let row = 12 * DAY + i * (9 * DAY / 14) + (dice.uniform() * 150.0) as usize;
        values[row] += SPIKE;
        windows.push((row, row + 2));
    }
    (values, windows)
}

/// An hour of high values every night at two, absent in one night.
fn absent_spike(dice: &mut Dice) -> (Vec<f64>, Windows) {
    let mut values = ordinary(dice);
    let nightly = |row: usize| (24..36).contains(&(row % DAY));
    let missing = |row: usize| row / DAY == EVENT / DAY;
    for row in (0..ROWS).filter(|&row| nightly(row) && !missing(row)) {
        values[row] += SPIKE;
    }
    (values, vec![(EVENT + 24, EVENT + 36)])
}

fn over_a_day(dice: &mut Dice, event: fn(&mut Dice, usize, f64) -> f64) -> (Vec<f64>, Windows) {
    let mut values = ordinary(dice);
    for (row, value) in values.iter_mut().enumerate().skip(EVENT).take(DAY) {
        *value = event(dice, row, *value);
    }
    (values, vec![(EVENT, EVENT + DAY - 1)])
}

/// A rise by sixteen standard deviations over four days that remains.
fn slow_drift(dice: &mut Dice) -> (Vec<f64>, Windows) {
    let mut values = ordinary(dice);
    for (row, value) in values.iter_mut().enumerate().skip(EVENT) {
        *value += 16.0 * NOISE * ((row - EVENT) as f64 / (4 * DAY) as f64).min(1.0);
    }
    (values, vec![(EVENT, EVENT + 4 * DAY)])
}

/// Noise four times as strong for a day.
fn variance_change(dice: &mut Dice) -> (Vec<f64>, Windows) {
    over_a_day(dice, |dice, row, _| course(row) + 4.0 * NOISE * dice.normal())
}

/// An oscillation with a period of two hours, for one day of half an hour.
fn frequency_change(dice: &mut Dice) -> (Vec<f64>, Windows) {
    let swing = |row: usize, period: f64| 10.0 * (std::f64::consts::TAU * row as f64 / period).sin();
    let values = ordinary(dice);
    let fast = |row: usize| (EVENT..EVENT + DAY).contains(&row);
    let values = values.iter().enumerate().map(|(row, value)| value + swing(row, if fast(row) { 6.0 } else { 24.0 }));
    (values.collect(), vec![(EVENT, EVENT + DAY - 1)])
}

/// The same value for a day.
fn stuck_value(dice: &mut Dice) -> (Vec<f64>, Windows) {
    let mut values = ordinary(dice);
    let stuck = values[EVENT];
    values[EVENT..EVENT + DAY].fill(stuck);
    (values, vec![(EVENT, EVENT + DAY - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_reproducible_and_windows_lie_inside() {
        for kind in CONSTRUCTED_KINDS {
            let series = kind.series(3);
            assert_eq!(series, kind.series(3), "{}", kind.name);
            assert_eq!((series.values.len(), series.timestamps_ms.len()), (ROWS, ROWS));
            assert!(series.values.iter().all(|value| value.is_finite()), "{}", kind.name);
            assert!(
                series.windows.iter().all(|(first, last)| first <= last && *last <= series.timestamps_ms[ROWS - 1])
            );
            assert_eq!(series.windows.len(), if kind.name == "repeated spikes" { 14 } else { 1 });
        }
    }
}
