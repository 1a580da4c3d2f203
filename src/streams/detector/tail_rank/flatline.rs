//! Detects a flatline: the value of a moving series stays the same, as from a hanging sensor.
//!
//! If values repeat with probability p, a run of n repetitions has probability pⁿ. A run is
//! suspicious if that is tiny, if the run is long in absolute terms, and if it is much longer than
//! earlier runs. So a series of plateaus may rest.

use crate::arithmetic::{LOG10_OF_2, log2};
use crate::stored::stored_fields;

/// Values in the mean share of repetitions.
const MEMORY: u32 = 4_000;
/// Values needed before a run can be suspicious.
const NEEDED: u32 = 150;
/// Minimum run, in values.
const LEAST_RUN: f64 = 32.0;
/// Minimum improbability of the run, in decades.
const DECADES: f64 = 12.0;
/// Minimum length of the run, in lengths of the longest recent run.
const TIMES_LONGEST: f64 = 3.0;
/// Share of the longest run that is forgotten when a run ends.
const FORGET: f32 = 1.0 / 4_096.0;
/// A run this many times as long as a suspicious one is accepted as the normal state of the series.
const ACCEPTED: f64 = 6.0;

/// How a series repeats its values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Flatline {
    /// Repetitions in the current run.
    run: u16,
    /// The longest recent run.
    longest: f32,
    /// Share of values that repeat the previous one.
    share: f32,
}

stored_fields!(Flatline { run, longest, share });

impl Flatline {
    /// Length of the run in units of a suspicious run, from 0; 1 is the edge. `repeats`: the value
    /// equals the previous one. `seen`: number of earlier values.
    pub(super) fn push(&mut self, repeats: bool, seen: u32) -> f64 {
        if repeats {
            self.run = self.run.saturating_add(1);
        } else {
            self.longest = f32::from(self.run).max(self.longest * (1.0 - FORGET));
            self.run = 0;
        }
        let odd = if seen < NEEDED || self.run == 0 { 0.0 } else { self.oddness(seen) };
        // Repetitions of a suspicious run are not learned.
        if odd < 1.0 {
            let target = if repeats { 1.0 } else { 0.0 };
            self.share += (target - self.share) / (seen.clamp(1, MEMORY) as f32);
        }
        odd
    }

    fn oddness(&self, seen: u32) -> f64 {
        let run = f64::from(self.run);
        // As if one more value had repeated: an event never seen is not impossible.
        let share = f64::from(self.share).max(1.0 / (f64::from(seen.min(MEMORY)) + 2.0)).min(1.0);
        let decades = -LOG10_OF_2 * log2(share) * run;
        let longest = TIMES_LONGEST * f64::from(self.longest);
        let odd = (run / LEAST_RUN).min(decades / DECADES);
        let odd = if longest > 0.0 { odd.min(run / longest) } else { odd };
        if odd < ACCEPTED { odd } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first index at which a series is suspicious.
    fn odd_at(values: impl IntoIterator<Item = i32>) -> Option<usize> {
        let (mut still, mut last) = (Flatline::default(), None);
        values.into_iter().enumerate().position(|(i, value)| {
            let repeats = last.replace(value) == Some(value);
            still.push(repeats, i as u32) >= 1.0
        })
    }

    #[test]
    fn moving_series_that_stops_is_flat_after_some_repetitions() {
        assert_eq!(odd_at((0..300).map(|i| i * 7 % 11).chain([5; 100])), Some(300 + 32));
        assert_eq!(odd_at((0..300).map(|i| i * 7 % 11).chain([5; 20]).chain(0..50)), None);
    }

    #[test]
    fn long_flatline_is_accepted_as_normal() {
        let mut still = Flatline::default();
        (0..300).for_each(|i| assert!(still.push(false, i) < 1.0));
        let odd: Vec<bool> = (300..3_000).map(|i| still.push(true, i) >= 1.0).collect();
        assert_eq!(odd.iter().filter(|odd| **odd).count(), 32 * 5);
        assert!(odd[31] && !odd[200]);
    }

    #[test]
    fn resting_series_needs_a_longer_run() {
        let rests = |i: i32| if i % 400 < 200 { 0 } else { i };
        assert_eq!(odd_at((0..8_000).map(rests)), None, "as usual");
        let stuck = odd_at((0..8_000).map(rests).chain([7; 2_000])).unwrap();
        assert!((8_200..9_000).contains(&stuck), "{stuck}");
    }

    #[test]
    fn constant_series_is_not_flat() {
        assert_eq!(odd_at([3; 20_000]), None);
    }

    #[test]
    fn rare_counts_are_not_flat() {
        // About one in twenty is not zero.
        let rare = |i: i32| i32::from((i as u32).wrapping_mul(2_654_435_761) >> 16 < 3_300);
        assert_eq!(odd_at((0..50_000).map(rare)), None);
    }
}
