//! The features and the band that people see of a series, besides its score.

use super::forecast::Prediction;
use super::score::Score;
use crate::stored::stored_fields;
use earcon_model::{Direction, Feature, Features};

/// Half the height of the band, in standard deviations of the residual.
const BAND: f64 = 3.0;
/// Limit of z-scores.
const MAX_Z: f64 = 1e6;
const RECENT_RATE: f64 = 1.0 / 16.0;
/// In the recent volatility, one residual counts at most this many usual ones: a spike is no change
/// of the variance.
const RECENT_OUTLIER: f64 = 6.0;
const FAST_RATE: f64 = 1.0 / 8.0;
const SLOW_RATE: f64 = 1.0 / 32.0;
/// Lead of the fast mean over the slow one on a straight slope, in samples: (1/slow − 1) − (1/fast
/// − 1).
pub(super) const LEAD: f64 = 24.0;

/// The recent behaviour of a series.
#[derive(Debug, Clone, Copy)]
pub(super) struct FeatureState {
    /// Mean absolute residual of about the last sixteen samples.
    recent_residual: f64,
    fast_mean: f64,
    slow_mean: f64,
    /// No value was negative so far, so the band is not negative either.
    never_negative: bool,
}

stored_fields!(FeatureState { recent_residual, fast_mean, slow_mean, never_negative });

/// A value with its prediction, and its position relative to recent values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observation {
    pub(super) value: f64,
    pub(super) prediction: Prediction,
    /// Long-term mean absolute residual.
    pub(super) usual_residual: f64,
    /// Distance from the median of recent values, in robust standard deviations (`scale`).
    pub(super) robust_z: f64,
    pub(super) scale: f64,
    /// Rank among recent values, 0 to 1.
    pub(super) level: f64,
    /// Samples seen before it.
    pub(super) seen: u32,
}

impl FeatureState {
    pub(super) fn starting_at(value: f64) -> Self {
        Self { recent_residual: 0.0, fast_mean: value, slow_mean: value, never_negative: value >= 0.0 }
    }

    /// The features of a value, before the value is learned.
    pub(super) fn features(&self, observed: &Observation) -> Features {
        let residual = observed.value - observed.prediction.expected;
        let recent = self.recent_with(observed);
        let usual = observed.usual_residual;
        let slope = (self.fast_mean - self.slow_mean) / LEAD / observed.scale;
        Features {
            robust_z: observed.robust_z.clamp(-MAX_Z, MAX_Z) as f32,
            residual_z: (residual / observed.prediction.sigma).clamp(-MAX_Z, MAX_Z) as f32,
            volatility: if usual > 0.0 { (recent / usual) as f32 } else { 1.0 },
            slope: slope.clamp(-MAX_Z, MAX_Z) as f32,
            level: observed.level as f32,
        }
    }

    /// Learns from a value. `accepted` is the value after the forecast has cut its outlier part.
    pub(super) fn learn(&mut self, observed: &Observation, accepted: f64) {
        self.recent_residual = self.recent_with(observed);
        self.fast_mean += FAST_RATE * (accepted - self.fast_mean);
        self.slow_mean += SLOW_RATE * (accepted - self.slow_mean);
        self.never_negative &= observed.value >= 0.0;
    }

    /// Completes a score with band and direction.
    pub(super) fn describe(&self, observed: &Observation, features: Features, score: f32, reason: Feature) -> Score {
        let Observation { value, prediction, .. } = observed;
        let floor = if self.never_negative { 0.0 } else { f64::NEG_INFINITY };
        let expected = unsigned_zero(prediction.expected.max(floor));
        let reach = BAND * prediction.sigma;
        let flat = reason == Feature::Volatility && features.volatility < 1.0;
        let direction = if *value > expected && !flat { Direction::Above } else { Direction::Below };
        let (lower, upper) = (unsigned_zero((expected - reach).max(floor)), expected + reach);
        Score { value: score, expected, lower, upper, features, direction, reason, rank: None }
    }

    fn recent_with(&self, observed: &Observation) -> f64 {
        let residual = (observed.value - observed.prediction.expected).abs();
        let rate = RECENT_RATE.max(1.0 / (f64::from(observed.seen) + 1.0));
        self.recent_residual + rate * (residual.min(RECENT_OUTLIER * observed.usual_residual) - self.recent_residual)
    }
}

/// `f64::max` may return either zero, depending on the platform. The sum has no negative sign.
fn unsigned_zero(value: f64) -> f64 {
    value + 0.0
}
