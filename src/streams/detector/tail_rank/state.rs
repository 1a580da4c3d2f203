//! The state of one series: derives the streams' values and combines their surprises.

use super::band::Band;
use super::calendar::Calendar;
use super::flatline::Flatline;
use super::measures::{MEDIAN_OF, deviation, mean_move, short_median};
use super::quantize::{decode, encode};
use super::ranks::{Ranks, Thinned};
use super::scale::Scales;
use super::scaling::{self, Scaling};
use super::tails::{STREAMS, TAKEN_FROM, Tails};
use crate::arithmetic::{LOG10_OF_2, log2};
use crate::detector::features::{FeatureState, Observation};
use crate::detector::forecast::Forecast;
use crate::detector::score::{LARGEST, Score};
use crate::settings::StreamSettings;
use crate::stored::stored_fields;
use crate::surprise::score_of;
use crate::window::{Centre, Position, Window};
use earcon_model::Feature;

/// Window of the robust distance, and the values needed to begin.
const WINDOW: usize = 144;
const WINDOW_NEEDED: usize = 36;
/// From median absolute deviation to standard deviation, for a normal distribution.
const MAD_TO_SIGMA: f64 = 1.4826;
/// Share of the usual distance that is added to the scale, because a window of plateaus has a MAD
/// of 0.
const USUAL_SHARE: f64 = 0.3;
/// Samples in the mean of the usual distance.
const USUAL_MEMORY: u32 = 5_000;
/// Values for spread, volatility and short median.
const SPREAD_OF: usize = 96;
const MOVES_OF: usize = 48;
/// Samples needed before values are winsorised for the spread.
const QUARTILES_NEEDED: u32 = 30;
/// Below this number of samples a surprise counts more, because records are short.
const SHORT_UNTIL: u32 = 900;
/// The streams of residuals to the hour of the day.
const OF_THE_DAY: [usize; 2] = [1, 6];
/// Standard deviations from which a surprise counts in full. Below, it loses decades for each
/// halving.
const FULL_DISTANCE: f64 = 6.5;
const LOST_A_DOUBLING: f64 = 1.5;
/// Surprise in decades that is worth an alert, at sensitivity 1.
const ALERT: f64 = 2.2;
/// Rate of the mean surprise, and the share of it that is added.
const MEAN_RATE: f64 = 0.1;
const MEAN_SHARE: f64 = 0.2;
const HOUR_MS: i64 = 3_600_000;

/// The features named as reasons, in the order of the streams.
const NAMES: [Feature; STREAMS] = [
    Feature::RobustZ,
    Feature::ResidualZ,
    Feature::RobustZ,
    Feature::Slope,
    Feature::Volatility,
    Feature::Volatility,
    Feature::ResidualZ,
    Feature::Volatility,
    Feature::Slope,
    Feature::ResidualZ,
];

/// The state of the detector for one series.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Samples seen, saturating.
    pub(super) seen: u32,
    scaling: Scaling,
    /// Mean distance from the median of the window.
    usual_distance: f32,
    /// Recent mean surprise.
    mean_surprise: f64,
    /// Samples seen when an hour of the day came again for the first time.
    returned_at: Option<u32>,
    window: Window<f32, WINDOW>,
    thinned: Thinned,
    ranks: Ranks,
    tails: Tails,
    scales: Scales,
    band: Band,
    flatline: Flatline,
    forecast: Forecast<Calendar>,
    feature_state: FeatureState,
}

stored_fields!(State {
    seen,
    scaling,
    usual_distance,
    mean_surprise,
    returned_at,
    window,
    thinned,
    ranks,
    tails,
    scales,
    band,
    flatline,
    forecast,
    feature_state,
});

/// A scaled value relative to the window.
struct Relative {
    /// Distance from the median, in units of `scale`.
    robust_z: f64,
    /// Robust standard deviation of the window, scaled; above 0.
    scale: f64,
    position: Position,
    /// Rank in the window, 0 to 1.
    level: f64,
}

/// The values derived from one sample.
struct StreamValues {
    /// The values of the ten streams.
    values: [f32; STREAMS],
    /// Distance beyond the band of the series; 1 is the edge.
    out_of_band: f64,
    /// Length of the flatline, likewise; 1 is the edge.
    flat: f64,
}

impl State {
    /// Before the first sample, which is `value`.
    pub(super) fn starting_at(timestamp_ms: i64, value: f64) -> Self {
        Self {
            seen: 0,
            scaling: Scaling::starting_at(value),
            usual_distance: 0.0,
            mean_surprise: 0.0,
            returned_at: None,
            window: Window::new(),
            thinned: Thinned::new(),
            ranks: Ranks::new(),
            tails: Tails::new(),
            scales: Scales::new(),
            band: Band::new(),
            flatline: Flatline::default(),
            forecast: Forecast::starting_at(timestamp_ms, value, Calendar::new()),
            feature_state: FeatureState::starting_at(value),
        }
    }

    pub(super) fn push(&mut self, timestamp_ms: i64, value: f64, settings: &StreamSettings) -> Option<Score> {
        let local_ms = settings.utc_offsets.local_ms(timestamp_ms);
        let x = self.scaling.scaled(value);
        let centre = self.window.centre().unwrap_or(Centre { median: f64::from(x), mad: 0.0 });
        let relative = self.relative(x, &centre);
        let observed = self.observe(timestamp_ms, local_ms, value, &relative);

        let StreamValues { values, out_of_band, flat } = self.derive(local_ms, x, &relative, &centre);
        let codes = values.map(encode);
        let surprises = self.tails.surprises(&codes);
        let seen = self.seen_by_stream();
        // Most samples have no surprise, and then their distance does not matter.
        let distance = if surprises.squares > 0.0 { self.scales.farthest(&values, &seen) } else { 0.0 };
        self.scales.learn(&values, &seen);
        let tail_surprise = self.combine(surprises.squares, f64::from(distance)) / ALERT;
        let score = (self.seen >= settings.warm_up).then(|| {
            let (surprise, reason) = [
                (tail_surprise, NAMES[surprises.most.0]),
                (out_of_band, Feature::ResidualZ),
                (flat, Feature::Volatility),
            ]
            .into_iter()
            .fold((0.0, NAMES[0]), |most, one| if one.0 > most.0 { one } else { most });
            let value = score_of(surprise * settings.sensitivity);
            let features = self.feature_state.features(&observed);
            let mut score = self.feature_state.describe(&observed, features, value, reason);
            // Only a surprise in the tails has a rank there.
            let in_tails = value > 0.25 && surprises.squares > 0.0 && reason == NAMES[surprises.most.0];
            score.rank = in_tails.then(|| self.tails.rank(&surprises, &codes));
            score
        });

        let accepted = self.forecast.learn(timestamp_ms, value, &observed.prediction, self.seen);
        self.feature_state.learn(&observed, accepted);
        self.seen = self.seen.saturating_add(1);
        if self.tails.learn(&codes) {
            self.thinned.refresh();
            self.fit();
        }
        score
    }

    /// A scaled value relative to the window, whose centre is `centre`.
    fn relative(&self, x: f32, centre: &Centre) -> Relative {
        let scale = MAD_TO_SIGMA * centre.mad
            + USUAL_SHARE * f64::from(self.usual_distance)
            + 1e-12
            + 1e-7 * centre.median.abs();
        let robust_z = (f64::from(x) - centre.median) / scale;
        let position = self.window.position_of(x);
        Relative { robust_z, scale, position, level: self.window.rank(position) }
    }

    fn observe(&mut self, timestamp_ms: i64, local_ms: i64, value: f64, relative: &Relative) -> Observation {
        let unit = self.scaling.size();
        let usual = self.forecast.profile.usual(local_ms);
        let usual = usual.map(|usual| self.scaling.value(usual).clamp(-LARGEST, LARGEST));
        Observation {
            value,
            prediction: self.forecast.predict(timestamp_ms, usual),
            usual_residual: self.forecast.usual_residual(),
            robust_z: relative.robust_z,
            scale: (relative.scale * unit).clamp(f64::MIN_POSITIVE, LARGEST),
            level: relative.level,
            seen: self.seen,
        }
    }

    /// The number of learned values of each stream.
    fn seen_by_stream(&self) -> [u32; STREAMS] {
        let mut seen = TAKEN_FROM.map(|taken_from| self.seen.saturating_sub(u32::from(taken_from)));
        if let Some(returned_at) = self.returned_at {
            OF_THE_DAY.into_iter().for_each(|stream| seen[stream] = self.seen - returned_at);
        }
        seen
    }

    /// Learns a value and derives the values of the ten streams, and its distance beyond band and
    /// flatline.
    fn derive(&mut self, local_ms: i64, x: f32, relative: &Relative, centre: &Centre) -> StreamValues {
        let known = self.window.len();
        let distance = (f64::from(x) - centre.median).abs() as f32;
        self.usual_distance += (distance - self.usual_distance) / (self.seen.min(USUAL_MEMORY - 1) + 1) as f32;
        self.window.push_at(x, relative.position);
        let mut values = [0.0; SPREAD_OF];
        let held = self.window.len().min(SPREAD_OF);
        let values = &mut values[..held];
        self.window.newest(values);

        let median = short_median(&values[held.saturating_sub(MEDIAN_OF)..]);
        let moves = mean_move(&values[held.saturating_sub(MOVES_OF + 1)..]);
        let spread = self.spread(values);
        let interval_ms = self.forecast.interval_ms();
        let residuals = self.forecast.profile.push(local_ms, x, median, interval_ms);
        if residuals.first_return {
            self.returned_at = Some(self.seen);
            self.tails.forget(&OF_THE_DAY);
            OF_THE_DAY.into_iter().for_each(|stream| self.scales.forget(stream));
        }
        let repeats = held > 1 && values[held - 1] == values[held - 2];
        let flat = self.flatline.push(repeats, self.seen);
        let hour = local_ms.div_euclid(HOUR_MS).rem_euclid(24) as u8;
        let out_of_band = self.band.push(hour, residuals.nearer - residuals.day_median, self.seen);
        let code = encode(x);
        self.ranks.push(self.thinned.rank(code));
        self.thinned.push(code);
        let values = [
            x,
            residuals.day,
            if known < WINDOW_NEEDED { 0.0 } else { relative.robust_z as f32 },
            median,
            spread,
            self.ranks.mean_step(),
            residuals.day_median,
            moves,
            self.ranks.mean(),
            residuals.week,
        ];
        StreamValues { values, out_of_band: f64::from(out_of_band), flat }
    }

    /// Standard deviation of the values, winsorised at the whiskers of a box plot.
    fn spread(&self, values: &[f32]) -> f32 {
        let quartiles = (self.thinned.quantile(0.25), self.thinned.quantile(0.75));
        let (low, high) = match quartiles {
            (Some(q25), Some(q75)) if self.seen >= QUARTILES_NEEDED => {
                let reach = 1.5 * (q75 - q25);
                (q25 - reach, q75 + reach)
            }
            _ => (f32::NEG_INFINITY, f32::INFINITY),
        };
        deviation(values, low, high)
    }

    /// The surprise of a sample, from the squared decades of its streams and the largest distance
    /// of a stream from its mean, plus a share of recent surprises.
    fn combine(&mut self, squares: f64, distance: f64) -> f64 {
        let n = f64::from(self.seen);
        let mut surprise = (squares / STREAMS as f64).sqrt();
        if surprise > 0.0 && self.seen < SHORT_UNTIL {
            surprise += 0.5 * LOG10_OF_2 * log2(1000.0 / (n + 100.0));
        }
        let combined = if surprise > 0.0 {
            let near = distance < FULL_DISTANCE;
            let lost =
                if near { LOST_A_DOUBLING * log2(FULL_DISTANCE / distance.max(0.5 * FULL_DISTANCE)) } else { 0.0 };
            (surprise + MEAN_SHARE * self.mean_surprise - lost).max(0.0)
        } else {
            0.0
        };
        self.mean_surprise += MEAN_RATE.max(1.0 / (n + 1.0)) * (surprise - self.mean_surprise);
        combined
    }

    /// Adjusts the scaling if it does not fit any more.
    fn fit(&mut self) {
        let (Some(median), usual) = (self.thinned.quantile(0.5), self.usual_distance) else { return };
        let Some(factor) = self.scaling.fit(median, usual) else { return };
        let to_zero = |x: f32| scaling::clamped((x - median) * factor);
        let size = |x: f32| x * factor;
        self.usual_distance = usual * factor;
        self.window.change(to_zero);
        self.thinned.change(|code| encode(to_zero(decode(code))));
        self.forecast.profile.change(to_zero);
        [0, 3].into_iter().for_each(|stream| self.tails.change(stream, to_zero));
        [1, 4, 6, 7, 9].into_iter().for_each(|stream| self.tails.change(stream, size));
        [0, 3].into_iter().for_each(|stream| self.scales.change(stream, to_zero, size));
        [1, 4, 6, 7, 9].into_iter().for_each(|stream| self.scales.change(stream, size, size));
        self.band.change(size);
    }
}
