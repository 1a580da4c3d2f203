//! The ladder: means of the last 1, 4, 16 and 64 values against baselines six times as slow.

use std::ops::Range;

use super::reach::Reaches;
use crate::arithmetic::{larger, smaller};
use crate::stored::stored_fields;

/// Steps of the ladder.
pub(super) const STEPS: usize = 4;
/// Rate of each step's mean; the baseline has a sixth of it.
pub(super) const RATES: [f64; STEPS] = [1.0, 1.0 / 4.0, 1.0 / 16.0, 1.0 / 64.0];
/// Values in the mean of each step.
pub(super) const SIZES: [f64; STEPS] = [1.0, 4.0, 16.0, 64.0];
/// The first step of slow means, which have a choice of the season of their own.
pub(super) const SLOW: usize = 2;
/// √ of the rates: the standard deviation of a mean of as many values.
pub(super) const ROOTS: [f64; STEPS] = [1.0, 0.5, 0.25, 0.125];
const BASELINE: f64 = 1.0 / 6.0;
/// From mean absolute deviation to standard deviation, for a normal distribution.
pub(super) const MEAN_TO_SIGMA: f64 = 1.2533;
/// Rate of the mean absolute distance, and the limit of one distance in it.
const SCALE_RATE: f64 = 1.0 / 1_000.0;
const SCALE_OUTLIER: f64 = 4.0;

/// Means, baselines, scales and reaches of all steps. Side 0 is below, side 1 above.
#[derive(Debug, Clone)]
pub(super) struct Ladder {
    pub(super) means: [f64; STEPS],
    pub(super) baselines: [f64; STEPS],
    pub(super) deviations: [f64; STEPS],
    reaches: Reaches,
}

stored_fields!(Ladder { means, baselines, deviations, reaches });

impl Ladder {
    pub(super) fn starting_at(value: f64) -> Self {
        Self { means: [value; STEPS], baselines: [value; STEPS], deviations: [0.0; STEPS], reaches: Reaches::new() }
    }

    /// The edge of a step on one side, before all other factors.
    pub(super) fn edge(&self, step: usize, above: bool) -> f64 {
        self.reaches.edge(step, usize::from(above))
    }

    /// How far a value may lie below and above the baseline and be followed in full.
    pub(super) fn followed(&self) -> (f64, f64) {
        let sigma = MEAN_TO_SIGMA * self.deviations[0];
        (sigma * self.edge(0, false), sigma * self.edge(0, true))
    }

    /// The means after one more value. `cut` is the value within the followed range, without the
    /// season of each step.
    pub(super) fn next_means(&self, value: f64, cut: &[f64; STEPS], early: f64) -> [f64; STEPS] {
        let mut means = [0.0; STEPS];
        for step in 0..STEPS {
            means[step] = self.means[step] + larger(RATES[step], early) * (cut[step] - self.means[step]);
        }
        means[0] = value;
        means
    }

    /// Learns the means and the distances of one value, which are in units of values. Means without
    /// outliers are those of ordinary values after a fault too. `pace` is as in [`super::pace`].
    pub(super) fn learn_means(
        &mut self,
        means: &[f64; STEPS],
        distances: &[f64; STEPS],
        early: f64,
        judged: bool,
        outlier: bool,
        pace: f64,
    ) {
        if outlier {
            self.means[0] = means[0];
        } else {
            self.means = *means;
        }
        let rate = larger(SCALE_RATE * pace, early);
        for (deviation, distance) in self.deviations.iter_mut().zip(distances) {
            let most = SCALE_OUTLIER * *deviation + 1e-9 * larger(*deviation, f64::MIN_POSITIVE);
            let most = if judged { most } else { f64::INFINITY };
            *deviation += rate * (smaller(distance.abs(), most) - *deviation);
        }
    }

    /// Learns the distances in units of the scales.
    pub(super) fn learn_reaches(&mut self, z: &[f64; STEPS], speed: f32, pace: f64) {
        self.reaches.learn(z, speed, pace as f32);
    }

    /// Computes the shape of one tail again, each of them once in sixteen samples.
    pub(super) fn refresh(&mut self, seen: u32) {
        let (step, side) = ((seen % 16) as usize / 2, (seen % 2) as usize);
        if step < STEPS {
            self.reaches.refresh(step, side);
        }
    }

    /// Moves the baselines towards a value, which is without the season of each step, as far as it
    /// lies in the range around each.
    pub(super) fn follow(&mut self, value: &[f64; STEPS], range: Option<(f64, f64)>, early: f64, pace: f64) {
        let (below, above) = range.unwrap_or((f64::INFINITY, f64::INFINITY));
        for (step, baseline) in self.baselines.iter_mut().enumerate() {
            let distance = value[step] - *baseline;
            let distance = smaller(larger(distance, -below), above);
            *baseline += larger(BASELINE * RATES[step] * pace, early) * distance;
        }
    }

    /// Accepts a new level: that of a value without the season of each step.
    pub(super) fn accept(&mut self, value: &[f64; STEPS]) {
        self.means = *value;
        self.baselines = *value;
    }

    /// Some steps use another season, which adds `difference` more. Their distances shrink to a
    /// share of the former ones.
    pub(super) fn change_season(&mut self, steps: Range<usize>, difference: f64, ratio: f64) {
        for step in steps {
            self.means[step] -= difference;
            self.baselines[step] -= difference;
            self.deviations[step] *= ratio;
        }
    }
}
