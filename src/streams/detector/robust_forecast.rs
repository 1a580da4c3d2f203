//! `robust-forecast-1`: robust z-score, forecast residual, volatility and slope, calibrated and
//! fused.
//!
//! Deliberately absent: other series, and feedback of people.
//!
//! Defined results for unusual input:
//! - Magnitudes beyond ±1e300 are scored as ±1e300, so that no difference overflows.
//! - A constant series has a band of almost no height and scores 0. There is no scale for a value
//!   that leaves it, so the length of the record determines its score.
//! - A gap ends the trend; nothing is interpolated.
//! - A counter reset, a new unit or any other new level is one anomaly. The forecast has adopted
//!   the new level a dozen samples later.

use super::calibration::{Calibration, FEATURES};
use super::features::{FeatureState, LEAD, Observation};
use super::forecast::Forecast;
use super::score::{Detector, LARGEST, Score};
use crate::arithmetic::log2;
use crate::detector_name::DetectorName;
use crate::season::DayProfile;
use crate::settings::StreamSettings;
use crate::stored::{Stored, stored_fields};
use crate::window::{Centre, Window};
use earcon_model::{Features, Sample};

/// Volatility is calibrated between 1/32 and 32 times the usual value.
const VOLATILITY_RANGE: (f64, f64) = (1.0 / 32.0, 32.0);
/// From median absolute deviation to standard deviation, for a normal distribution.
const MAD_TO_SIGMA: f64 = 1.4826;
/// Share of the usual distance that is added to the scale, because a window of plateaus has a MAD
/// of 0.
const USUAL_SHARE: f64 = 0.3;
const USUAL_RATE: f64 = 1.0 / 1024.0;
const USUAL_OUTLIER: f64 = 64.0;

/// Scores one series. About 1.8 KB, all of it inline.
#[derive(Debug, Clone, Default)]
pub struct RobustForecast {
    state: Option<State>,
}

#[derive(Debug, Clone)]
struct State {
    /// Samples seen, saturating.
    seen: u32,
    window: Window<f64, 64>,
    forecast: Forecast<DayProfile>,
    calibration: Calibration,
    /// Mean absolute distance from the window's median, over about the last thousand samples.
    usual_distance: f64,
    feature_state: FeatureState,
}

stored_fields!(State { seen, window, forecast, calibration, usual_distance, feature_state });

impl Detector for RobustForecast {
    const VERSION: &'static str = DetectorName::RobustForecast.as_str();

    fn score(&mut self, sample: Sample, settings: &StreamSettings) -> Option<Score> {
        let value = sample.value.clamp(-LARGEST, LARGEST);
        match &mut self.state {
            Some(state) => state.push(sample.timestamp_ms, value, settings.warm_up, settings.sensitivity),
            None => {
                self.state = Some(State::starting_at(sample.timestamp_ms, value));
                None
            }
        }
    }

    fn seen(&self) -> u32 {
        self.state.as_ref().map_or(0, |state| state.seen)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.state.put(out);
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let state = Stored::read(&mut bytes)?;
        bytes.is_empty().then_some(Self { state })
    }
}

impl State {
    fn starting_at(timestamp_ms: i64, value: f64) -> Self {
        let mut window = Window::new();
        window.push(value);
        Self {
            seen: 1,
            window,
            forecast: Forecast::starting_at(timestamp_ms, value, DayProfile::starting_at(timestamp_ms)),
            calibration: Calibration::default(),
            usual_distance: 0.0,
            feature_state: FeatureState::starting_at(value),
        }
    }

    fn push(&mut self, timestamp_ms: i64, value: f64, warm_up: u32, sensitivity: f64) -> Option<Score> {
        let day = self.forecast.profile.at(timestamp_ms);
        let prediction = self.forecast.predict(timestamp_ms, day);
        let centre = self.window.centre().unwrap_or(Centre { median: value, mad: 0.0 });
        let scale = self.scale(&centre);
        let observed = Observation {
            value,
            prediction,
            usual_residual: self.forecast.usual_residual(),
            robust_z: (value - centre.median) / scale,
            scale,
            level: self.window.rank(self.window.position_of(value)),
            seen: self.seen,
        };
        let features = self.feature_state.features(&observed);
        let values = calibrated_values(&features);
        let score = (self.seen >= warm_up).then(|| {
            let (value, reason) = self.calibration.score(&values, sensitivity);
            let mut score = self.feature_state.describe(&observed, features, value, reason);
            score.rank = (value > 0.25).then(|| self.calibration.rank(&values, reason));
            score
        });
        // The scale is not known yet for the first features; they would be extreme values for a
        // long time.
        if self.seen >= warm_up / 2 {
            self.calibration.learn(&values);
        }
        self.learn(timestamp_ms, &observed, &centre);
        score
    }

    fn learn(&mut self, timestamp_ms: i64, observed: &Observation, centre: &Centre) {
        let value = observed.value;
        let distance = (value - centre.median).abs();
        let most = if self.usual_distance > 0.0 { USUAL_OUTLIER * self.usual_distance } else { f64::INFINITY };
        let rate = USUAL_RATE.max(1.0 / (f64::from(self.seen) + 1.0));
        self.usual_distance += rate * (distance.min(most) - self.usual_distance);
        let accepted = self.forecast.learn(timestamp_ms, value, &observed.prediction, self.seen);
        let interval_ms = self.forecast.interval_ms();
        self.forecast.profile.learn(timestamp_ms, accepted, interval_ms);
        self.feature_state.learn(observed, accepted);
        self.window.push(value);
        self.seen = self.seen.saturating_add(1);
    }

    /// Robust standard deviation of the window's values; above 0.
    fn scale(&self, centre: &Centre) -> f64 {
        MAD_TO_SIGMA * centre.mad + USUAL_SHARE * self.usual_distance + 1e-12 * centre.median.abs() + f64::MIN_POSITIVE
    }
}

/// The calibrated values: volatility in doublings, slope as the distance between fast and slow
/// mean.
fn calibrated_values(features: &Features) -> [f32; FEATURES] {
    let doublings = log2(f64::from(features.volatility).clamp(VOLATILITY_RANGE.0, VOLATILITY_RANGE.1));
    // Adding zero removes the sign of zeros: which zero `max` returns differs between platforms.
    [features.robust_z + 0.0, features.residual_z + 0.0, doublings as f32 + 0.0, features.slope * LEAD as f32 + 0.0]
}
