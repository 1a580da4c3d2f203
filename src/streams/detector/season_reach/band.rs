//! The band: the values that would not have alerted. Everything a person sees of a score follows
//! from it, so the words cannot contradict the numbers.

use crate::arithmetic::{larger, smaller};
use crate::natural::Observed;
use crate::stored::stored_fields;
use earcon_model::Direction;

/// Rate of the share of values at the maximum, and the share that makes it a bound.
const SHARE_RATE: f64 = 1.0 / 2_000.0;
const AT_MAXIMUM: f64 = 0.01;
/// Values after which a maximum may be a bound.
const NEEDED: u32 = 100;

/// Bounds that a series has by nature: it is never negative; it reaches its maximum often, as a
/// percentage at 100. A bound holds until the first value beyond it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    maximum: f64,
    at_maximum: f64,
    never_negative: bool,
}

stored_fields!(Bounds { maximum, at_maximum, never_negative });

impl Bounds {
    pub(super) fn starting_at(value: f64) -> Self {
        Self { maximum: value, at_maximum: 0.0, never_negative: value >= 0.0 }
    }

    /// Learns a value before its band is computed. `seen` is the number of earlier ones.
    pub(super) fn learn(&mut self, value: f64, seen: u32) {
        self.never_negative &= value >= 0.0;
        if value > self.maximum {
            (self.maximum, self.at_maximum) = (value, 0.0);
        }
        let target = if value == self.maximum { 1.0 } else { 0.0 };
        let rate = larger(SHARE_RATE, 1.0 / (f64::from(seen) + 1.0));
        self.at_maximum += rate * (target - self.at_maximum);
    }

    /// What the values were so far, with the smallest change among them.
    pub(super) fn observed(&self, smallest_change: f64) -> Observed {
        Observed { never_negative: self.never_negative, maximum: self.maximum, smallest_change }
    }

    /// The range that is possible.
    pub(super) fn range(&self, seen: u32) -> (f64, f64) {
        let lowest = if self.never_negative { 0.0 } else { -f64::MAX };
        let reached = seen >= NEEDED && self.at_maximum >= AT_MAXIMUM;
        (lowest, if reached { self.maximum } else { f64::MAX })
    }
}

/// The values that do not alert, and the expected one among them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Band {
    pub(super) expected: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
}

impl Band {
    /// A band within the possible range; a value in the middle of it stays there.
    pub(super) fn new(expected: f64, lower: f64, upper: f64, range: (f64, f64)) -> Self {
        let within = |number: f64| without_sign(smaller(larger(number, range.0), range.1));
        let (lower, upper) = (within(lower), within(upper));
        Self { expected: smaller(larger(within(expected), lower), upper), lower, upper }
    }

    /// Narrowed to the values from `lower` to `upper`.
    pub(super) fn narrowed(self, lower: f64, upper: f64) -> Self {
        let (lower, upper) = (self.lower.max(lower), self.upper.min(upper));
        let (lower, upper) = (lower.min(upper), upper);
        Self { expected: self.expected.max(lower).min(upper), lower, upper }
    }

    /// The band of a value that should have been `usual` away from the expected one in the hour
    /// before: it begins halfway there. Neither lies beyond the possible range. `None` if the value
    /// lies in it, or on the other side.
    pub(super) fn reaching_by(self, value: f64, usual: f64, range: (f64, f64)) -> Option<Self> {
        let expected = smaller(larger(self.expected + usual, range.0), range.1);
        let halfway = 0.5 * self.expected + 0.5 * expected;
        let band = if usual > 0.0 {
            Self { expected, lower: halfway, upper: self.upper.max(expected) }
        } else {
            Self { expected, lower: self.lower.min(expected), upper: halfway }
        };
        (self.contains(value) && !band.contains(value)).then_some(band)
    }

    /// Narrowed to the values from `lower` on.
    pub(super) fn from(self, lower: f64) -> Self {
        let lower = self.lower.max(lower);
        Self { expected: self.expected.max(lower), lower, upper: self.upper.max(lower) }
    }

    /// Widened to contain a value, which does not alert.
    pub(super) fn with(self, value: f64) -> Self {
        Self { lower: self.lower.min(value), upper: self.upper.max(value), ..self }
    }

    /// The part with the expected value on one side of a value, which is inside and alerts itself.
    /// `step` is the smallest known change of values.
    pub(super) fn without(self, value: f64, step: f64) -> Self {
        // History stores distances from the value in single precision; this one must remain.
        let least = 1e-6 * value.abs() + 1e-30;
        let apart = (0.5 * step).max(least);
        let above = value > self.expected || (value >= self.upper && value > self.lower);
        let (lower, upper) = if above {
            let next = (value - apart).max(0.5 * self.lower + 0.5 * value).min(value - least);
            (self.lower.min(next), next)
        } else {
            let next = (value + apart).min(0.5 * self.upper + 0.5 * value).max(value + least);
            (next, self.upper.max(next))
        };
        Self { expected: self.expected.max(lower).min(upper), lower, upper }
    }

    pub(super) fn contains(&self, value: f64) -> bool {
        self.lower <= value && value <= self.upper
    }

    /// The side on which a value lies: of the band if it is outside, else of the expected value.
    pub(super) fn side(&self, value: f64) -> Direction {
        let above = value > self.upper || (value >= self.lower && value > self.expected);
        if above { Direction::Above } else { Direction::Below }
    }
}

/// `f64::max` may return either zero, depending on the platform. The sum has no negative sign.
fn without_sign(number: f64) -> f64 {
    number + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: (f64, f64) = (-f64::MAX, f64::MAX);

    #[test]
    fn natural_bounds_hold_until_a_value_lies_beyond() {
        let mut bounds = Bounds::starting_at(100.0);
        (0..200).for_each(|i| bounds.learn(if i % 10 == 0 { 100.0 } else { 90.0 }, i));
        assert_eq!(bounds.range(200), (0.0, 100.0));
        assert_eq!(
            Band::new(101.0, -5.0, 130.0, bounds.range(200)),
            Band { expected: 100.0, lower: 0.0, upper: 100.0 }
        );
        bounds.learn(104.0, 200);
        bounds.learn(-1.0, 201);
        assert_eq!(bounds.range(202), ANY);
    }

    #[test]
    fn a_value_at_the_expected_one_can_be_taken_out() {
        let band = Band::new(5.0, 0.0, 10.0, ANY);
        for (value, step) in [(5.0, 1.0), (0.0, 0.0), (7.0, 100.0), (10.0, 0.5), (3.0, 1e-300)] {
            let without = band.without(value, step);
            assert!(!without.contains(value) && without.contains(without.expected), "{without:?}");
            assert!(without.lower >= 0.0 && without.upper <= 10.0, "{without:?}");
            assert_eq!(without.side(value), if value > 5.0 { Direction::Above } else { Direction::Below });
        }
        assert!(band.with(17.0).contains(17.0));
    }

    #[test]
    fn what_should_have_been_reached_lies_within_the_possible_range() {
        let band = Band::new(9.0, 2.0, 16.0, (0.0, 100.0));
        let absent = band.reaching_by(9.5, -40.0, (0.0, 100.0)).unwrap();
        assert_eq!(absent, Band { expected: 0.0, lower: 0.0, upper: 4.5 });
        let absent = band.reaching_by(9.5, 400.0, (0.0, 100.0)).unwrap();
        assert_eq!((absent.expected, absent.lower), (100.0, 54.5));
        assert_eq!(band.reaching_by(9.5, -40.0, ANY).unwrap().expected, -31.0);
        assert_eq!(band.reaching_by(1.0, -40.0, ANY), None, "outside already");
    }

    #[test]
    fn the_side_is_that_of_the_band_and_then_of_the_expected_value() {
        let band = Band::new(5.0, 4.0, 10.0, ANY);
        let sides = [3.0, 4.5, 5.0, 6.0, 11.0].map(|value| band.side(value));
        use Direction::{Above, Below};
        assert_eq!(sides, [Below, Below, Below, Above, Above]);
    }
}
