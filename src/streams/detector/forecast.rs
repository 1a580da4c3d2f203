//! Forecasts the next value: level and trend, plus the daily profile where it helps.
//!
//! Two exponential smoothers run side by side (Holt 1957, damped trend after Gardner & McKenzie
//! 1985). One follows the values, the other the values minus the daily profile `P`. The one with
//! the smaller recent error gives the prediction, so a profile of noise does not harm a series
//! without a daily rhythm.
//!
//! Outliers have a limited effect on level, trend and spread (Gelper, Fried & Croux 2010, *Robust
//! forecasting with exponential and Holt–Winters smoothing*). After a few outliers in a row on the
//! same side the limit on the level is lifted: that is a new level, not an outlier.

use crate::cadence::Interval;
use crate::stored::{Stored, stored_fields};

const LEVEL_RATE: f64 = 0.2;
const TREND_RATE: f64 = 0.02;
const TREND_DAMPING: f64 = 0.98;
const SPREAD_RATE: f64 = 0.03;
/// Rate of the slow spread, which remembers movement across plateaus.
const USUAL_RATE: f64 = 1.0 / 1024.0;
const ERROR_RATE: f64 = 1.0 / 128.0;
/// Residuals beyond this many spreads are outliers and are clamped to it.
const OUTLIER: f64 = 4.0;
/// Outliers in a row on one side after which the next one is a new level.
const NEW_LEVEL_AFTER: u8 = 4;
/// Rate at which a new level is learned.
const NEW_LEVEL_RATE: f64 = 0.5;
/// The first samples are not limited, because there is no spread yet that could define an outlier.
const UNLIMITED_UNTIL: u32 = 8;
/// Limit of one residual in the slow spread, in units of that spread.
const USUAL_OUTLIER: f64 = 64.0;
/// Minimum spread as a share of the slow spread. Otherwise the next ordinary step after a plateau
/// would be an outlier.
const USUAL_SHARE: f64 = 0.5;
/// Assumed relative accuracy of a value.
const ROUNDING: f64 = 1e-12;
/// From mean absolute deviation to standard deviation, for a normal distribution.
const MEAN_TO_SIGMA: f64 = 1.2533;
/// After a pause of this many intervals the trend is not continued.
const GAP: f64 = 4.0;

/// Level and damped trend of one sequence.
#[derive(Debug, Clone, Copy, Default)]
struct Smoother {
    level: f64,
    trend: f64,
    /// Slow mean of the absolute error.
    error: f64,
}

stored_fields!(Smoother { level, trend, error });

impl Smoother {
    fn next(&self) -> f64 {
        self.level + self.trend
    }

    /// Adds a residual. The level follows it up to `limit`, trend and error up to `cut`: the jump
    /// to a new level is no trend.
    fn learn(&mut self, residual: f64, limit: f64, cut: f64, rate: f64, error_rate: f64) {
        self.level = self.next() + rate * residual.clamp(-limit, limit);
        self.trend = TREND_DAMPING * self.trend + TREND_RATE * residual.clamp(-cut, cut);
        self.error += error_rate * (residual.abs().min(cut) - self.error);
    }
}

/// The prediction for the next sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prediction {
    /// The value, in the KPI's unit.
    pub(super) expected: f64,
    /// Expected standard deviation of the residual; above 0.
    pub(super) sigma: f64,
    plain: f64,
    seasonal: Option<f64>,
}

/// Forecasts one series. The owner keeps the daily profile `P` and passes in its value for a time.
#[derive(Debug, Clone)]
pub(super) struct Forecast<P> {
    plain: Smoother,
    seasonal: Smoother,
    pub(super) profile: P,
    interval: Interval,
    last_timestamp_ms: i64,
    /// Recent mean absolute residual.
    spread: f64,
    /// Long-term mean absolute residual.
    usual: f64,
    /// Outliers in a row above (positive) or below (negative).
    run: i8,
    /// The seasonal smoother has been started.
    season_known: bool,
    /// The seasonal smoother gives the prediction.
    season_speaks: bool,
}

impl<P: Stored> Stored for Forecast<P> {
    fn put(&self, out: &mut Vec<u8>) {
        self.plain.put(out);
        self.seasonal.put(out);
        self.profile.put(out);
        self.interval.put(out);
        self.last_timestamp_ms.put(out);
        [self.spread, self.usual].put(out);
        self.run.put(out);
        self.season_known.put(out);
        self.season_speaks.put(out);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let (plain, seasonal, profile) = (Stored::read(from)?, Stored::read(from)?, Stored::read(from)?);
        let (interval, last_timestamp_ms) = (Stored::read(from)?, Stored::read(from)?);
        let [spread, usual] = Stored::read(from)?;
        let (run, season_known, season_speaks) = (Stored::read(from)?, Stored::read(from)?, Stored::read(from)?);
        Some(Self {
            plain,
            seasonal,
            profile,
            interval,
            last_timestamp_ms,
            spread,
            usual,
            run,
            season_known,
            season_speaks,
        })
    }
}

impl<P> Forecast<P> {
    /// Starts at the first sample.
    pub(super) fn starting_at(timestamp_ms: i64, value: f64, profile: P) -> Self {
        Self {
            plain: Smoother { level: value, ..Smoother::default() },
            seasonal: Smoother::default(),
            profile,
            interval: Interval::default(),
            last_timestamp_ms: timestamp_ms,
            spread: 0.0,
            usual: 0.0,
            run: 0,
            season_known: false,
            season_speaks: false,
        }
    }

    /// The prediction for a time after the last sample, whose usual value is `profile`. Ends a
    /// trend that a gap has interrupted.
    pub(super) fn predict(&mut self, timestamp_ms: i64, profile: Option<f64>) -> Prediction {
        let pause = timestamp_ms.saturating_sub(self.last_timestamp_ms) as f64;
        if self.interval.ms > 0.0 && pause > GAP * self.interval.ms {
            self.plain.trend = 0.0;
            self.seasonal.trend = 0.0;
        }
        let plain = self.plain.next();
        if let (Some(day), false) = (profile, self.season_known) {
            self.season_known = true;
            self.seasonal = Smoother { level: plain - day, trend: 0.0, error: self.plain.error };
        }
        let seasonal = profile.map(|day| day + self.seasonal.next());
        let expected = match seasonal {
            Some(seasonal) if self.season_speaks => seasonal,
            _ => plain,
        };
        Prediction { expected, sigma: self.sigma(expected), plain, seasonal }
    }

    /// Learns the `n`th sample after the first. Returns its value without the outlier part.
    pub(super) fn learn(&mut self, timestamp_ms: i64, value: f64, prediction: &Prediction, n: u32) -> f64 {
        let early = 1.0 / (f64::from(n) + 1.0);
        let cut = if n < UNLIMITED_UNTIL { f64::INFINITY } else { OUTLIER * prediction.sigma };
        let residual = value - prediction.expected;
        self.count_run(residual, OUTLIER * prediction.sigma);
        let new_level = self.run.unsigned_abs() > NEW_LEVEL_AFTER;
        let limit = if new_level { f64::INFINITY } else { cut };
        let rate = if new_level { NEW_LEVEL_RATE } else { LEVEL_RATE.max(early) };

        let error_rate = ERROR_RATE.max(early);
        self.plain.learn(value - prediction.plain, limit, cut, rate, error_rate);
        if let Some(seasonal) = prediction.seasonal {
            self.seasonal.learn(value - seasonal, limit, cut, rate, error_rate);
            self.choose();
        }
        self.learn_spread(residual.abs(), cut, early);
        self.interval.learn(timestamp_ms.saturating_sub(self.last_timestamp_ms));
        self.last_timestamp_ms = timestamp_ms;
        prediction.expected + residual.clamp(-limit, limit)
    }

    /// Usual time between samples in milliseconds; 0 after a single sample.
    pub(super) fn interval_ms(&self) -> f64 {
        self.interval.ms
    }

    /// Mean absolute residual over about the last thousand samples; 0 while all predictions were
    /// exact.
    pub(super) fn usual_residual(&self) -> f64 {
        self.usual
    }

    /// Never 0, so that a constant series has a band and a divisor.
    fn sigma(&self, expected: f64) -> f64 {
        let spread = self.spread.max(USUAL_SHARE * self.usual);
        MEAN_TO_SIGMA * spread + ROUNDING * expected.abs() + f64::MIN_POSITIVE
    }

    fn count_run(&mut self, residual: f64, outlier: f64) {
        self.run = if residual > outlier {
            self.run.max(0).saturating_add(1)
        } else if residual < -outlier {
            self.run.min(0).saturating_sub(1)
        } else {
            0
        };
    }

    fn choose(&mut self) {
        let (seasonal, plain) = (self.seasonal.error, self.plain.error);
        // A margin, so that two equally good smoothers do not take turns.
        self.season_speaks = if self.season_speaks { seasonal <= plain } else { seasonal < 0.95 * plain };
    }

    fn learn_spread(&mut self, residual: f64, cut: f64, early: f64) {
        self.spread += SPREAD_RATE.max(early) * (residual.min(cut) - self.spread);
        let most = if self.usual > 0.0 { USUAL_OUTLIER * self.usual } else { f64::INFINITY };
        self.usual += USUAL_RATE.max(early) * (residual.min(most) - self.usual);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::season::DayProfile;

    const HOUR: i64 = 3_600_000;

    /// Feeds values every hour from 1970 on and returns the forecast with the last sample's number.
    fn fed(values: impl IntoIterator<Item = f64>) -> (Forecast<DayProfile>, u32) {
        let mut values = values.into_iter();
        let mut forecast = Forecast::starting_at(0, values.next().unwrap(), DayProfile::starting_at(0));
        let mut n = 0;
        for value in values {
            n += 1;
            let at = i64::from(n) * HOUR;
            let prediction = at_time(&mut forecast, at);
            let accepted = forecast.learn(at, value, &prediction, n);
            let interval_ms = forecast.interval_ms();
            forecast.profile.learn(at, accepted, interval_ms);
        }
        (forecast, n)
    }

    fn at_time(forecast: &mut Forecast<DayProfile>, at: i64) -> Prediction {
        let usual = forecast.profile.at(at);
        forecast.predict(at, usual)
    }

    fn next(forecast: &mut Forecast<DayProfile>, n: u32) -> Prediction {
        at_time(forecast, i64::from(n + 1) * HOUR)
    }

    /// Deterministic noise in -0.5..0.5.
    fn jitter(i: u32) -> f64 {
        f64::from(i.wrapping_mul(2_654_435_761) >> 8) / f64::from(1u32 << 24) - 0.5
    }

    #[test]
    fn follows_a_ramp_without_lagging() {
        let (mut forecast, n) = fed((0..300).map(f64::from));
        assert!((next(&mut forecast, n).expected - 300.0).abs() < 1.0);
    }

    #[test]
    fn one_outlier_moves_neither_level_nor_spread_much() {
        let (mut forecast, n) = fed((0..500).map(jitter));
        let before = next(&mut forecast, n);
        forecast.learn(i64::from(n + 1) * HOUR, 1e6, &before, n + 1);
        let after = next(&mut forecast, n + 1);
        assert!((after.expected - before.expected).abs() < 1.5 * before.sigma, "{before:?} {after:?}");
        assert!(after.sigma < 1.2 * before.sigma);
    }

    #[test]
    fn a_new_level_is_adopted_within_a_dozen_samples() {
        let (mut forecast, n) = fed((0..500).map(jitter).chain((0..14).map(|i| 1e6 + jitter(i))));
        let prediction = next(&mut forecast, n);
        assert!((prediction.expected - 1e6).abs() < 1e4, "{prediction:?}");
    }

    #[test]
    fn daily_profile_is_used_where_it_helps() {
        let day = |i: u32| if i % 24 < 12 { 100.0 } else { 0.0 };
        let (mut forecast, n) = fed((0..24 * 14).map(|i| day(i) + jitter(i)));
        assert!(forecast.season_speaks);
        let prediction = next(&mut forecast, n);
        assert!((prediction.expected - 100.0).abs() < 5.0, "the step at midnight is predicted: {prediction:?}");
    }

    #[test]
    fn daily_profile_is_not_used_without_a_daily_rhythm() {
        let (forecast, _) = fed((0..24 * 30).map(jitter));
        assert!(!forecast.season_speaks);
    }

    #[test]
    fn a_gap_ends_the_trend() {
        let (mut forecast, n) = fed((0..300).map(f64::from));
        let at = i64::from(n + 50) * HOUR;
        assert!(at_time(&mut forecast, at).expected < 299.5);
    }
}
