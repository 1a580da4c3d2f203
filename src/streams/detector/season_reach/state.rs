//! The state of one series: scores a value by the earlier ones, then learns it.

mod depth;
mod hold;
mod judgement;
mod learning;
mod visits;

use super::band::Bounds;
use super::hours::{Hours, Missing, UsualMaxima};
use super::ladder::{Ladder, SIZES, SLOW, STEPS};
use super::limiter::Limiter;
use super::pace::{counted_interval, pace, shorter_tail};
use super::repeats::{HourlyRepeats, Repeats};
use super::season::{DAY_MS, Place, Profiles, Season, Seasonal};
use super::steps::Steps;
use crate::arithmetic::{exp2_neg, larger, log2, smaller};
use crate::detector::features::FeatureState;
use crate::detector::score::Score;
use crate::natural::Observed;
use crate::settings::StreamSettings;
use crate::stored::Stored;
use depth::Depth;
use hold::Hold;
use judgement::{Distances, within};
use visits::Visits;

/// Share of the extrapolated edge at which a value alerts.
const EDGE: f64 = 0.87;
/// Values before the first can alert; changes among them, or values if there are fewer changes.
const JUDGED_FROM: u32 = 30;
const CHANGES: u32 = 10;
const JUDGED_WITHOUT_CHANGES: u32 = 500;
/// Means that are newer than this have wider edges: five times as many samples a day do not
/// deserve five times as many alerts. The exponent, and the largest factor.
const CADENCE_MS: f64 = 300_000.0;
const CADENCE: (f64, f64) = (0.36, 2.0);
/// On slower series than that, the edge of single values shrinks by this for each doubling of the
/// interval, to this at least: values that are rarer alert more rarely.
const SLOWER: (f64, f64) = (0.03, 0.85);
const HOUR_MS: i64 = 3_600_000;
/// Surprise from which a value is an outlier, which moves no baseline.
const OUTLIER: f64 = 1.15;
/// Share of the bare edge of the first outlier from which a value after it, on its side, is another
/// one: a fault goes on although its values are not all as far out as its first one.
const GOES_ON: f64 = 0.4;
/// Outliers on one side after which their level is accepted: three hours, within these bounds,
/// which are minutes on a series that is faster.
const ACCEPTED_DAYS: f64 = 0.125;
const ACCEPTED: (f64, f64) = (6.0, 120.0);
const ACCEPTED_LEAST_DAYS: f64 = 120.0 / 1_440.0;
/// Limit of the counter of outliers.
const MOST_OUTLIERS: f64 = 32_000.0;
/// An accepted level this many edges away is another source, and one with this many times the
/// expected value, or this part of it, is another unit: the series is forgotten.
const ANOTHER_SOURCE: f64 = 15.0;
const ANOTHER_UNIT: f64 = 20.0;
const STARTS_ANEW_FROM: u32 = 500;
/// Age up to which outliers teach the profiles nothing, and from which they are cut before they do.
const FIRST_DAY_MS: i64 = 86_400_000;
const CUT_AFTER_MS: i64 = 259_200_000;
/// Interval that is assumed before it is known.
const FIRST_INTERVAL_MS: f64 = 60_000.0;

/// The state of the detector for one series.
#[derive(Debug, Clone)]
pub(super) struct State {
    since_ms: i64,
    last_ms: i64,
    /// Usual milliseconds between samples; 0 while unknown.
    interval_ms: f64,
    /// Usual number of samples a day, the share of a minute that a sample stands for, and the
    /// factor of each step for its cadence; they are refreshed now and then.
    per_day: f64,
    pace: f64,
    cadences: [f32; STEPS],
    seen: u32,
    /// Outliers on one side: above 0 above, below 0 below.
    outliers: i16,
    /// Whether the newest value had lost most of the expected one.
    lost: bool,
    /// Bare edge at the first of them.
    first_edge: f64,
    /// The held level that was left, and for how many values more it is expected; 0 if none was.
    left_level: f64,
    left_for: u32,
    /// The edges of the present fault, and disturbances that are known, below and above.
    hold: Hold,
    visits: [Visits; 2],
    depth: Depth,
    ladder: Ladder,
    limiter: Limiter,
    steps: Steps,
    bounds: Bounds,
    features: FeatureState,
    season: Season,
    hours: Hours,
    repeats: Repeats,
    cold: Box<Cold>,
}

/// The numbers of each time of day and week. Ordinary samples do not touch them: `season`, `hours`
/// and `repeats` hold those of the present slot, until the next slot of ten minutes begins.
#[derive(Debug, Clone)]
pub(super) struct Cold {
    profiles: Profiles,
    maxima: UsualMaxima,
    hourly: HourlyRepeats,
}

impl Stored for State {
    fn put(&self, out: &mut Vec<u8>) {
        self.since_ms.put(out);
        self.last_ms.put(out);
        self.interval_ms.put(out);
        self.per_day.put(out);
        self.pace.put(out);
        self.cadences.put(out);
        self.seen.put(out);
        self.outliers.put(out);
        self.lost.put(out);
        self.first_edge.put(out);
        self.left_level.put(out);
        self.left_for.put(out);
        self.hold.put(out);
        self.visits.put(out);
        self.depth.put(out);
        self.ladder.put(out);
        self.limiter.put(out);
        self.steps.put(out);
        self.bounds.put(out);
        self.features.put(out);
        self.season.put(&self.cold.profiles, out);
        self.hours.put(&self.cold.maxima, out);
        self.repeats.put(&self.cold.hourly, out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let mut state = Self {
            since_ms: Stored::read(from)?,
            last_ms: Stored::read(from)?,
            interval_ms: Stored::read(from)?,
            per_day: Stored::read(from)?,
            pace: Stored::read(from)?,
            cadences: Stored::read(from)?,
            seen: Stored::read(from)?,
            outliers: Stored::read(from)?,
            lost: Stored::read(from)?,
            first_edge: Stored::read(from)?,
            left_level: Stored::read(from)?,
            left_for: Stored::read(from)?,
            hold: Stored::read(from)?,
            visits: Stored::read(from)?,
            depth: Stored::read(from)?,
            ladder: Stored::read(from)?,
            limiter: Stored::read(from)?,
            steps: Stored::read(from)?,
            bounds: Stored::read(from)?,
            features: Stored::read(from)?,
            ..Self::starting_at(0, 0.0)
        };
        (state.season, state.cold.profiles) = Season::read(from)?;
        (state.hours, state.cold.maxima) = Hours::read(from)?;
        (state.repeats, state.cold.hourly) = Repeats::read(from)?;
        Some(state)
    }
}

/// A value as the detector sees it, with all that is known of its place.
struct Now {
    value: f64,
    place: Place,
    seasonal: Seasonal,
    /// What the season in use adds.
    season: f64,
    /// The value without the season, and without that of each step of the ladder.
    rest: f64,
    rests: [f64; STEPS],
    /// What the season of slow means adds, beyond the one in use.
    slow_season: f64,
    /// Hours since the Unix epoch.
    hour: u32,
    /// Milliseconds since the first value.
    age_ms: i64,
    interval_ms: f64,
    /// 1/(n + 1): the least rate, so that the first values count equally.
    early: f64,
    /// Whether distances are known.
    judged: bool,
    /// The regular disturbance of the hour before, if it did not come.
    missing: Option<Missing>,
}

impl State {
    /// Before the first sample, which is `value`.
    pub(super) fn starting_at(timestamp_ms: i64, value: f64) -> Self {
        Self {
            since_ms: timestamp_ms,
            last_ms: timestamp_ms,
            interval_ms: 0.0,
            per_day: 0.0,
            pace: 1.0,
            cadences: [1.0; STEPS],
            seen: 0,
            outliers: 0,
            lost: false,
            first_edge: 0.0,
            left_level: 0.0,
            left_for: 0,
            hold: Hold::default(),
            visits: [Visits::default(); 2],
            depth: Depth::new(),
            ladder: Ladder::starting_at(value),
            limiter: Limiter::new(),
            steps: Steps::starting_at(value),
            bounds: Bounds::starting_at(value),
            features: FeatureState::new(),
            season: Season::starting_at(value),
            hours: Hours::new(),
            repeats: Repeats::new(),
            cold: Box::new(Cold {
                profiles: Profiles::new(),
                maxima: UsualMaxima::new(),
                hourly: HourlyRepeats::new(),
            }),
        }
    }

    /// Bytes of a state on the heap.
    pub(super) const fn heap_bytes() -> usize {
        size_of::<Cold>()
    }

    /// What the values were so far.
    pub(super) fn observed(&self) -> Observed {
        self.bounds.observed(self.steps.smallest())
    }

    pub(super) fn seen(&self) -> u32 {
        self.seen
    }

    /// How long the series is known at a time, milliseconds.
    pub(super) fn known_for_ms(&self, timestamp_ms: i64) -> i64 {
        timestamp_ms.saturating_sub(self.since_ms)
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
        let stuck = self.repeats.push(repeats, self.per_day, self.seen, now.age_ms);
        let score =
            (self.seen >= settings.warm_up).then(|| self.describe(&now, &found, held, stuck, sensitivity, settings));
        self.lost = now.judged && now.value < self.loss_below(&now, &found, 1.0);
        let surprise = larger(found.surprise / self.limiter.factor(), stuck);
        let left = held.is_some_and(|band| !within(band, value));
        let sunk = self.sink(&now, &found);
        self.leave(&now, left);
        if self.learn(&now, &found, surprise >= OUTLIER || left || sunk, surprise >= 1.0 || left || sunk) {
            *self = Self::starting_at(timestamp_ms, value);
        }
        score
    }

    /// Learns how much of the expected value is lost. Returns whether it is more than ever before.
    fn sink(&mut self, now: &Now, found: &Distances) -> bool {
        let expected = self.ladder.baselines[0] + now.season;
        let below = now.value < self.floor(now, found);
        if now.judged {
            self.depth.learn(now.value, expected, below, self.per_day);
        }
        below
    }

    /// The value below which more is lost than ever before; `−∞` if nothing is known.
    fn floor(&self, now: &Now, found: &Distances) -> f64 {
        if !now.judged || !self.bounds.observed(0.0).never_negative {
            return f64::NEG_INFINITY;
        }
        let expected = self.ladder.baselines[0] + now.season;
        self.depth.floor(expected, found.scales[0], self.seen, now.age_ms)
    }

    /// A held level that is left stays expected until its new value is accepted.
    fn leave(&mut self, now: &Now, left: bool) {
        match (left, self.left_for) {
            (false, _) => self.left_for = 0,
            (true, 0) => (self.left_level, self.left_for) = (self.steps.last(), self.accepted_after() as u32),
            (true, 1) => {
                self.left_for = 0;
                self.ladder.accept(&now.rests);
            }
            (true, more) => self.left_for = more - 1,
        }
    }

    /// Values of a new level after which it is accepted.
    fn accepted_after(&self) -> f64 {
        let most = larger(ACCEPTED.1, smaller(ACCEPTED_LEAST_DAYS * self.per_day, MOST_OUTLIERS));
        (ACCEPTED_DAYS * self.per_day).clamp(ACCEPTED.0, most)
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
            self.pace = pace(interval_ms, f64::from(self.seen));
            self.cadences = SIZES.map(|size| cadence(counted_interval(interval_ms, size)) as f32);
            self.cadences[0] *= (shorter_tail(self.pace) * slower(interval_ms)) as f32;
        }
        self.ladder.refresh(self.seen);
        self.bounds.learn(value, self.seen);
        let place = Place::at(local_ms);
        let missing = self.hours.turn_to(place.hour(), self.per_day, &mut self.cold.maxima);
        self.repeats.turn_to(place.hour(), &mut self.cold.hourly);
        let seasonal = self.season.at(place, interval_ms, &mut self.cold.profiles);
        let season = seasonal.candidates[self.season.used()];
        let early = 1.0 / (f64::from(self.seen) + 1.0);
        let changed = self.steps.changes() >= CHANGES || self.seen >= JUDGED_WITHOUT_CHANGES;
        let judged = self.seen >= JUDGED_FROM && changed;
        let slow_season = seasonal.candidates[self.season.used_slowly()] - season;
        let rest = value - season;
        let mut rests = [rest; STEPS];
        rests[SLOW..].fill(rest - slow_season);
        let hour = (timestamp_ms / HOUR_MS).clamp(0, i64::from(u32::MAX)) as u32;
        let age_ms = timestamp_ms.saturating_sub(self.since_ms);
        Now {
            value,
            place,
            seasonal,
            season,
            rest,
            rests,
            slow_season,
            hour,
            age_ms,
            interval_ms,
            early,
            judged,
            missing,
        }
    }
}

/// The factor on the edge of single values of a series slower than the usual cadence.
fn slower(interval_ms: f64) -> f64 {
    if interval_ms <= CADENCE_MS { 1.0 } else { larger(1.0 - SLOWER.0 * log2(interval_ms / CADENCE_MS), SLOWER.1) }
}

/// The factor on the edges of a series with this interval.
fn cadence(interval_ms: f64) -> f64 {
    let ratio = interval_ms.min(DAY_MS) / CADENCE_MS;
    // Far below, the limit holds, and no logarithm is needed.
    if ratio <= 0.14 {
        return CADENCE.1;
    }
    if ratio >= 1.0 { 1.0 } else { (1.0 / exp2_neg(-CADENCE.0 * log2(ratio))).min(CADENCE.1) }
}
