//! The precision that history keeps of scores and bands.
//!
//! A row is rounded once, when it is applied, and by its own numbers only. Blocks are lossless. So
//! what a read returns never changes, whenever the rows are flushed, merged or compressed.
//!
//! | column | kept |
//! | --- | --- |
//! | timestamp, value | exact |
//! | score from [`NOTABLE`] | exact |
//! | score below | to the nearest 1/1,024 |
//! | expectation and band with a notable score | a 32-bit distance from the value |
//! | expectation | to 1/256 of half the band, or better |
//! | half the band | to 1/256 of itself |
//!
//! Rounding never moves a value to another side of the expectation, or of an edge of the band.
//! Otherwise the row keeps the 32-bit distances.

use earcon_ports::SampleRow;

/// Scores from here on are exact. Every threshold that opens or closes an episode is higher.
pub(super) const NOTABLE: f32 = 0.125;
/// Steps of scores below [`NOTABLE`] in one.
pub(super) const SCORE_STEPS: f32 = 1_024.0;
/// Bits of a 64-bit float that half a band does not use: seven of 52 bits of mantissa stay.
pub(super) const DROPPED_BITS: u32 = 45;
/// Steps of the expectation are exact integers up to here.
const MOST_STEPS: f64 = (1u64 << 52) as f64;

/// The score that is kept.
pub(super) fn score(score: f32) -> f32 {
    if (0.0..NOTABLE).contains(&score) { nearest(f64::from(score * SCORE_STEPS)) as f32 / SCORE_STEPS } else { score }
}

/// The nearest whole number, away from 0 in the middle, of a number below [`MOST_STEPS`]: as
/// `f64::round`, which is a call of a library function on most processors.
fn nearest(number: f64) -> f64 {
    let whole = number as i64 as f64;
    let rest = number - whole;
    if rest >= 0.5 {
        whole + 1.0
    } else if rest <= -0.5 {
        whole - 1.0
    } else {
        whole
    }
}

/// Expectation and band that are kept of a row with its original score.
pub(super) fn band(row: SampleRow) -> SampleRow {
    let ordinary = row.score.is_some_and(|score| score < NOTABLE);
    let rounded = if ordinary { Band::nearest(&row) } else { None };
    match rounded {
        Some(band) if keeps_sides(&row, &band.applied_to(row)) => band.applied_to(row),
        _ => SampleRow {
            expected: to_f32_distance(row.value, row.expected),
            lower: to_f32_distance(row.value, row.lower),
            upper: to_f32_distance(row.value, row.upper),
            ..row
        },
    }
}

/// A rounded band in small integers: the expectation in steps of a power of two, and half the
/// height as the upper bits of a float. The lower edge is as far as the upper one, or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Band {
    /// The expectation in [`step`]s of `half`.
    pub(super) expected: i64,
    /// The upper bits of half the height.
    pub(super) half: u32,
    /// The lower edge is 0, because no value of the series was negative so far.
    pub(super) on_floor: bool,
}

/// The step of the expectation with half a band: between 1/256 and 1/128 of it.
pub(super) fn step(half: u32) -> f64 {
    // The same exponent without mantissa.
    let power = f64::from_bits(u64::from(half >> 7) << 52);
    power / 128.0
}

impl Band {
    /// The band nearest to that of the row; `None` if it is no such band.
    fn nearest(row: &SampleRow) -> Option<Self> {
        let (above, below) = (row.upper - row.expected, row.expected - row.lower);
        if !(f64::MIN_POSITIVE..f64::MAX / 2.0).contains(&above) {
            return None;
        }
        let half = ((above.to_bits() + (1 << (DROPPED_BITS - 1))) >> DROPPED_BITS) as u32;
        let expected = nearest(steps(row.expected, half)?);
        let band = Self { expected: expected as i64, half, on_floor: row.lower == 0.0 };
        let even = (above - below).abs() <= above * 1e-6;
        if band.on_floor {
            (0.0..=above * (1.0 + 1e-6)).contains(&below).then_some(band)
        } else {
            // A lower edge just above 0 may not become negative.
            let on_floor = row.lower > 0.0 && band.applied_to(*row).lower <= 0.0;
            even.then_some(Self { on_floor, ..band })
        }
    }

    /// The band of a row that has exactly such a band.
    pub(super) fn of(row: &SampleRow) -> Option<Self> {
        let above = row.upper - row.expected;
        if !(f64::MIN_POSITIVE..f64::MAX).contains(&above) || above.to_bits().trailing_zeros() < DROPPED_BITS {
            return None;
        }
        let half = (above.to_bits() >> DROPPED_BITS) as u32;
        let expected = steps(row.expected, half)?;
        let band = Self { expected: expected as i64, half, on_floor: row.lower == 0.0 };
        let back = band.applied_to(*row);
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        let exact = same(back.expected, row.expected) && same(back.lower, row.lower) && same(back.upper, row.upper);
        exact.then_some(band)
    }

    /// The row with this band.
    pub(super) fn applied_to(self, row: SampleRow) -> SampleRow {
        let (expected, half) = (self.expected as f64 * step(self.half), half_of(self.half));
        SampleRow { expected, lower: if self.on_floor { 0.0 } else { expected - half }, upper: expected + half, ..row }
    }
}

fn half_of(half: u32) -> f64 {
    f64::from_bits(u64::from(half) << DROPPED_BITS)
}

fn steps(expected: f64, half: u32) -> Option<f64> {
    let steps = expected / step(half);
    (steps.abs() < MOST_STEPS).then_some(steps)
}

/// Whether the value is on the same side of expectation and edges in both rows.
fn keeps_sides(row: &SampleRow, rounded: &SampleRow) -> bool {
    let sides = |row: &SampleRow| [row.expected, row.lower, row.upper].map(|number| row.value.partial_cmp(&number));
    sides(row) == sides(rounded)
}

/// The nearest number whose distance from `value` is a 32-bit float. Returns `number` itself if
/// that loses too much, for distances outside the range of 32-bit floats.
fn to_f32_distance(value: f64, number: f64) -> f64 {
    let rounded = value + f64::from(distance(value, number));
    let error = (rounded - number).abs();
    if error <= (number - value).abs() * 1e-6 || error <= value.abs() * f64::EPSILON { rounded } else { number }
}

/// The distance of `number` from `value`, in 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "that is the compression")]
pub(super) fn distance(value: f64, number: f64) -> f32 {
    (number - value) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(value: f64, score: Option<f32>, expected: f64, lower: f64, upper: f64) -> SampleRow {
        SampleRow { timestamp_ms: 0, value, score, expected, lower, upper }
    }

    fn bits(row: &SampleRow) -> [u64; 3] {
        [row.expected, row.lower, row.upper].map(f64::to_bits)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn band_is_close_and_the_value_on_the_same_sides(
            value in -1e6..1e6f64, off in -3.0..3.0f64, scale in -12..9i32, ten in 1.0..10.0f64, floor in any::<bool>()
        ) {
            let half = ten * 10f64.powi(scale);
            let expected = if floor { (value + off * half).max(0.0) } else { value + off * half };
            let lower = if floor { (expected - half).max(0.0) + 0.0 } else { expected - half };
            let original = row(value, Some(0.01), expected, lower, expected + half);
            let kept = band(original);
            let near = |a: f64, b: f64| (a - b).abs() <= half * 0.0079 + value.abs() * 1e-15;
            prop_assert!(near(kept.expected, expected) && near(kept.lower, lower), "{original:?} {kept:?}");
            prop_assert!(near(kept.upper, original.upper), "{original:?} {kept:?}");
            prop_assert!(kept.lower <= kept.expected && kept.expected <= kept.upper, "{original:?} {kept:?}");
            prop_assert!(lower < 0.0 || kept.lower >= 0.0, "{original:?} {kept:?}");
            prop_assert!(keeps_sides(&original, &kept), "{original:?} {kept:?}");
            if let Some(same) = Band::of(&kept) {
                prop_assert_eq!(bits(&same.applied_to(original)), bits(&kept));
            }
        }

        #[test]
        fn thirty_two_bit_distances_are_close(value in prop::num::f64::NORMAL, number in prop::num::f64::NORMAL) {
            let rounded = to_f32_distance(value, number);
            let error = (rounded - number).abs();
            prop_assert!(error <= (number - value).abs() * 1e-6 || error <= value.abs() * f64::EPSILON);
        }
    }

    proptest! {
        #[test]
        fn nearest_is_the_rounding_of_the_standard_library(number in -MOST_STEPS..MOST_STEPS, halves in -9_000i32..9_000) {
            let small = number / 1e12;
            for number in [number, small, f64::from(halves) / 2.0, f64::from(halves).next_up() / 2.0] {
                prop_assert_eq!(nearest(number), number.round());
            }
        }
    }

    #[test]
    fn scores_near_a_threshold_are_exact() {
        for exact in [0.125, 0.249_99, 0.499, 0.499_999_97, 0.5, 1.0] {
            assert_eq!(score(exact), exact);
        }
        assert_eq!(score(0.100_1), 103.0 / 1_024.0);
        assert_eq!(score(0.000_1), 0.0);
        assert!(score(0.124_999) <= NOTABLE && score(f32::NAN).is_nan());
        assert_eq!(score(score(0.07)), score(0.07));
    }

    #[test]
    fn band_with_a_notable_score_keeps_seven_digits() {
        let original = row(10.0, Some(0.5), 7.123_456_7, 6.0, 8.246_913_4);
        let kept = band(original);
        assert!((kept.expected - original.expected).abs() < 1e-6 && (kept.upper - original.upper).abs() < 1e-6);
        let coarse = band(SampleRow { score: Some(0.01), ..original });
        assert!((coarse.expected - original.expected).abs() > 1e-6);
    }

    #[test]
    fn constant_series_keeps_its_expectation_exactly() {
        for value in [0.0, 0.1, 5.0, 1e9] {
            let half = 3.0 * (value * 1e-9 + f64::MIN_POSITIVE);
            let kept = band(row(value, Some(0.0), value, (value - half).max(0.0), value + half));
            assert_eq!(kept.expected, value);
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_kept() {
        assert!(to_f32_distance(1.0, f64::NAN).is_nan() && to_f32_distance(f64::NAN, 1.0) == 1.0);
        assert_eq!(to_f32_distance(0.0, f64::INFINITY), f64::INFINITY);
        let unscored = row(1.0, None, f64::NAN, f64::NAN, f64::NAN);
        assert!(band(unscored).expected.is_nan());
    }
}
