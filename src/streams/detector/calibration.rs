//! Combines feature values into one score: each feature is calibrated by its own past, then they
//! are fused.
//!
//! A feature counts only as far as it is *both* unusual for this series (tail rank) *and* large on
//! an absolute scale (the gates below). The rank alone would alert on the largest of any ten
//! thousand harmless values. The size alone would alert permanently on a series with heavy tails.

use super::super::arithmetic::exp2_neg;
use super::super::stored::stored_fields;
use super::super::tail::{Blocks, Tail};
use earcon_model::{Feature, Rank};

/// Number of calibrated features.
pub(super) const FEATURES: usize = 4;
/// Root mean square of the features' decades that scores 0.5 at sensitivity 1.
const ALERT_DECADES: f64 = 2.6;
/// The features in the order of the arrays here.
const NAMES: [Feature; FEATURES] = [Feature::RobustZ, Feature::ResidualZ, Feature::Volatility, Feature::Slope];
/// A feature's value does not count below the first bound and counts in full above the second.
/// Units: standard deviations, standard deviations, doublings, standard deviations between fast and
/// slow mean.
const GATES: [(f32, f32); FEATURES] = [(2.5, 5.0), (2.5, 5.0), (0.6, 1.6), (0.4, 1.2)];

/// The records of all features, both sides of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Calibration {
    upper: [Tail; FEATURES],
    lower: [Tail; FEATURES],
    blocks: Blocks,
}

stored_fields!(Calibration { upper, lower, blocks });

impl Calibration {
    /// The score of the values, and the feature that contributed most.
    pub(super) fn score(&self, values: &[f32; FEATURES], sensitivity: f64) -> (f32, Feature) {
        let mut sum = 0.0;
        let mut most = (-1.0, NAMES[0]);
        for (i, &value) in values.iter().enumerate() {
            let (low, full) = GATES[i];
            let gate = f64::from(((value.abs() - low) / (full - low)).clamp(0.0, 1.0));
            let surprise = match value > 0.0 {
                _ if gate == 0.0 => 0.0,
                true => gate * self.upper[i].surprise(value, self.blocks),
                false => gate * self.lower[i].surprise(-value, self.blocks),
            };
            sum += surprise * surprise;
            if surprise > most.0 {
                most = (surprise, NAMES[i]);
            }
        }
        let decades = (sum / FEATURES as f64).sqrt() * sensitivity;
        let ratio = decades / ALERT_DECADES;
        ((1.0 - exp2_neg(ratio * ratio)) as f32, most.1)
    }

    /// The tail rank of a feature's value.
    pub(super) fn rank(&self, values: &[f32; FEATURES], feature: Feature) -> Rank {
        let position = NAMES.iter().position(|name| *name == feature).unwrap_or(0);
        let value = values[position];
        let tail = if value > 0.0 { &self.upper[position] } else { &self.lower[position] };
        tail.rank(value.abs(), self.blocks)
    }

    /// Adds the values to the records.
    pub(super) fn learn(&mut self, values: &[f32; FEATURES]) {
        let turn = self.blocks.advance();
        for (i, &value) in values.iter().enumerate() {
            self.upper[i].insert(value, turn);
            self.lower[i].insert(0.0 - value, turn);
        }
    }
}
