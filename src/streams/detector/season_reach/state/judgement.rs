//! The score of a value: its distances on the ladder, its band, and the reason.

use super::super::band::Band;
use super::super::ladder::{MEAN_TO_SIGMA, RATES, ROOTS, SIZES, SLOW, STEPS};
use super::{CHANGES, EDGE, Now, State};
use crate::arithmetic::{larger, smaller};
use crate::detector::score::Score;
use crate::settings::StreamSettings;
use crate::surprise::{alert_at, score_within};
use earcon_model::Feature;

/// Factors on the edges of the ladder's steps.
const STEP_FACTORS: [f64; STEPS] = [1.0, 1.1, 1.1, 1.2];
/// The edges of the first values: a factor for the very first, and 1 + 100/(n + 50) for all.
const VERY_YOUNG: (u32, f64) = (60, 1.5);
const YOUTH: (f64, f64) = (100.0, 50.0);
/// Values that a step of the ladder needs before it counts, for each value of its mean up to 8.
const NEEDED_A_VALUE: f64 = 60.0;
/// A level that was held for this long and changes by half is left: repetitions if it is the first
/// change, repetitions for each change squared after that, and milliseconds.
const HELD: (f64, f64) = (60.0, 30.0);
const HELD_MS: f64 = 120_000.0;
const LEFT: f64 = 3.0;
/// Share of the expected value that is left at most when most of it is lost.
const LEFT_OF_A_LOSS: f64 = 0.25;
/// Share of the distance of the edge at which the second of two losses in a row alerts, if the
/// series is this slow, milliseconds: few values belong to a fault of an hour then. On faster ones
/// neighbours are too alike.
const SECOND_LOSS: f64 = 0.5;
const SECOND_LOSS_MS: f64 = 1_200_000.0;
/// Surprise of a regular disturbance that did not come.
const ABSENT: f64 = 1.5;
/// Surprise of a value that has lost more than ever before.
const SUNK: f64 = 1.5;
/// Most surprise of a known disturbance, in surprises that alert.
const KNOWN: f64 = 0.6;
/// Limit of distances in standard deviations.
const LARGEST_Z: f64 = 1e9;

/// Distances, scales and edges of a value on all steps of the ladder.
pub(super) struct Distances {
    /// Means with the value, for learning.
    pub(super) means: [f64; STEPS],
    pub(super) distances: [f64; STEPS],
    pub(super) scales: [f64; STEPS],
    pub(super) z: [f64; STEPS],
    /// Edges in standard deviations, below and above; infinite while the step does not count.
    pub(super) edges: [[f64; 2]; STEPS],
    /// The fall and the rise that each step tolerates.
    nearby: [(f64, f64); STEPS],
    /// Largest ratio of distance and edge, and its step.
    pub(super) surprise: f64,
    pub(super) step: usize,
    /// The largest ratio, and the edge of single values on the side of this one, by the reach
    /// learned so far: a fault is judged by the edges at its beginning, and teaches by these.
    pub(super) taught: f64,
    pub(super) taught_edge: f64,
}

impl State {
    /// Compares a value with the baselines.
    pub(super) fn measure(&self, now: &Now) -> Distances {
        let ladder = &self.ladder;
        let seen = f64::from(self.seen);
        let floor = 1e-9 * now.value.abs() + f64::MIN_POSITIVE;
        let step_floor = self.steps.floor();
        let young = if self.seen < VERY_YOUNG.0 { VERY_YOUNG.1 } else { 1.0 };
        let factor = EDGE * young * (1.0 + YOUTH.0 / (seen + YOUTH.1));
        let usual = self.hours.usual(now.place.share_of_hour());
        let near = self.nearby(now);
        let mut cut = [self.cut(now); STEPS];
        cut[SLOW..].iter_mut().for_each(|value| *value -= now.slow_season);
        let means = ladder.next_means(now.rest, &cut, now.early);
        let mut found = Distances {
            means,
            distances: [0.0; STEPS],
            scales: [0.0; STEPS],
            z: [0.0; STEPS],
            edges: [[f64::INFINITY; 2]; STEPS],
            nearby: near,
            surprise: 0.0,
            step: 0,
            taught: 0.0,
            taught_edge: f64::INFINITY,
        };
        // No branches, so that two steps are computed by one instruction.
        for step in 0..STEPS {
            found.distances[step] = beyond(means[step] - ladder.baselines[step], near[step]);
            found.scales[step] = larger(MEAN_TO_SIGMA * ladder.deviations[step] + floor, step_floor * ROOTS[step]);
            let z = found.distances[step] / found.scales[step];
            found.z[step] = smaller(larger(z, -LARGEST_Z), LARGEST_Z);
        }
        if !now.judged {
            return found;
        }
        for step in 0..STEPS {
            let needed = NEEDED_A_VALUE * SIZES[step].min(8.0);
            if step > 0 && seen < needed {
                continue;
            }
            let edges = [false, true]
                .map(|above| ladder.edge(step, above) * STEP_FACTORS[step] * f64::from(self.cadences[step]) * factor);
            found.edges[step] =
                if step == 0 { [0, 1].map(|side| larger(edges[side], EDGE * usual[side])) } else { edges };
            let z = found.z[step];
            let side = usize::from(z > 0.0);
            let taught = z.abs() / found.edges[step][side];
            if step == 0 {
                found.taught_edge = found.edges[0][side];
            }
            let in_values = found.scales[step] * self.limiter.factor();
            for side in 0..2 {
                let held = self.hold.edge(step, side) / in_values;
                found.edges[step][side] = smaller(found.edges[step][side], held);
            }
            let ratio = z.abs() / found.edges[step][side];
            // A mean counts only if the newest value lies on its side.
            let counts = step == 0 || (found.z[0] * z > 0.0 && found.z[0].abs() >= 1.0);
            if counts {
                found.taught = larger(found.taught, taught);
            }
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
        if now.judged { smaller(larger(now.rest, baseline - below), baseline + above) } else { now.rest }
    }

    /// The fall and the rise of the day's course nearby that each step tolerates: ramps and jobs
    /// that come a little earlier or later. A step without the season needs none. Slow
    /// means do if they have a season of their own.
    fn nearby(&self, now: &Now) -> [(f64, f64); STEPS] {
        let noise = MEAN_TO_SIGMA * self.ladder.deviations[0];
        let (up, down) = now.seasonal.nearby;
        let near = (smaller(down + noise, 0.0), larger(up - noise, 0.0));
        let mut all = [(0.0, 0.0); STEPS];
        if self.season.used() > 0 {
            all[..SLOW].fill(near);
        }
        if now.slow_season != 0.0 {
            all[SLOW..].fill(near);
        }
        all
    }

    /// The band of a level that the series has held for long, or has left lately; `None` if it has
    /// not, or if it often changes.
    pub(super) fn held(&self, now: &Now) -> Option<(f64, f64)> {
        if self.left_for > 0 {
            return Some(around(self.left_level));
        }
        let (level, run, changes) = (self.steps.last(), self.repeats.run(), f64::from(self.steps.changes()));
        let needed = if changes == 0.0 { HELD.0 } else { HELD.1 * changes * changes };
        let long = run >= needed && run * now.interval_ms >= HELD_MS;
        let rare = self.steps.changes() < CHANGES && level != 0.0;
        (rare && long).then(|| around(level))
    }

    /// The score of a value, with its band.
    pub(super) fn describe(
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
        if self.lost && now.interval_ms >= SECOND_LOSS_MS {
            band = band.from(self.loss_below(now, found, alert));
        }
        let floor = self.floor(now, found);
        if floor > f64::NEG_INFINITY {
            band = band.from(floor / alert);
            if now.value < floor {
                surprise = larger(surprise, SUNK * alert);
            }
        }
        if let (Some(missing), true) = (now.missing, now.judged) {
            let usual = found.scales[0] * missing.usual;
            if let Some(absent) = band.reaching_by(now.value, usual, self.bounds.range(self.seen)) {
                (band, surprise, reason) = (absent, surprise.max(ABSENT * alert), Feature::ResidualZ);
            }
        }
        if now.judged {
            let known = self.known(now, &band, alert);
            if !band.contains(now.value) && known.contains(now.value) {
                surprise = smaller(surprise, KNOWN * alert);
            }
            band = known;
        }
        if stuck > surprise {
            // A value that is out of the range says more than that it repeats.
            if surprise < alert {
                reason = Feature::Volatility;
            }
            surprise = stuck;
        }
        if stuck >= alert && band.contains(now.value) {
            reason = Feature::Volatility;
            band = band.without(now.value, self.steps.smallest());
        }
        let outside = !band.contains(now.value);
        let volume = self.bounds.observed(0.0).never_negative && now.value <= LEFT_OF_A_LOSS * band.expected;
        if outside && volume && now.value < band.lower && reason != Feature::Volatility {
            reason = Feature::Loss;
        }
        let score = score_within(surprise * sensitivity, outside, settings.open_score);
        Score {
            value: score,
            expected: band.expected,
            lower: band.lower,
            upper: band.upper,
            features: self.features.features(now.rest, &self.ladder.baselines, found.z, found.scales[0]),
            direction: band.side(now.value),
            reason,
            goes_on: now.judged && self.fault_goes_on(found.z[0]),
        }
    }

    /// The band with the values that disturbances reach that are known.
    fn known(&self, now: &Now, band: &Band, alert: f64) -> Band {
        let [below, above] = [0, 1].map(|side| alert * self.visits[side].reach(self.hold.values_on(side), now.hour));
        let expected = self.ladder.baselines[0] + now.season;
        let (lower, upper) = (smaller(band.lower, expected - below), larger(band.upper, expected + above));
        match (below > 0.0, above > 0.0) {
            (false, false) => *band,
            (down, up) => {
                let ends = (if down { lower } else { band.lower }, if up { upper } else { band.upper });
                Band::new(band.expected, ends.0, ends.1, self.bounds.range(self.seen))
            }
        }
    }

    /// The value below which most of the expected one is lost, and which lies far out, if not
    /// beyond the edge. Two in a row alert. `alert` is the surprise that does.
    pub(super) fn loss_below(&self, now: &Now, found: &Distances, alert: f64) -> f64 {
        if !self.bounds.observed(0.0).never_negative {
            return f64::NEG_INFINITY;
        }
        let expected = self.ladder.baselines[0] + now.season;
        let reach = found.scales[0] * found.edges[0][0] * self.limiter.factor() * alert;
        smaller(LEFT_OF_A_LOSS * expected, expected - SECOND_LOSS * reach)
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
            let nearby = |step: usize| if side == 1 { found.nearby[step].1 } else { -found.nearby[step].0 };
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
                let slow_season = if step >= SLOW { now.slow_season } else { 0.0 };
                let value = (mean - (1.0 - rate) * ladder.means[step]) * SIZES[step] + slow_season;
                let distance = sign * (value - base);
                // A mean follows a value in this range only.
                if distance <= if side == 1 { followed.1 } else { followed.0 } {
                    reach = smaller(reach, larger(distance, nearby(0) + sigma));
                }
            }
            *end = base + sign * reach;
        }
        let expected = base + now.season;
        let [lower, upper] = ends.map(|end| (end + now.season).clamp(-f64::MAX, f64::MAX));
        Band::new(expected, lower, upper, self.bounds.range(self.seen))
    }
}

/// Half to twice of a level.
fn around(level: f64) -> (f64, f64) {
    let (near, far) = (0.5 * level, 2.0 * level);
    (near.min(far), near.max(far))
}

/// The part of a distance beyond a tolerated range around 0.
fn beyond(distance: f64, (down, up): (f64, f64)) -> f64 {
    larger(distance - up, 0.0) + smaller(distance - down, 0.0)
}

pub(super) fn within(band: (f64, f64), value: f64) -> bool {
    band.0 <= value && value <= band.1
}
