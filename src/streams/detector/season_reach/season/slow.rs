//! The season of slow means.
//!
//! Where values scatter, the day's course predicts the next one no better than the values before
//! it, so nothing is chosen. Means of sixteen values and more scatter less, and over their time the
//! course goes on: for them the choice is another one. Without it they would take the morning for a
//! shift, and a shift for a morning.

use crate::arithmetic::{larger, smaller};
use crate::stored::stored_fields;

/// Rates of the mean that is predicted, and of the level that it is predicted from.
const MEAN_RATE: f64 = 1.0 / 16.0;
const LEVEL_RATE: f64 = 1.0 / 96.0;
/// One error counts at most this many usual ones, after the first hundred values.
const OUTLIER: f64 = 8.0;
const FIRST: f64 = 0.01;
/// Another candidate is used if its error is below this share of the current one.
const BETTER: f64 = 0.7;

/// How well each candidate of the season predicts a mean from a slow level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slow {
    mean: f64,
    level: f64,
    /// The same of what the day, and day and week, add: means are differences, so they add up.
    added_means: [f32; 2],
    added_levels: [f32; 2],
    errors: [f32; 3],
    used: u8,
}

stored_fields!(Slow { mean, level, added_means, added_levels, errors, used });

impl Slow {
    pub(super) fn starting_at(value: f64) -> Self {
        let none = [0.0; 2];
        Self { mean: value, level: value, added_means: none, added_levels: none, errors: [0.0; 3], used: 0 }
    }

    /// The candidate in use.
    pub(super) fn used(&self) -> usize {
        usize::from(self.used % 3)
    }

    /// Learns a value, given what each candidate adds. `rate` is that of the errors, and `early`
    /// 1/(n + 1). If another candidate is used from now on, returns its difference from the former
    /// one, and the ratio of their errors. With `chosen` that one is used.
    pub(super) fn learn(
        &mut self,
        value: f64,
        candidates: &[f64; 3],
        (rate, early): (f64, f64),
        chosen: Option<usize>,
    ) -> Option<(f64, f64)> {
        let (fast, slow) = (larger(MEAN_RATE, early), larger(LEVEL_RATE, early));
        self.mean += fast * (value - self.mean);
        let departure = self.mean - self.level;
        let least = 0.2 * f64::from(self.errors[0]);
        for c in 0..3_usize {
            let added = c.checked_sub(1).map_or(0.0, |c| {
                let (mean, level) = (&mut self.added_means[c], &mut self.added_levels[c]);
                *mean += (fast * (candidates[c + 1] - f64::from(*mean))) as f32;
                let added = f64::from(*mean) - f64::from(*level);
                *level += (slow * (candidates[c + 1] - f64::from(*level))) as f32;
                added
            });
            let known = f64::from(self.errors[c]);
            let error = (departure - added).abs();
            let counted = if early > FIRST { error } else { smaller(error, OUTLIER * larger(known, least)) };
            self.errors[c] = (known + rate * (counted - known)) as f32;
        }
        self.level += slow * (value - self.level);
        let before = self.used();
        let mut best = chosen.unwrap_or(before);
        if chosen.is_none() {
            for c in 0..3_usize {
                if f64::from(self.errors[c]) < BETTER * f64::from(self.errors[best]) {
                    best = c;
                }
            }
        }
        self.used = best as u8;
        let (old, new) = (f64::from(self.errors[before]), f64::from(self.errors[best]));
        let ratio = if old > 0.0 { new / old } else { 1.0 };
        (best != before).then(|| (candidates[best] - candidates[before], ratio))
    }
}
