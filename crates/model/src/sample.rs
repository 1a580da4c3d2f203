//! One measurement, and its score.

use serde::{Deserialize, Serialize};

/// One measurement of one series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Milliseconds since the Unix epoch, UTC.
    pub timestamp_ms: i64,
    /// The measured value. Admission rejects values that are not finite.
    pub value: f64,
}

/// A sample with its score and its band.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoredSample {
    /// Milliseconds since the Unix epoch, UTC.
    pub timestamp_ms: i64,
    /// The measured value.
    pub value: f64,
    /// Calibrated surprise, 0 (ordinary) to 1 (never seen); `None` while warming up.
    pub score: Option<f32>,
    /// The forecast before the value was seen, in the KPI's unit; NaN while warming up.
    pub expected: f64,
    /// Lower edge of the band of ordinary values; NaN while warming up.
    pub lower: f64,
    /// Upper edge of the band of ordinary values; NaN while warming up.
    pub upper: f64,
}

impl ScoredSample {
    /// Whether the value is outside of its band. Exactly these samples are anomalous.
    pub fn is_outside(&self) -> bool {
        self.value < self.lower || self.value > self.upper
    }
}

/// The feature values behind the last score of a series; they also drive its voice.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Features {
    /// Distance from the level of the last hundred samples, in standard deviations.
    pub robust_z: f32,
    /// Distance from the expected value in standard deviations.
    pub residual_z: f32,
    /// Distances of recent values relative to their usual size; 1 is usual.
    pub volatility: f32,
    /// Trend per sample, in standard deviations of the series.
    pub slope: f32,
    /// Height of the value among recent ones: 0 far below, 0.5 in the middle, 1 far above.
    pub level: f32,
}
