//! The state of one series: scores a value by the earlier ones, then learns it.

use super::band::{Band, Bounds};
use super::hours::Hours;
use super::ladder::{Ladder, MEAN_TO_SIGMA, RATES, ROOTS, SIZES, STEPS};
use super::limiter::Limiter;
use super::repeats::Repeats;
use super::season::{DAY_MS, Place, Season, Seasonal};
use super::steps::Steps;
use crate::arithmetic::{exp2_neg, log2};
use crate::detector::features::FeatureState;
use crate::detector::score::Score;
use crate::settings::StreamSettings;
use crate::stored::stored_fields;
use crate::surprise::{alert_at, score_within};
use earcon_model::Feature;

/// Share of the extrapolated edge at which a value alerts.
const EDGE: f64 = 0.87;
/// Factors on the edges of the ladder's steps.
const STEP_FACTORS: [f64; STEPS] = [1.0, 1.1, 1.3, 1.5];
/// Values before the first can alert; changes among them, or values if there are fewer changes.
const JUDGED_FROM: u32 = 30;
const CHANGES: u32 = 10;
const JUDGED_WITHOUT_CHANGES: u32 = 500;
/// The edges of the first values: a factor for the very first, and 1 + 100/(n + 50) for all.
const VERY_YOUNG: (u32, f64) = (60, 1.5);
const YOUTH: (f64, f64) = (100.0, 50.0);
/// Values that a step of the ladder needs before it counts, for each value of its mean up to 8.
const NEEDED_A_VALUE: f64 = 60.0;
/// Means that are newer than this have wider edges: five times as many samples a day do not deserve five
/// times as many alerts. The exponent, and the largest factor.
const CADENCE_MS: f64 = 300_000.0;
const CADENCE: (f64, f64) = (0.36, 2.0);
/// Surprise from which a value is an outlier, which moves no baseline.
const OUTLIER: f64 = 1.15;
/// Outliers on one side after which their level is accepted: three hours, within these bounds.
const ACCEPTED_DAYS: f64 = 0.125;
const ACCEPTED: (f64, f64) = (6.0, 120.0);
/// An accepted level this many edges away is another source, and one with this many times the
/// expected value, or this part of it, is another unit: the detector starts anew.
const ANOTHER_SOURCE: f64 = 15.0;
const ANOTHER_UNIT: f64 = 20.0;
const STARTS_ANEW_FROM: u32 = 500;
/// Age from which outliers are cut before they enter the profiles.
const CUT_AFTER_MS: i64 = 259_200_000;
/// A level that was held for this long and changes by half is left: repetitions if it is the first
/// change, repetitions for each change squared after that, and milliseconds.
const HELD: (f64, f64) = (60.0, 30.0);
const HELD_MS: f64 = 120_000.0;
const LEFT: f64 = 1.5;
/// Interval that is assumed before it is known.
const FIRST_INTERVAL_MS: f64 = 60_000.0;
/// Limit of distances in standard deviations.
const LARGEST_Z: f64 = 1e9;

/// The state of the detector for one series.
#[derive(Debug, Clone)]
pub(super) struct State {
    since_ms: i64,
    last_ms: i64,
    /// Usual milliseconds between samples; 0 while unknown.
    interval_ms: f64,
    /// Usual number of samples a day, and the factor of each step for its cadence; both are
    /// refreshed now and then.
    per_day: f64,
    cadences: [f64; STEPS],
    seen: u32,
    /// Outliers on one side: above 0 above, below 0 below.
    outliers: i16,
    ladder: Ladder,
    limiter: Limiter,
    steps: Steps,
    bounds: Bounds,
    features: FeatureState,
    season: Season,
    hours: Hours,
    repeats: Repeats,
}

stored_fields!(State {
    since_ms,
    last_ms,
    interval_ms,
    per_day,
    cadences,
    seen,
    outliers,
    ladder,
    limiter,
    steps,
    bounds,
    features,
    season,
    hours,
    repeats,
});

/// A value as the detector sees it, with all that is known of its place.
struct Now {
    value: f64,
    place: Place,
    seasonal: Seasonal,
    /// What the season in use adds.
    season: f64,
    /// The value without the season.
    rest: f64,
    interval_ms: f64,
    /// 1/(n + 1): the least rate, so that the first values count equally.
    early: f64,
    /// Whether distances are known.
    judged: bool,
}

/// Distances, scales and edges of a value on all steps of the ladder.
struct Distances {
    /// Means with the value, for learning.
    means: [f64; STEPS],
    distances: [f64; STEPS],
    scales: [f64; STEPS],
    z: [f64; STEPS],
    /// Edges in standard deviations, below and above; infinite while the step does not count.
    edges: [[f64; 2]; STEPS],
    /// Largest ratio of distance and edge, and its step.
    surprise: f64,
    step: usize,
}

impl State {
    /// Before the first sample, which is `value`.
    pub(super) fn starting_at(timestamp_ms: i64, value: f64) -> Self {
        Self {
            since_ms: timestamp_ms,
            last_ms: timestamp_ms,
            interval_ms: 0.0,
            per_day: 0.0,
            cadences: [1.0; STEPS],
            seen: 0,
            outliers: 0,
            ladder: Ladder::starting_at(value),
            limiter: Limiter::new(),
            steps: Steps::starting_at(value),
            bounds: Bounds::starting_at(value),
            features: FeatureState::new(),
            season: Season::starting_at(value),
            hours: Hours::new(),
            repeats: Repeats::new(),
        }
    }

    pub(super) fn seen(&self) -> u32 {
        self.seen
    }

    pub(super) fn push(
        &mut self,
        timestamp_ms: i64,
        local_ms: i64,
        value: f64,
        settings: &StreamSettings,
        sensitivity: f64,
    ) -> Option<Score> {
        let now = self.arrive(timestamp_ms, local_ms, value);
        let found = self.measure(&now);
        let held = self.held(&now);
        let repeats = self.seen > 0 && value == self.steps.last();
        let age_ms = timestamp_ms.saturating_sub(self.since_ms);
        let stuck = self.repeats.push(repeats, now.place.hour(), self.per_day, self.seen, age_ms);
        let score =
            (self.seen >= settings.warm_up).then(|| self.describe(&now, &found, held, stuck, sensitivity, settings));
        let surprise = (found.surprise / self.limiter.factor()).max(stuck);
        let left = held.is_some_and(|band| !within(band, value));
        if self.learn(&now, &found, surprise >= OUTLIER || left, age_ms) {
            *self = Self::starting_at(timestamp_ms, value);
        }
        score
    }

    /// Learns the time of a value, and looks up what is known of it.
    fn arrive(&mut self, timestamp_ms: i64, local_ms: i64, value: f64) -> Now {
        let gap = timestamp_ms.saturating_sub(self.last_ms) as f64;
        if self.seen > 0 && gap > 0.0 {
            let usual = self.interval_ms;
            self.interval_ms =
                if usual == 0.0 { gap } else { usual + 0.05 * (gap.clamp(0.5 * usual, 2.0 * usual) - usual) };
        }
        self.last_ms = timestamp_ms;
        let interval_ms = if self.interval_ms > 0.0 { self.interval_ms } else { FIRST_INTERVAL_MS };
        if self.seen < 16 || self.seen.is_multiple_of(16) {
            self.per_day = DAY_MS / interval_ms;
            self.cadences = SIZES.map(|size| cadence(interval_ms * size));
        }
        self.ladder.refresh(self.seen);
        self.bounds.learn(value, self.seen);
        let place = Place::at(local_ms);
        self.hours.turn_to(place.hour());
        let seasonal = self.season.at(place, interval_ms);
        let season = seasonal.candidates[self.season.used()];
        let early = 1.0 / (f64::from(self.seen) + 1.0);
        let changed = self.steps.changes() >= CHANGES || self.seen >= JUDGED_WITHOUT_CHANGES;
        let judged = self.seen >= JUDGED_FROM && changed;
        Now { value, place, seasonal, season, rest: value - season, interval_ms, early, judged }
    }

    /// Compares a value with the baselines.
    fn measure(&self, now: &Now) -> Distances {
        let ladder = &self.ladder;
        let seen = f64::from(self.seen);
        let floor = 1e-9 * now.value.abs() + f64::MIN_POSITIVE;
        let step_floor = self.steps.floor();
        let young = if self.seen < VERY_YOUNG.0 { VERY_YOUNG.1 } else { 1.0 };
        let factor = EDGE * young * (1.0 + YOUTH.0 / (seen + YOUTH.1));
        let usual = EDGE * self.hours.usual(now.place.hour(), now.place.share_of_hour());
        let cut = self.cut(now);
        let mut found = Distances {
            means: [0.0; STEPS],
            distances: [0.0; STEPS],
            scales: [0.0; STEPS],
            z: [0.0; STEPS],
            edges: [[f64::INFINITY; 2]; STEPS],
            surprise: 0.0,
            step: 0,
        };
        for step in 0..STEPS {
            let mean = ladder.next_mean(step, now.rest, cut, now.early);
            let distance = beyond(mean - ladder.baselines[step], self.nearby(now, step));
            let scale = (MEAN_TO_SIGMA * ladder.deviations[step] + floor).max(step_floor * ROOTS[step]);
            let z = (distance / scale).clamp(-LARGEST_Z, LARGEST_Z);
            (found.means[step], found.distances[step], found.scales[step], found.z[step]) = (mean, distance, scale, z);
            let needed = NEEDED_A_VALUE * SIZES[step].min(8.0);
            if !now.judged || (step > 0 && seen < needed) {
                continue;
            }
            let edges =
                [false, true].map(|above| ladder.edge(step, above) * STEP_FACTORS[step] * self.cadences[step] * factor);
            found.edges[step] = if step == 0 { edges.map(|edge| edge.max(usual)) } else { edges };
            let ratio = z.abs() / found.edges[step][usize::from(z > 0.0)];
            // A mean counts only if the newest value lies on its side.
            let counts = step == 0 || (found.z[0] * z > 0.0 && found.z[0].abs() >= 1.0);
            if counts && ratio > found.surprise {
                (found.surprise, found.step) = (ratio, step);
            }
        }
        found
    }

    /// The value without the season, within the range that is followed in full.
    fn cut(&self, now: &Now) -> f64 {
        let (below, above) = self.ladder.followed();
        let baseline = self.ladder.baselines[0];
        if now.judged { now.rest.max(baseline - below).min(baseline + above) } else { now.rest }
    }

    /// The fall and the rise of the day's course nearby that a step tolerates: ramps and jobs that
    /// come a little earlier or later.
    fn nearby(&self, now: &Now, step: usize) -> (f64, f64) {
        if step > 1 {
            return (0.0, 0.0);
        }
        let noise = MEAN_TO_SIGMA * self.ladder.deviations[0];
        let (up, down) = now.seasonal.nearby;
        ((down + noise).min(0.0), (up - noise).max(0.0))
    }

    /// The band of a level that the series has held for long, half to twice of it; `None` if it
    /// has not, or if it often changes.
    fn held(&self, now: &Now) -> Option<(f64, f64)> {
        let (level, run, changes) = (self.steps.last(), self.repeats.run(), f64::from(self.steps.changes()));
        let needed = if changes == 0.0 { HELD.0 } else { HELD.1 * changes * changes };
        let long = run >= needed && run * now.interval_ms >= HELD_MS;
        let rare = self.steps.changes() < CHANGES && level != 0.0;
        let (near, far) = (0.5 * level, 2.0 * level);
        (rare && long).then_some((near.min(far), near.max(far)))
    }

    /// The score of a value, with its band.
    fn describe(
        &self,
        now: &Now,
        found: &Distances,
        held: Option<(f64, f64)>,
        stuck: f64,
        sensitivity: f64,
        settings: &StreamSettings,
    ) -> Score {
        // The surprise that alerts.
        let alert = alert_at(settings.open_score) / sensitivity;
        let mut band = self.band(now, found, alert);
        let mut surprise = found.surprise / self.limiter.factor();
        let mut reason = if found.step == 0 { Feature::ResidualZ } else { Feature::Slope };
        if let Some((lower, upper)) = held {
            band = band.narrowed(lower, upper);
            if !within((lower, upper), now.value) {
                surprise = surprise.max(LEFT * alert);
            }
        } else if !now.judged {
            band = band.with(now.value);
        }
        if stuck > surprise {
            (surprise, reason) = (stuck, Feature::Volatility);
        }
        if stuck >= alert && band.contains(now.value) {
            reason = Feature::Volatility;
            band = band.without(now.value, self.steps.smallest());
        }
        let outside = !band.contains(now.value);
        let score = score_within(surprise * sensitivity, outside, settings.open_score);
        Score {
            value: score,
            expected: band.expected,
            lower: band.lower,
            upper: band.upper,
            features: self.features.features(now.rest, &self.ladder.baselines, found.z, found.scales[0]),
            direction: band.side(now.value),
            reason,
            rank: None,
        }
    }

    /// The values that do not alert: on each side up to the nearest edge of a step.
    fn band(&self, now: &Now, found: &Distances, alert: f64) -> Band {
        let ladder = &self.ladder;
        let (base, sigma) = (ladder.baselines[0], found.scales[0]);
        let factor = self.limiter.factor() * alert;
        let followed = ladder.followed();
        let mut ends = [f64::NEG_INFINITY, f64::INFINITY];
        for (side, end) in ends.iter_mut().enumerate() {
            let sign = if side == 1 { 1.0 } else { -1.0 };
            let nearby = |step: usize| if side == 1 { self.nearby(now, step).1 } else { -self.nearby(now, step).0 };
            // Distances from the baseline on this side.
            let single = nearby(0) + sigma * found.edges[0][side] * factor;
            let mut reach = single;
            for step in 1..STEPS {
                let edge = found.edges[step][side];
                if edge.is_infinite() {
                    continue;
                }
                let mean = ladder.baselines[step] + sign * (nearby(step) + found.scales[step] * edge * factor);
                let rate = RATES[step];
                let value = (mean - (1.0 - rate) * ladder.means[step]) * SIZES[step];
                let distance = sign * (value - base);
                // A mean follows a value in this range only.
                if distance <= if side == 1 { followed.1 } else { followed.0 } {
                    reach = reach.min(distance.max(nearby(0) + sigma));
                }
            }
            *end = base + sign * reach;
        }
        let expected = base + now.season;
        let [lower, upper] = ends.map(|end| (end + now.season).clamp(-f64::MAX, f64::MAX));
        Band::new(expected, lower, upper, self.bounds.range(self.seen))
    }

    /// Learns a value. Returns true if it comes from another source and all is to be forgotten.
    fn learn(&mut self, now: &Now, found: &Distances, outlier: bool, age_ms: i64) -> bool {
        let seen = f64::from(self.seen);
        let (below, above) = self.ladder.followed();
        let base = self.ladder.baselines[0];
        let distance = now.rest - base;
        for step in 0..STEPS {
            if self.seen > 0 {
                self.ladder.learn_step(step, found.means[step], found.distances[step], now.early, now.judged);
            }
            if now.judged {
                let k = seen - f64::from(JUDGED_FROM);
                self.ladder.learn_reach(step, found.z[step], (20.0 / (k + 1.0)).max(1.0) as f32);
            }
        }
        let accepted = now.judged && self.count_outlier(found, outlier);
        let far = distance.abs() > ANOTHER_SOURCE * if distance > 0.0 { above } else { below };
        if accepted && (far || another_unit(now.value, base + now.season)) && self.seen >= STARTS_ANEW_FROM {
            return true;
        }
        let frozen = outlier && !accepted;
        let range = (now.judged && !accepted).then_some((below, above));
        if !frozen {
            self.ladder.follow(now.rest, range, now.early);
        }
        if accepted {
            self.ladder.accept(now.rest);
        }
        let change = self.season.compare(now.value, &now.seasonal.candidates, self.per_day, age_ms, now.judged);
        if let Some((difference, ratio)) = change {
            self.ladder.shift(difference);
            self.ladder.rescale(ratio);
        }
        let kept =
            if frozen && age_ms > CUT_AFTER_MS { base + now.season + distance.clamp(-below, above) } else { now.value };
        self.season.learn(now.place, kept, self.per_day, seen);
        if now.judged {
            self.learn_crossings(found);
        }
        self.features.learn(distance, now.early);
        self.steps.learn(now.value);
        self.seen = self.seen.saturating_add(1);
        false
    }

    /// Counts outliers in a row on one side. Returns whether their level is accepted now.
    fn count_outlier(&mut self, found: &Distances, outlier: bool) -> bool {
        let z = found.z[0];
        if outlier || z.abs() >= self.ladder.edge(0, z > 0.0) {
            let side = if z > 0.0 { 1 } else { -1 };
            self.outliers = if self.outliers * side < 0 { side } else { self.outliers + side };
        } else {
            self.outliers -= self.outliers.signum();
        }
        let accepted = f64::from(self.outliers.abs()) >= (ACCEPTED_DAYS * self.per_day).clamp(ACCEPTED.0, ACCEPTED.1);
        if accepted {
            self.outliers = 0;
        }
        accepted
    }

    fn learn_crossings(&mut self, found: &Distances) {
        let z = found.z[0];
        let edge = found.edges[0][usize::from(z > 0.0)] / EDGE;
        self.hours.learn(z.abs(), edge);
        self.limiter.learn(found.surprise * EDGE, self.per_day);
    }
}

/// The part of a distance beyond a tolerated range around 0.
fn beyond(distance: f64, (down, up): (f64, f64)) -> f64 {
    (distance - up).max(0.0) + (distance - down).min(0.0)
}

/// Whether two values differ as the same quantity does in two units. Zero is no other unit.
fn another_unit(value: f64, expected: f64) -> bool {
    let ratio = value / expected;
    value != 0.0 && expected != 0.0 && !(1.0 / ANOTHER_UNIT..=ANOTHER_UNIT).contains(&ratio) && ratio > 0.0
}

fn within(band: (f64, f64), value: f64) -> bool {
    band.0 <= value && value <= band.1
}

/// The factor on the edges of a series with this interval.
fn cadence(interval_ms: f64) -> f64 {
    let ratio = interval_ms.min(DAY_MS) / CADENCE_MS;
    if ratio >= 1.0 { 1.0 } else { (1.0 / exp2_neg(-CADENCE.0 * log2(ratio))).min(CADENCE.1) }
}
