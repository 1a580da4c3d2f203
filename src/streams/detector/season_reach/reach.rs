//! The learned reach: how far the values of a series usually go, on each side and in each step of
//! the ladder.
//!
//! Two quantiles of the distance are followed by multiplicative steps (Robbins & Monro 1951 in the
//! logarithm): the one that 1 value in 20 exceeds, and the one that 1 in 200 exceeds. Their ratio
//! is the shape of the tail. A Weibull tail of that shape gives the edge.
//!
//! An excursion counts once: after a step up, the rare quantile takes no other one for some
//! samples. Otherwise an anomaly teaches the series that it is ordinary.

use super::ladder::{SIZES, STEPS};
use crate::arithmetic::{exp2_neg, log2};
use crate::stored::Stored;

/// Initial quantiles: those of a normal distribution.
const FIRST: (f32, f32) = (1.65, 2.6);
/// Steps up, and their limits; the steps down balance them.
const STEP_COMMON: (f32, f32) = (0.02, 0.3);
const STEP_RARE: (f32, f32) = (0.1, 0.5);
/// Steps are divided by 1 + this × (values in the mean − 1).
const CORRELATED: f32 = 0.25;
/// The least ratio of the quantiles.
const LEAST_RATIO: f32 = 1.2;
/// The ratio that counts: fixed, and larger only in as much as the other side is shorter. In a
/// symmetric distribution a heavy tail is made by anomalies themselves.
const RATIO: f32 = 1.6;
const RATIO_IF_SKEWED: f32 = 1.2;
const SKEW: (f32, f32) = (1.25, 0.75);
/// Exponent of the ratio, for an extrapolation from 1 in 200 to 1 in a million.
const TAIL: f64 = 1.68;
/// The extrapolation of the fixed ratio.
const USUAL_TAIL: f32 = 2.202_528_7;
/// Samples after a step up in which the rare quantile takes no other one; minutes, on a series that
/// is faster.
const COOL_DOWN: u16 = 24;
/// Two sides of each step.
const REACHES: usize = 2 * STEPS;

/// The reaches of all steps of the ladder, below (even places) and above (odd places). Columns, so
/// that several are learned by one instruction.
#[derive(Debug, Clone)]
pub(super) struct Reaches {
    common: [f32; REACHES],
    rare: [f32; REACHES],
    /// The extrapolation, a factor on `rare`. It is refreshed now and then.
    tail: [f32; REACHES],
    /// Of the first step only: means contain an excursion several times anyway.
    cooling: [u16; 2],
}

/// Factors by which the quantiles of each reach step up and down.
struct Factors {
    common_up: [f32; REACHES],
    common_down: [f32; REACHES],
    rare_up: [f32; REACHES],
    rare_down: [f32; REACHES],
}

/// The factors after the first values.
static STEADY: Factors = Factors::at(1.0, 1.0);

impl Factors {
    /// `speed` is at least 1 for the first values. At a `pace` below 1 an excursion of single
    /// values raises the rare quantile as far as ever, because it counts once in as many minutes.
    const fn at(speed: f32, pace: f32) -> Self {
        let none = [0.0; REACHES];
        let mut all = Self { common_up: none, common_down: none, rare_up: none, rare_down: none };
        let mut i = 0;
        while i < REACHES {
            let slow = 1.0 + CORRELATED * (SIZES[i / 2] as f32 - 1.0);
            let common = pace * (STEP_COMMON.0 * speed).min(STEP_COMMON.1) / slow;
            let rare = (STEP_RARE.0 * speed).min(STEP_RARE.1) / slow;
            (all.common_up[i], all.common_down[i]) = (1.0 + common, 1.0 - common / 19.0);
            let up = if i < 2 { rare } else { rare * pace };
            (all.rare_up[i], all.rare_down[i]) = (1.0 + up, 1.0 - rare * pace / 199.0);
            i += 1;
        }
        all
    }
}

impl Reaches {
    pub(super) fn new() -> Self {
        Self { common: [FIRST.0; REACHES], rare: [FIRST.1; REACHES], tail: [USUAL_TAIL; REACHES], cooling: [0; 2] }
    }

    /// The distance at which a value is out of the ordinary, before all other factors.
    pub(super) fn edge(&self, step: usize, side: usize) -> f64 {
        let i = 2 * step + side;
        f64::from(self.rare[i] * self.tail[i])
    }

    /// Learns the distances of all steps, in the scale of each; `speed` is above 1 for the first
    /// values, and `pace` is as in [`super::super::pace`].
    pub(super) fn learn(&mut self, z: &[f64; STEPS], speed: f32, pace: f32) {
        if speed == 1.0 && pace == 1.0 {
            self.step(z, &STEADY, COOL_DOWN);
        } else {
            self.step(z, &Factors::at(speed, pace), (f32::from(COOL_DOWN) / pace) as u16);
        }
    }

    #[inline(always)]
    fn step(&mut self, z: &[f64; STEPS], factors: &Factors, cool_down: u16) {
        let mut distances = [0.0f32; REACHES];
        for (step, z) in z.iter().enumerate() {
            (distances[2 * step], distances[2 * step + 1]) = (-*z as f32, *z as f32);
        }
        let mut rare_up = factors.rare_up;
        for side in 0..2 {
            let (waits, far) = (self.cooling[side] > 0, distances[side] > self.rare[side]);
            if waits {
                rare_up[side] = 1.0;
            }
            self.cooling[side] = if far && !waits { cool_down } else { self.cooling[side].saturating_sub(1) };
        }
        for i in 0..REACHES {
            let (distance, common, rare) = (distances[i], self.common[i], self.rare[i]);
            let common = common * if distance > common { factors.common_up[i] } else { factors.common_down[i] };
            let rare = rare * if distance > rare { rare_up[i] } else { factors.rare_down[i] };
            // Bounds keep the numbers normal on a series that is constant for years.
            let common = smaller(larger(common, 1e-6), 1e12);
            (self.common[i], self.rare[i]) = (common, smaller(larger(rare, LEAST_RATIO * common), 1e13));
        }
    }

    /// Computes the shape of the tail of one reach again.
    pub(super) fn refresh(&mut self, step: usize, side: usize) {
        let i = 2 * step + side;
        let (common, other) = (self.common[i], self.common[2 * step + 1 - side]);
        let longer = common / other;
        let skew = if longer <= SKEW.0 { 0.0 } else { ((longer - SKEW.0) / SKEW.1).clamp(0.0, 1.0) };
        let ratio =
            if skew > 0.0 { (self.rare[i] / common).clamp(RATIO, RATIO + RATIO_IF_SKEWED * skew) } else { RATIO };
        // The fixed ratio is the usual one, and needs no logarithm.
        self.tail[i] = if ratio == RATIO { USUAL_TAIL } else { tail(ratio) };
    }
}

impl Stored for Reaches {
    fn put(&self, out: &mut Vec<u8>) {
        for i in 0..REACHES {
            [self.common[i], self.rare[i], self.tail[i]].put(out);
            self.cooling.get(i).copied().unwrap_or(0).put(out);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let mut all = Self::new();
        for i in 0..REACHES {
            [all.common[i], all.rare[i], all.tail[i]] = Stored::read(from)?;
            let cooling = u16::read(from)?;
            match all.cooling.get_mut(i) {
                Some(own) => *own = cooling,
                None if cooling > 0 => return None,
                None => {}
            }
        }
        Some(all)
    }
}

fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

fn tail(ratio: f32) -> f32 {
    // The ratio is above 1, so the logarithm is positive.
    (1.0 / exp2_neg(TAIL * log2(f64::from(ratio)))) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances with an exponential tail, deterministic and well mixed.
    fn fed(excursion: impl Fn(usize) -> bool) -> Reaches {
        let mut reaches = Reaches::new();
        let mut state = 1u64;
        for i in 0..40_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let uniform = (state >> 40) as f32 / (1u32 << 24) as f32;
            let distance = if excursion(i) { 50.0 } else { f64::from(-(1.0 - uniform).ln()) };
            reaches.learn(&[distance; STEPS], 1.0, 1.0);
        }
        reaches
    }

    #[test]
    fn quantiles_approach_those_of_the_distances() {
        let reach = fed(|_| false);
        assert!((2.5..3.6).contains(&reach.common[1]), "{reach:?}, exactly 3.0");
        assert!((4.5..6.6).contains(&reach.rare[1]), "{reach:?}, exactly 5.3");
    }

    #[test]
    fn a_long_excursion_counts_once() {
        let calm = fed(|_| false).edge(0, 1);
        let once = fed(|i| (39_000..39_060).contains(&i)).edge(0, 1);
        assert!(once < 1.6 * calm, "{once} {calm}");
    }

    #[test]
    fn the_usual_tail_is_that_of_the_fixed_ratio() {
        assert_eq!(USUAL_TAIL.to_bits(), tail(RATIO).to_bits());
    }

    #[test]
    fn a_state_with_an_impossible_pause_is_refused() {
        let mut bytes = Vec::new();
        Reaches::new().put(&mut bytes);
        assert!(Reaches::read(&mut &bytes[..]).is_some());
        *bytes.last_mut().unwrap() = 1;
        assert!(Reaches::read(&mut &bytes[..]).is_none());
    }
}
