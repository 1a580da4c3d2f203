//! `robust-forecast-1`: robust z-score, forecast residual, volatility and slope, calibrated by tail rank and fused.
//!
//! Deliberately absent: anything that looks at other series, and any memory of what people said about an alert.
//!
//! Defined results for odd input:
//! * Magnitudes beyond ±1e300 are scored as if they were ±1e300, so that no difference overflows.
//! * A constant series has a band of (almost) no height and scores 0; what leaves it scores by the length of the record,
//!   because there is no scale to say how far it left.
//! * A gap ends the trend; nothing is interpolated.
//! * A counter reset, a new unit or any other new level is one anomaly; the forecast has adopted it a dozen samples later.

use super::calibration::{Calibration, FEATURES};
use super::forecast::{Forecast, Outlook};
use super::{Detector, Judgement, Verdict};
use crate::model::{Direction, Feature, Features, Sample};
use crate::streams::arithmetic::log2;
use crate::streams::stored::{Stored, stored_fields};
use crate::streams::window::{Centre, Window};

/// Beyond this, values are scored as if they were this: sums of a few of them stay finite.
const LARGEST: f64 = 1e300;
/// Half the height of the band, in standard deviations of the residual.
const BAND: f64 = 3.0;
/// No z-score goes beyond this.
const MAX_Z: f64 = 1e6;
/// Volatility is calibrated within 32 times less and 32 times more than usual.
const VOLATILITY_RANGE: (f64, f64) = (1.0 / 32.0, 32.0);
/// From median absolute deviation to standard deviation, for a normal distribution.
const MAD_TO_SIGMA: f64 = 1.4826;
/// Share of the usual distance from the median that is added to the scale: a window of plateaus has a MAD of 0.
const USUAL_SHARE: f64 = 0.3;
const USUAL_RATE: f64 = 1.0 / 1024.0;
const USUAL_OUTLIER: f64 = 64.0;
const RECENT_RATE: f64 = 1.0 / 16.0;
/// One residual counts at most this many usual ones in the recent restlessness: a spike is no change of variance.
const RECENT_OUTLIER: f64 = 6.0;
const FAST_RATE: f64 = 1.0 / 8.0;
const SLOW_RATE: f64 = 1.0 / 32.0;
/// How many samples the fast mean is ahead of the slow one on a straight slope: (1/slow − 1) − (1/fast − 1).
const LEAD: f64 = 24.0;

/// Scores one series. About 1.8 KB, all of it inline.
#[derive(Debug, Clone)]
pub struct RobustForecast {
    warm_up: u32,
    sensitivity: f64,
    state: Option<State>,
}

#[derive(Debug, Clone)]
struct State {
    /// Samples seen, saturating.
    seen: u32,
    window: Window,
    forecast: Forecast,
    calibration: Calibration,
    /// Mean absolute distance from the window's median, over about the last thousand samples.
    usual_distance: f64,
    /// Mean absolute residual of about the last sixteen samples.
    recent_residual: f64,
    fast_mean: f64,
    slow_mean: f64,
    /// No value was below zero so far, so the band shall not be either.
    never_negative: bool,
}

stored_fields!(State {
    seen,
    window,
    forecast,
    calibration,
    usual_distance,
    recent_residual,
    fast_mean,
    slow_mean,
    never_negative,
});

impl Detector for RobustForecast {
    const VERSION: &'static str = "robust-forecast-1";

    fn new(warm_up: u32, sensitivity: f64) -> Self {
        Self { warm_up, sensitivity, state: None }
    }

    fn push(&mut self, sample: Sample) -> Verdict {
        let value = sample.value.clamp(-LARGEST, LARGEST);
        let judgement = match &mut self.state {
            Some(state) => state.push(sample.timestamp_ms, value, self.warm_up, self.sensitivity),
            None => {
                self.state = Some(State::starting_at(sample.timestamp_ms, value));
                None
            }
        };
        Verdict { judgement }
    }

    fn seen(&self) -> u32 {
        self.state.as_ref().map_or(0, |state| state.seen)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.state.put(out);
    }

    fn decode(mut bytes: &[u8], warm_up: u32, sensitivity: f64) -> Option<Self> {
        let state = Stored::read(&mut bytes)?;
        bytes.is_empty().then_some(Self { warm_up, sensitivity, state })
    }
}

impl State {
    fn starting_at(timestamp_ms: i64, value: f64) -> Self {
        let mut window = Window::new();
        window.push(value);
        Self {
            seen: 1,
            window,
            forecast: Forecast::starting_at(timestamp_ms, value),
            calibration: Calibration::default(),
            usual_distance: 0.0,
            recent_residual: 0.0,
            fast_mean: value,
            slow_mean: value,
            never_negative: value >= 0.0,
        }
    }

    fn push(&mut self, timestamp_ms: i64, value: f64, warm_up: u32, sensitivity: f64) -> Option<Judgement> {
        let outlook = self.forecast.outlook(timestamp_ms);
        let features = self.measure(value, &outlook);
        let values = calibrated_values(&features);
        let judgement = (self.seen >= warm_up).then(|| {
            let (score, reason) = self.calibration.judge(&values, sensitivity);
            self.describe(value, &outlook, features, score, reason)
        });
        // The first features speak of a scale that is not known yet; they would be records for a long time.
        if self.seen >= warm_up / 2 {
            self.calibration.learn(&values);
        }
        self.learn(timestamp_ms, value, &outlook);
        judgement
    }

    /// The features of a value, before anything is learned from it.
    fn measure(&self, value: f64, outlook: &Outlook) -> Features {
        let centre = self.window.centre().unwrap_or(Centre { median: value, mad: 0.0 });
        let scale = self.scale(&centre);
        let residual = value - outlook.expected;
        let usual = self.forecast.usual_residual();
        let recent = self.recent_with(residual.abs(), usual);
        let slope = (self.fast_mean - self.slow_mean) / LEAD / scale;
        Features {
            robust_z: ((value - centre.median) / scale).clamp(-MAX_Z, MAX_Z) as f32,
            residual_z: (residual / outlook.sigma).clamp(-MAX_Z, MAX_Z) as f32,
            volatility: if usual > 0.0 { (recent / usual) as f32 } else { 1.0 },
            slope: slope.clamp(-MAX_Z, MAX_Z) as f32,
            level: self.window.rank(value) as f32,
        }
    }

    fn learn(&mut self, timestamp_ms: i64, value: f64, outlook: &Outlook) {
        let usual = self.forecast.usual_residual();
        let residual = (value - outlook.expected).abs();
        self.recent_residual = self.recent_with(residual, usual);
        if let Some(centre) = self.window.centre() {
            let distance = (value - centre.median).abs();
            let most = if self.usual_distance > 0.0 { USUAL_OUTLIER * self.usual_distance } else { f64::INFINITY };
            let rate = USUAL_RATE.max(1.0 / (f64::from(self.seen) + 1.0));
            self.usual_distance += rate * (distance.min(most) - self.usual_distance);
        }
        let accepted = self.forecast.learn(timestamp_ms, value, outlook, self.seen);
        self.fast_mean += FAST_RATE * (accepted - self.fast_mean);
        self.slow_mean += SLOW_RATE * (accepted - self.slow_mean);
        self.window.push(value);
        self.never_negative &= value >= 0.0;
        self.seen = self.seen.saturating_add(1);
    }

    /// Standard deviation of the window's values, robustly; above 0.
    fn scale(&self, centre: &Centre) -> f64 {
        MAD_TO_SIGMA * centre.mad + USUAL_SHARE * self.usual_distance + 1e-12 * centre.median.abs() + f64::MIN_POSITIVE
    }

    fn recent_with(&self, residual: f64, usual: f64) -> f64 {
        let rate = RECENT_RATE.max(1.0 / (f64::from(self.seen) + 1.0));
        self.recent_residual + rate * (residual.min(RECENT_OUTLIER * usual) - self.recent_residual)
    }

    fn describe(&self, value: f64, outlook: &Outlook, features: Features, score: f32, reason: Feature) -> Judgement {
        let floor = if self.never_negative { 0.0 } else { f64::NEG_INFINITY };
        let expected = unsigned_zero(outlook.expected.max(floor));
        let reach = BAND * outlook.sigma;
        let still = reason == Feature::Volatility && features.volatility < 1.0;
        let direction = if value > expected && !still { Direction::Above } else { Direction::Below };
        let (lower, upper) = (unsigned_zero((expected - reach).max(floor)), expected + reach);
        Judgement { score, expected, lower, upper, features, direction, reason }
    }
}

/// What is calibrated: volatility in doublings, slope as the distance between the fast and the slow mean.
fn calibrated_values(features: &Features) -> [f32; FEATURES] {
    let doublings = log2(f64::from(features.volatility).clamp(VOLATILITY_RANGE.0, VOLATILITY_RANGE.1));
    // Adding zero takes the sign off zeros, see `unsigned_zero`.
    [features.robust_z + 0.0, features.residual_z + 0.0, doublings as f32 + 0.0, features.slope * LEAD as f32 + 0.0]
}

/// `f64::max` may return either zero, and which one differs between platforms; the sum has no sign.
fn unsigned_zero(value: f64) -> f64 {
    value + 0.0
}
