//! The features of a sample, besides its score: what its voice follows.

use crate::arithmetic::{larger, smaller};
use crate::stored::stored_fields;
use earcon_model::Features;

/// Limit of z-scores.
const MAX_Z: f64 = 1e6;
const RECENT_RATE: f64 = 1.0 / 16.0;
const USUAL_RATE: f64 = 1.0 / 1_000.0;
/// Lead of the second baseline over the third on a straight slope, in samples.
const LEAD: f64 = 72.0;
/// In the volatility, one distance counts at most this many usual ones: a spike is no change of the
/// variance.
const OUTLIER: f64 = 6.0;

/// The recent distances of a series from its baseline.
#[derive(Debug, Clone, Copy)]
pub(super) struct FeatureState {
    /// Mean absolute distance of about the last sixteen samples, and of the last thousand.
    recent: f64,
    usual: f64,
}

stored_fields!(FeatureState { recent, usual });

impl FeatureState {
    pub(super) fn new() -> Self {
        Self { recent: 0.0, usual: 0.0 }
    }

    /// The features of a value without its season. `baselines` are of increasing slowness, `z` the
    /// distances from them, and `scale` is a standard deviation.
    pub(super) fn features(&self, rest: f64, baselines: &[f64; 4], z: [f64; 4], scale: f64) -> Features {
        let sigmas = 1.0 / larger(scale, f64::MIN_POSITIVE);
        let slow = (rest - baselines[2]) * sigmas;
        let bounded = |number: f64| number.clamp(-MAX_Z, MAX_Z) as f32;
        Features {
            robust_z: bounded(slow),
            residual_z: bounded(z[0]),
            volatility: if self.usual > 0.0 { (self.recent / self.usual) as f32 } else { 1.0 },
            slope: bounded((baselines[1] - baselines[2]) * sigmas / LEAD),
            level: (0.5 + 0.5 * slow / (1.0 + slow.abs())).clamp(0.0, 1.0) as f32,
        }
    }

    pub(super) fn learn(&mut self, distance: f64, early: f64) {
        let distance = distance.abs();
        let counted = if self.usual > 0.0 { smaller(distance, OUTLIER * self.usual) } else { distance };
        self.recent += larger(RECENT_RATE, early) * (counted - self.recent);
        self.usual += larger(USUAL_RATE, early) * (counted - self.usual);
    }
}
