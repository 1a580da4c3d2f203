//! `tail-rank-1`: ten streams drawn from a series, each judged by its own past in the tails, combined into one surprise.
//!
//! The streams are the value itself and what becomes of it against the hour of the day, the hour of the week and the last
//! 144 values, its short median, its spread, its restlessness in values and in ranks, and its rank of late. What is rare
//! for a stream, by its [rank in the tail](tails), adds to the surprise; the stream that adds the most is the reason stated.
//!
//! Deliberately absent: any look ahead, any range known beforehand, other series, and what people said about an alert.
//!
//! Everything but the forecast that people see is computed in `f32` on *scaled* values: the distance from an anchor (at first the
//! first value) in units of a power of two near the first distance. Both are moved where they do not fit any more, when a
//! generation of the tails ends. So no unit and no offset is too large, and a series in other units of a power of two has the
//! same scores.

mod calendar;
mod code;
mod ranks;
mod tails;

use super::course::{Course, Observation};
use super::forecast::Forecast;
use super::{Detector, Judgement, LARGEST, Verdict};
use crate::model::{Feature, Sample};
use crate::streams::arithmetic::{LOG10_OF_2, log2};
use crate::streams::settings::StreamSettings;
use crate::streams::stored::{Stored, stored_fields};
use crate::streams::surprise::score_of;
use crate::streams::window::{Centre, Place, Window};
use calendar::Calendar;
use code::{decode, encode};
use ranks::{Ranks, Thinned};
use tails::{STREAMS, Tails};

/// Values that robust distance is measured against, and how many it takes to begin.
const WINDOW: usize = 144;
const WINDOW_NEEDED: usize = 36;
/// From median absolute deviation to standard deviation, for a normal distribution.
const MAD_TO_SIGMA: f64 = 1.4826;
/// Share of the usual distance from the median that is added to the scale: a window of plateaus has a MAD of 0.
const USUAL_SHARE: f64 = 0.3;
/// Samples the usual distance is a mean of.
const USUAL_MEMORY: u32 = 5_000;
/// Values that spread, restlessness and short median are taken from.
const SPREAD_OF: usize = 96;
const MOVES_OF: usize = 48;
const MEDIAN_OF: usize = 12;
/// Samples before values are winsorised for the spread.
const QUARTILES_NEEDED: u32 = 30;
/// Samples before anything is a surprise, and those below which a surprise counts more, because records are short.
const JUDGED_FROM: u32 = 150;
const SHORT_UNTIL: u32 = 900;
/// Surprise in decades that is worth an alert, at sensitivity 1.
const ALERT: f64 = 2.2;
/// How quickly the mean surprise follows, and what it adds.
const MEAN_RATE: f64 = 0.25;
const MEAN_SHARE: f64 = 0.2;
/// Scaled values end here: the squares of a hundred of them are finite.
const LARGEST_SCALED: f64 = (1u64 << 55) as f64;
/// The scale is not finer than this share of the first value, which is all that its digits are worth.
const FINEST: f64 = 1.0 / (1u64 << 20) as f64;
/// The anchor moves when the median is so many usual distances away, the scale when it is off by such a factor.
const FAR: f32 = 256.0;
const OFF_SCALE: f32 = (1 << 20) as f32;

/// What the streams are called where a reason is stated; the order is that of the streams.
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

/// Scores one series. Below 4 KB, all of it inline.
#[derive(Debug, Clone, Default)]
pub struct TailRank {
    state: Option<State>,
}

#[derive(Debug, Clone)]
struct State {
    /// Samples seen, saturating.
    seen: u32,
    /// Scaled values are distances from this …
    anchor: f64,
    /// … divided by 2 to the power of this, once there was a distance.
    exponent: Option<i16>,
    /// Mean distance from the median of the window.
    usual_distance: f32,
    /// Mean surprise of late.
    mean_surprise: f64,
    window: Window<f32, WINDOW>,
    thinned: Thinned,
    ranks: Ranks,
    tails: Tails,
    forecast: Forecast<Calendar>,
    course: Course,
}

stored_fields!(State {
    seen,
    anchor,
    exponent,
    usual_distance,
    mean_surprise,
    window,
    thinned,
    ranks,
    tails,
    forecast,
    course,
});

impl Detector for TailRank {
    const VERSION: &'static str = "tail-rank-1";

    fn push(&mut self, sample: Sample, settings: &StreamSettings) -> Verdict {
        let value = sample.value.clamp(-LARGEST, LARGEST);
        let state = self.state.get_or_insert_with(|| State::starting_at(sample.timestamp_ms, value));
        Verdict { judgement: state.push(sample.timestamp_ms, value, settings) }
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
    /// Before the first sample, which is `value`.
    fn starting_at(timestamp_ms: i64, value: f64) -> Self {
        Self {
            seen: 0,
            anchor: value,
            exponent: None,
            usual_distance: 0.0,
            mean_surprise: 0.0,
            window: Window::new(),
            thinned: Thinned::new(),
            ranks: Ranks::new(),
            tails: Tails::new(),
            forecast: Forecast::starting_at(timestamp_ms, value, Calendar::new()),
            course: Course::starting_at(value),
        }
    }

    fn push(&mut self, timestamp_ms: i64, value: f64, settings: &StreamSettings) -> Option<Judgement> {
        let local_ms = settings.utc_offsets.local_ms(timestamp_ms);
        let x = self.scaled(value);
        let centre = self.window.centre().unwrap_or(Centre { median: f64::from(x), mad: 0.0 });
        let scale = MAD_TO_SIGMA * centre.mad
            + USUAL_SHARE * f64::from(self.usual_distance)
            + 1e-12
            + 1e-7 * centre.median.abs();
        let robust_z = (f64::from(x) - centre.median) / scale;
        let place = self.window.place_of(x);
        let level = self.window.rank(place);
        let observed = self.observe(timestamp_ms, local_ms, value, robust_z, scale, level);

        let codes = self.draw(local_ms, x, place, robust_z as f32, &centre);
        let surprises = if self.seen >= JUDGED_FROM { self.tails.judge(&codes) } else { tails::Surprises::default() };
        let surprise = self.combine(surprises.squares);
        let judgement = (self.seen >= settings.warm_up).then(|| {
            let score = score_of(surprise * settings.sensitivity / ALERT);
            let features = self.course.features(&observed);
            let mut judgement = self.course.describe(&observed, features, score, NAMES[surprises.most.0]);
            judgement.standing = (score > 0.25).then(|| self.tails.standing(&surprises, &codes));
            judgement
        });

        let accepted = self.forecast.learn(timestamp_ms, value, &observed.outlook, self.seen);
        self.course.learn(&observed, accepted);
        self.seen = self.seen.saturating_add(1);
        if self.tails.learn(&codes) {
            self.thinned.refresh();
            self.fit();
        }
        judgement
    }

    /// The value's distance from the anchor, in the unit of the series.
    fn scaled(&mut self, value: f64) -> f32 {
        let distance = value - self.anchor;
        if self.exponent.is_none() && distance != 0.0 {
            let unit = distance.abs().max(FINEST * self.anchor.abs());
            self.exponent = Some(exponent_of(unit));
        }
        let scaled = distance * power_of_two(-self.exponent.unwrap_or(0));
        // Adding zero takes the sign off a zero.
        scaled.clamp(-LARGEST_SCALED, LARGEST_SCALED) as f32 + 0.0
    }

    fn observe(
        &mut self,
        timestamp_ms: i64,
        local_ms: i64,
        value: f64,
        robust_z: f64,
        scale: f64,
        level: f64,
    ) -> Observation {
        let unit = power_of_two(self.exponent.unwrap_or(0));
        let usual = self.forecast.profile.usual(local_ms);
        let usual = usual.map(|usual| (self.anchor + f64::from(usual) * unit).clamp(-LARGEST, LARGEST));
        Observation {
            value,
            outlook: self.forecast.outlook(timestamp_ms, usual),
            usual_residual: self.forecast.usual_residual(),
            robust_z,
            scale: (scale * unit).clamp(f64::MIN_POSITIVE, LARGEST),
            level,
            seen: self.seen,
        }
    }

    /// The codes of the ten streams, which learn the value.
    fn draw(&mut self, local_ms: i64, x: f32, place: Place, robust_z: f32, centre: &Centre) -> [code::Code; STREAMS] {
        let known = self.window.len();
        let distance = (f64::from(x) - centre.median).abs() as f32;
        self.usual_distance += (distance - self.usual_distance) / (self.seen.min(USUAL_MEMORY - 1) + 1) as f32;
        self.window.push_at(x, place);
        let mut values = [0.0; SPREAD_OF];
        let held = self.window.len().min(SPREAD_OF);
        let values = &mut values[..held];
        self.window.newest(values);

        let median = short_median(&values[held.saturating_sub(MEDIAN_OF)..]);
        let moves = mean_move(&values[held.saturating_sub(MOVES_OF + 1)..]);
        let spread = self.spread(values);
        let interval_ms = self.forecast.interval_ms();
        let residuals = self.forecast.profile.push(local_ms, x, median, interval_ms);
        let code = encode(x);
        self.ranks.push(self.thinned.rank(code));
        self.thinned.push(code);
        [
            code,
            encode(residuals.day),
            if known < WINDOW_NEEDED { 0 } else { encode(robust_z) },
            encode(median),
            encode(spread),
            encode(self.ranks.mean_step()),
            encode(residuals.day_median),
            encode(moves),
            encode(self.ranks.mean()),
            encode(residuals.week),
        ]
    }

    /// Standard deviation of the values, outliers pulled in to where a box plot's whiskers end.
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

    /// The surprise of a sample whose streams have these squares of decades, and what lingers of those before.
    fn combine(&mut self, squares: f64) -> f64 {
        let n = f64::from(self.seen);
        let mut surprise = (squares / STREAMS as f64).sqrt();
        if surprise > 0.0 && self.seen < SHORT_UNTIL {
            surprise += 0.5 * LOG10_OF_2 * log2(1000.0 / (n + 100.0));
        }
        let told = if surprise > 0.0 { surprise + MEAN_SHARE * self.mean_surprise } else { 0.0 };
        self.mean_surprise += MEAN_RATE.max(1.0 / (n + 1.0)) * (surprise - self.mean_surprise);
        told
    }

    /// Moves anchor and scale where they do not fit any more.
    fn fit(&mut self) {
        let (Some(exponent), Some(median)) = (self.exponent, self.thinned.quantile(0.5)) else { return };
        let usual = self.usual_distance;
        if usual <= 0.0 {
            return;
        }
        let off_scale = !(1.0 / OFF_SCALE..=OFF_SCALE).contains(&usual);
        if median.abs() <= FAR * usual && !off_scale {
            return;
        }
        let anchor = self.anchor + f64::from(median) * power_of_two(exponent);
        if !anchor.is_finite() {
            return;
        }
        let finer = if off_scale { exponent_of(f64::from(usual)) } else { 0 };
        let factor = power_of_two(-finer) as f32;
        let place = |x: f32| ((x - median) * factor).clamp(-(LARGEST_SCALED as f32), LARGEST_SCALED as f32) + 0.0;
        let size = |x: f32| x * factor;
        self.anchor = anchor;
        self.exponent = Some((exponent + finer).clamp(-1000, 1000));
        self.usual_distance = size(usual);
        self.window.change(place);
        self.thinned.change(|code| encode(place(decode(code))));
        self.forecast.profile.change(place);
        [0, 3].into_iter().for_each(|stream| self.tails.change(stream, place));
        [1, 4, 6, 7, 9].into_iter().for_each(|stream| self.tails.change(stream, size));
    }
}

/// The exponent of a positive number, within ±1000.
fn exponent_of(number: f64) -> i16 {
    (((number.to_bits() >> 52) & 0x7ff) as i16 - 1023).clamp(-1000, 1000)
}

/// 2 to the power of an exponent within ±1000.
fn power_of_two(exponent: i16) -> f64 {
    f64::from_bits(((i64::from(exponent) + 1023) as u64) << 52)
}

/// The middle of at most twelve values, or the middle of the two middle ones.
fn short_median(values: &[f32]) -> f32 {
    let mut sorted = [f32::INFINITY; MEDIAN_OF];
    sorted[..values.len()].copy_from_slice(values);
    // Exchanges between neighbours without branches; twelve rounds put twelve values in order.
    for round in 0..MEDIAN_OF {
        for i in (round % 2..MEDIAN_OF - 1).step_by(2) {
            let (a, b) = (sorted[i], sorted[i + 1]);
            (sorted[i], sorted[i + 1]) = if a > b { (b, a) } else { (a, b) };
        }
    }
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) }
}

/// Sums run in this many lanes, which processors do at once, and always in the same order.
const LANES: usize = 8;

/// Mean distance between neighbours; 0 for fewer than two values.
fn mean_move(values: &[f32]) -> f32 {
    let moves = values.len().saturating_sub(1);
    if moves == 0 {
        return 0.0;
    }
    let (before, early) = values[..moves].as_chunks::<LANES>();
    let (after, late) = values[1..].as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in before.iter().zip(after) {
        for lane in 0..LANES {
            sums[lane] += (b[lane] - a[lane]).abs();
        }
    }
    let rest: f32 = early.iter().zip(late).map(|(a, b)| (b - a).abs()).sum();
    (sums.iter().sum::<f32>() + rest) / moves as f32
}

/// Standard deviation of values pulled into `low..=high`; 0 for none.
fn deviation(values: &[f32], low: f32, high: f32) -> f32 {
    let Some(&last) = values.last() else { return 0.0 };
    let within = |x: f32| {
        let raised = if x < low { low } else { x };
        if raised > high { high } else { raised }
    };
    // Squares of distances from a value of the series lose less than those from 0.
    let origin = within(last);
    let (chunks, rest) = values.as_chunks::<LANES>();
    let (mut sums, mut squares) = ([0.0f32; LANES], [0.0f32; LANES]);
    for chunk in chunks {
        for lane in 0..LANES {
            let distance = within(chunk[lane]) - origin;
            sums[lane] += distance;
            squares[lane] += distance * distance;
        }
    }
    for (lane, x) in rest.iter().enumerate() {
        let distance = within(*x) - origin;
        sums[lane] += distance;
        squares[lane] += distance * distance;
    }
    let n = values.len() as f64;
    let sum: f64 = sums.iter().map(|sum| f64::from(*sum)).sum();
    let square: f64 = squares.iter().map(|square| f64::from(*square)).sum();
    (square / n - (sum / n) * (sum / n)).max(0.0).sqrt() as f32
}
