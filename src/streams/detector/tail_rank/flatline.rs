//! A value that does not move any more, of a series that does: a sensor that hangs, an agent that repeats itself.
//!
//! If values repeat with probability p, a run of n repetitions has probability pⁿ. It is odd when that is tiny, when the run is
//! long in itself, and when it is much longer than the runs the series has had: a series of plateaus may rest.

use crate::arithmetic::{LOG10_OF_2, log2};
use crate::stored::stored_fields;

/// Values that the share of repetitions is a mean of.
const MEMORY: u32 = 4_000;
/// Values before a run is odd.
const NEEDED: u32 = 150;
/// The least run that is odd, …
const LEAST_RUN: f64 = 32.0;
/// … the decades of its improbability, …
const DECADES: f64 = 12.0;
/// … and how many times the longest of late it must be.
const TIMES_LONGEST: f64 = 3.0;
/// How much of the longest run is forgotten when a run ends.
const FORGET: f32 = 1.0 / 4_096.0;
/// A run so many times as long as what is odd is no fault any more but how the series is now.
const ACCEPTED: f64 = 6.0;

/// How a series repeats its values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Still {
    /// Repetitions in a row so far.
    run: u16,
    /// The longest such run of late.
    longest: f32,
    /// Share of values that repeat the one before.
    share: f32,
}

stored_fields!(Still { run, longest, share });

impl Still {
    /// How far the run goes beyond what the series is known for, from 0; 1 is the edge. `repeats` says whether the value is the
    /// one before, `seen` how many values came before.
    pub(super) fn push(&mut self, repeats: bool, seen: u32) -> f64 {
        if repeats {
            self.run = self.run.saturating_add(1);
        } else {
            self.longest = f32::from(self.run).max(self.longest * (1.0 - FORGET));
            self.run = 0;
        }
        let odd = if seen < NEEDED || self.run == 0 { 0.0 } else { self.oddness(seen) };
        // Repetitions of a run that is odd are no habit.
        if odd < 1.0 {
            let target = if repeats { 1.0 } else { 0.0 };
            self.share += (target - self.share) / (seen.clamp(1, MEMORY) as f32);
        }
        odd
    }

    fn oddness(&self, seen: u32) -> f64 {
        let run = f64::from(self.run);
        // As if one more value had repeated: what was never seen is not impossible.
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

    /// The first value at which a series is odd.
    fn odd_at(values: impl IntoIterator<Item = i32>) -> Option<usize> {
        let (mut still, mut last) = (Still::default(), None);
        values.into_iter().enumerate().position(|(i, value)| {
            let repeats = last.replace(value) == Some(value);
            still.push(repeats, i as u32) >= 1.0
        })
    }

    #[test]
    fn a_moving_series_that_stops_is_odd_after_some_repetitions() {
        assert_eq!(odd_at((0..300).map(|i| i * 7 % 11).chain([5; 100])), Some(300 + 32));
        assert_eq!(odd_at((0..300).map(|i| i * 7 % 11).chain([5; 20]).chain(0..50)), None);
    }

    #[test]
    fn a_series_that_stays_where_it_is_is_accepted() {
        let mut still = Still::default();
        (0..300).for_each(|i| assert!(still.push(false, i) < 1.0));
        let odd: Vec<bool> = (300..3_000).map(|i| still.push(true, i) >= 1.0).collect();
        assert_eq!(odd.iter().filter(|odd| **odd).count(), 32 * 5);
        assert!(odd[31] && !odd[200]);
    }

    #[test]
    fn a_series_that_often_rests_must_rest_for_long() {
        let rests = |i: i32| if i % 400 < 200 { 0 } else { i };
        assert_eq!(odd_at((0..8_000).map(rests)), None, "as usual");
        let stuck = odd_at((0..8_000).map(rests).chain([7; 2_000])).unwrap();
        assert!((8_200..9_000).contains(&stuck), "{stuck}");
    }

    #[test]
    fn a_constant_series_is_not_odd() {
        assert_eq!(odd_at([3; 20_000]), None);
    }

    #[test]
    fn counts_of_something_rare_are_not_odd() {
        // About one in twenty is not zero.
        let rare = |i: i32| i32::from((i as u32).wrapping_mul(2_654_435_761) >> 16 < 3_300);
        assert_eq!(odd_at((0..50_000).map(rare)), None);
    }
}
