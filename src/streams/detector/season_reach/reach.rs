//! The learned reach: how far the values of a series usually go, on each side and in each step of
//! the ladder.
//!
//! Two quantiles of the distance are followed by multiplicative steps (Robbins & Monro 1951 in the
//! logarithm): the one that 1 value in 20 exceeds, and the one that 1 in 200 exceeds. Their ratio
//! is the shape of the tail. A Weibull tail of that shape gives the edge.
//!
//! An excursion counts once: after a step up, the rare quantile takes no other one for some
//! samples. Otherwise an anomaly teaches the series that it is ordinary.

use crate::arithmetic::{exp2_neg, log2};
use crate::stored::stored_fields;

/// Initial quantiles: those of a normal distribution.
const FIRST: (f32, f32) = (1.65, 2.6);
/// Steps up; the steps down balance them.
const STEP_COMMON: f32 = 0.02;
const STEP_RARE: f32 = 0.1;
/// The least ratio of the quantiles.
const LEAST_RATIO: f32 = 1.2;
/// The ratio that counts: fixed, and larger only in as much as the other side is shorter. In a
/// symmetric distribution a heavy tail is made by anomalies themselves.
const RATIO: f32 = 1.6;
const RATIO_IF_SKEWED: f32 = 1.2;
const SKEW: (f32, f32) = (1.25, 0.75);
/// Exponent of the ratio, for an extrapolation from 1 in 200 to 1 in a million.
const TAIL: f64 = 1.68;
/// Samples after a step up in which the rare quantile takes no other one.
const COOL_DOWN: u8 = 24;

/// The quantiles of one side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    common: f32,
    rare: f32,
    /// The extrapolation, a factor on `rare`. It is refreshed now and then.
    tail: f32,
    cooling: u8,
}

stored_fields!(Reach { common, rare, tail, cooling });

impl Default for Reach {
    fn default() -> Self {
        Self { common: FIRST.0, rare: FIRST.1, tail: tail(RATIO), cooling: 0 }
    }
}

impl Reach {
    /// The distance at which a value is out of the ordinary, before all other factors.
    pub(super) fn edge(&self) -> f64 {
        f64::from(self.rare * self.tail)
    }

    /// Learns a distance on this side; on the other side it is negative. `speed` is at least 1 for
    /// the first values, `slow` divides the steps of correlated values. `once` is for values of
    /// which an excursion counts once.
    pub(super) fn learn(&mut self, distance: f32, speed: f32, slow: f32, once: bool) {
        let common = (STEP_COMMON * speed).min(0.3) / slow;
        let rare = (STEP_RARE * speed).min(0.5) / slow;
        let waits = self.cooling > 0;
        self.cooling = self.cooling.saturating_sub(1);
        self.common *= if distance > self.common { 1.0 + common } else { 1.0 - common / 19.0 };
        if distance <= self.rare {
            self.rare *= 1.0 - rare / 199.0;
        } else if !waits {
            self.rare *= 1.0 + rare;
            self.cooling = if once { COOL_DOWN } else { 0 };
        }
        // Bounds keep the numbers normal on a series that is constant for years.
        self.common = self.common.clamp(1e-6, 1e12);
        self.rare = self.rare.clamp(LEAST_RATIO * self.common, 1e13);
    }

    /// Computes the shape of the tail again. `other` is the other side.
    pub(super) fn refresh(&mut self, other_common: f32) {
        let skew = ((self.common / other_common - SKEW.0) / SKEW.1).clamp(0.0, 1.0);
        self.tail = tail((self.rare / self.common).clamp(RATIO, RATIO + RATIO_IF_SKEWED * skew));
    }

    pub(super) fn common(&self) -> f32 {
        self.common
    }
}

fn tail(ratio: f32) -> f32 {
    // The ratio is above 1, so the logarithm is positive.
    (1.0 / exp2_neg(TAIL * log2(f64::from(ratio)))) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances with an exponential tail, deterministic and well mixed.
    fn fed(excursion: impl Fn(usize) -> bool) -> Reach {
        let mut reach = Reach::default();
        let mut state = 1u64;
        for i in 0..40_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let uniform = (state >> 40) as f32 / (1u32 << 24) as f32;
            let distance = if excursion(i) { 50.0 } else { -(1.0 - uniform).ln() };
            reach.learn(distance, 1.0, 1.0, true);
        }
        reach
    }

    #[test]
    fn quantiles_approach_those_of_the_distances() {
        let reach = fed(|_| false);
        assert!((2.5..3.6).contains(&reach.common), "{reach:?}, exactly 3.0");
        assert!((4.5..6.6).contains(&reach.rare), "{reach:?}, exactly 5.3");
    }

    #[test]
    fn a_long_excursion_counts_once() {
        let calm = fed(|_| false).edge();
        let once = fed(|i| (39_000..39_060).contains(&i)).edge();
        assert!(once < 1.6 * calm, "{once} {calm}");
    }
}
