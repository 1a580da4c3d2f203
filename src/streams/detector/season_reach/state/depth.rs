//! How much of its expected value a series has lost at most.
//!
//! A series that scatters may have a band that reaches down to 0. If it never lost more than seven
//! tenths of the expected value, a value near 0 is a loss all the same.

use crate::arithmetic::{larger, smaller};
use crate::stored::stored_fields;

/// The share of the expected value that a series always kept, from which it has a floor.
const KEPT: f32 = 0.3;
/// The floor, as a part of the share that it always kept.
const FLOOR: f64 = 0.25;
/// It is at least this many standard deviations away.
const SIGMAS: f64 = 5.0;
/// Values, and milliseconds, after which this is known.
const NEEDED: u32 = 90;
const NEEDED_MS: i64 = 43_200_000;
/// What remains of the share after a loss below the floor, which counts once.
const TAUGHT: f32 = 0.6;
/// Days in which a low share is forgotten, and the fewest values a day that count.
const DAYS: f64 = 28.0;
const LEAST_A_DAY: f64 = 24.0;

/// The smallest share of the expected value so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth {
    share: f32,
    /// Whether the newest value lies below the floor.
    below: bool,
}

stored_fields!(Depth { share, below });

impl Depth {
    pub(super) fn new() -> Self {
        Self { share: 1.0, below: false }
    }

    /// The value below which more is lost than ever before, for a series that was never negative.
    /// `sigma` is a standard deviation. `−∞` if nothing is known.
    pub(super) fn floor(&self, expected: f64, sigma: f64, seen: u32, age_ms: i64) -> f64 {
        let known = seen >= NEEDED && age_ms >= NEEDED_MS && self.share >= KEPT;
        let floor = smaller(FLOOR * f64::from(self.share) * expected, expected - SIGMAS * sigma);
        if known && floor > 0.0 { floor } else { f64::NEG_INFINITY }
    }

    /// Learns a value that is below the floor, or not.
    pub(super) fn learn(&mut self, value: f64, expected: f64, below: bool, per_day: f64) {
        let share = if expected > 0.0 { (value / expected).clamp(0.0, 1.0) as f32 } else { 0.0 };
        if below {
            // The floor stays until the loss is over.
        } else if self.below {
            self.share *= TAUGHT;
        } else if share < self.share {
            self.share = share;
        } else {
            self.share += (1.0 - self.share) / (DAYS * larger(per_day, LEAST_A_DAY)) as f32;
        }
        self.below = below;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: (f64, u32, i64) = (10.0, NEEDED, NEEDED_MS);

    fn after(values: &[f64]) -> Depth {
        let mut depth = Depth::new();
        values.iter().for_each(|&value| {
            let (sigma, seen, age_ms) = KNOWN;
            depth.learn(value, 100.0, value < depth.floor(100.0, sigma, seen, age_ms), 24.0);
        });
        depth
    }

    fn floor(values: &[f64]) -> f64 {
        let (sigma, seen, age_ms) = KNOWN;
        after(values).floor(100.0, sigma, seen, age_ms)
    }

    #[test]
    fn the_floor_is_a_quarter_of_the_smallest_share_that_was_kept() {
        assert_eq!(floor(&[90.0, 60.0, 130.0]).round(), 15.0);
        assert_eq!(floor(&[90.0, 25.0, 130.0]), f64::NEG_INFINITY, "it has lost too much before");
        assert_eq!(after(&[60.0]).floor(100.0, 17.8, NEEDED, NEEDED_MS).round(), 11.0, "five standard deviations");
        assert_eq!(after(&[60.0]).floor(100.0, 25.0, NEEDED, NEEDED_MS), f64::NEG_INFINITY);
        assert_eq!(after(&[60.0]).floor(100.0, 10.0, NEEDED - 1, NEEDED_MS), f64::NEG_INFINITY, "too new");
        assert_eq!(after(&[60.0]).floor(0.0, 10.0, NEEDED, NEEDED_MS), f64::NEG_INFINITY);
    }

    #[test]
    fn a_loss_keeps_the_floor_while_it_lasts_and_counts_once() {
        let lost = [&[60.0][..], &[0.0; 20]].concat();
        assert_eq!(floor(&lost).round(), 15.0);
        let over = [&lost[..], &[95.0]].concat();
        assert_eq!(floor(&over).round(), 9.0);
        let again = [&over[..], &[0.0, 95.0]].concat();
        assert_eq!(floor(&again), f64::NEG_INFINITY, "such losses are usual then");
    }
}
