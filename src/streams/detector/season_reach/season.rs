//! The season: what the time of day and the hour of the week say about a value.
//!
//! Three candidates compete: nothing, the day's course, the day's course and what the week adds.
//! Each predicts every value; the one with the smallest error is in use. So the week counts from
//! its second occurrence, and costs nothing where there is none.

mod profile;
mod profiles;
mod slow;

use crate::arithmetic::{larger, smaller};
use crate::stored::Stored;
pub(super) use profile::Place;
use profile::counted;
use profiles::Near;
pub(super) use profiles::Profiles;
use slow::Slow;

pub(super) const DAY_MS: f64 = 86_400_000.0;
const HOUR_MS: f64 = 3_600_000.0;
/// Slots of the day (ten minutes each) and of the week (an hour each).
const SLOTS: usize = 144;
const HOURS: usize = 168;
const SLOT_MS: f64 = DAY_MS / SLOTS as f64;
/// Intervals above which a profile is read without interpolation: samples on the full hour would
/// otherwise fall between two slots.
const COARSE_DAY_MS: f64 = 400_000.0;
const COARSE_WEEK_MS: f64 = 2_000_000.0;
/// Memory of a slot: days of the day's course, weeks of the week's.
const DAYS: f64 = 14.0;
const WEEKS: f64 = 4.0;
/// Days after which the ramp of a trend is taken out.
const LEVELLED_DAYS: u8 = 2;
/// Values after which candidates can be compared.
const COMPARED: u32 = 12;
/// Rate at which the level of a candidate follows.
const LEVEL_RATE: f64 = 0.05;
/// Bounds of the memory of a candidate's error, in samples; in between it is a day.
const ERROR_MEMORY: (f64, f64) = (50.0, 2_000.0);
/// One error counts at most this many usual ones.
const OUTLIER: f64 = 8.0;
/// Another candidate is used if its error is below this share of the current one.
const BETTER: f64 = 0.85;

/// Values a day from which slow means have a choice of their own.
const SLOW_FROM: f64 = 720.0;

/// What each candidate adds, and how far the day's course rises and falls nearby.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seasonal {
    pub(super) candidates: [f64; 3],
    /// Rise and fall of the day's course within a slot before and after, at least 0 and at most 0.
    pub(super) nearby: (f64, f64),
}

/// The present slots of day and week, and the errors of the candidates.
#[derive(Debug, Clone)]
pub(super) struct Season {
    /// Mean of the last day; profiles hold the difference from it.
    day_level: f64,
    /// Power of two near the first difference; 0 while there was none.
    unit: f64,
    levels: [f64; 3],
    errors: [f64; 3],
    slow: Slow,
    day: Near<5>,
    week: Near<3>,
    used: u8,
    first_slot: u8,
    /// Profiles that have come around: 1 from the second day on, 2 from the second week on.
    known: u8,
    /// Values since then, over which the errors are means.
    compared: u32,
}

impl Season {
    pub(super) fn starting_at(value: f64) -> Self {
        Self {
            day_level: value,
            unit: 0.0,
            levels: [value; 3],
            errors: [0.0; 3],
            slow: Slow::starting_at(value),
            day: Near::new(),
            week: Near::new(),
            used: 0,
            first_slot: 0,
            known: 0,
            compared: 0,
        }
    }

    /// The candidate in use.
    pub(super) fn used(&self) -> usize {
        usize::from(self.used % 3)
    }

    /// The candidate in use for means of sixteen values and more.
    pub(super) fn used_slowly(&self) -> usize {
        self.slow.used()
    }

    /// Learns how well the candidates predict slow means; returns as [`compare`](Self::compare).
    /// Fewer values a day have one choice for all: a slow mean would last for hours, and miss a job
    /// that starts a little later.
    pub(super) fn compare_slowly(
        &mut self,
        value: f64,
        candidates: &[f64; 3],
        per_day: f64,
        early: f64,
    ) -> Option<(f64, f64)> {
        let rate = larger(1.0 / per_day.clamp(ERROR_MEMORY.0, ERROR_MEMORY.1), early);
        let chosen = (per_day < SLOW_FROM).then(|| self.used());
        self.slow.learn(value, candidates, (rate, early), chosen)
    }

    /// The candidates at a place.
    pub(super) fn at(&mut self, place: Place, interval_ms: f64, profiles: &mut Profiles) -> Seasonal {
        let coarse = interval_ms > COARSE_DAY_MS;
        let here =
            place.day as usize == usize::from(self.day.slot) && place.week as usize == usize::from(self.week.slot);
        // The slots nearby suffice if samples come at least once a slot.
        if here && interval_ms <= SLOT_MS {
            return self.seasonal(interval_ms, self.week.at(place.week, false), |shift| {
                self.day.at(place.day + shift, coarse)
            });
        }
        if place.day as usize != usize::from(self.day.slot) {
            self.day.end_visit(&mut profiles.day);
        }
        if place.week as usize != usize::from(self.week.slot) {
            self.week.end_visit(&mut profiles.week);
        }
        let week = profiles.week.at(place.week, interval_ms > COARSE_WEEK_MS);
        self.seasonal(interval_ms, week, |shift| profiles.day.at(place.day + shift, coarse))
    }

    #[inline(always)]
    fn seasonal(&self, interval_ms: f64, week: Option<f64>, day_at: impl Fn(f64) -> Option<f64>) -> Seasonal {
        // In its first day or week a profile knows nothing but what has just been.
        let day_at = |shift: f64| if self.known > 0 { day_at(shift) } else { None };
        let week = if self.known > 1 { week } else { None };
        let (day, week) = (day_at(0.0).unwrap_or(0.0), week.unwrap_or(0.0));
        let mut nearby = (0.0f64, 0.0f64);
        if self.used() > 0 || self.slow.used() > 0 {
            let step = larger(interval_ms / SLOT_MS, 1.0);
            for shift in [-step, -0.5 * step, 0.5 * step, step] {
                let change = day_at(shift).map_or(0.0, |there| there - day);
                nearby = (larger(nearby.0, change), smaller(nearby.1, change));
            }
        }
        let unit = self.unit;
        Seasonal { candidates: [0.0, day * unit, (day + week) * unit], nearby: (nearby.0 * unit, nearby.1 * unit) }
    }

    /// Learns how well the candidates predict a value. If another candidate is used from now on,
    /// returns its difference from the former one, and the ratio of their errors.
    pub(super) fn compare(
        &mut self,
        value: f64,
        candidates: &[f64; 3],
        per_day: f64,
        age_ms: i64,
        judged: bool,
        profiles: &mut Profiles,
    ) -> Option<(f64, f64)> {
        let coarse = is_coarse(per_day);
        let age = age_ms as f64;
        let known = u8::from(age >= DAY_MS) + u8::from(age >= 7.0 * DAY_MS);
        if known != self.known {
            if coarse {
                if self.known == 0 {
                    self.centre(profiles);
                }
                // Few values a day: what was learned before a profile was known would weigh for
                // days.
                self.compared = 0;
            }
            self.known = known;
        }
        let early = 1.0 / (f64::from(self.compared) + 1.0);
        let began = self.compared == 0;
        self.compared = self.compared.saturating_add(1);
        let rate = larger(1.0 / per_day.clamp(ERROR_MEMORY.0, ERROR_MEMORY.1), early);
        let least = 0.2 * self.errors[0];
        for (c, candidate) in candidates.iter().enumerate() {
            let rest = value - candidate;
            let error = (rest - self.levels[c]).abs();
            let most = if judged && !began { OUTLIER * larger(self.errors[c], least) } else { f64::INFINITY };
            self.errors[c] += rate * (smaller(error, most) - self.errors[c]);
            self.levels[c] += larger(LEVEL_RATE, early) * (rest - self.levels[c]);
        }
        if coarse && (self.known == 0 || self.compared < COMPARED) {
            return None;
        }
        let (before, mut best) = (self.used(), self.used());
        for c in 0..3 {
            if self.errors[c] < BETTER * self.errors[best] {
                best = c;
            }
        }
        self.used = best as u8;
        let ratio = if self.errors[before] > 0.0 { self.errors[best] / self.errors[before] } else { 1.0 };
        (best != before).then(|| (candidates[best] - candidates[before], ratio))
    }

    /// Adds a value to the profiles.
    pub(super) fn learn(&mut self, place: Place, value: f64, per_day: f64, seen: f64, profiles: &mut Profiles) {
        // With few values a day, the level in the first one is the first value: a mean that still
        // moves would distort the profile.
        if self.known > 0 || !is_coarse(per_day) {
            let memory = smaller(seen + 1.0, per_day.clamp(24.0, 100_000.0));
            self.day_level += (value - self.day_level) / memory;
        }
        self.turn_to(place, profiles);
        let rest = value - self.day_level;
        if self.unit == 0.0 && rest != 0.0 {
            self.unit = f64::from_bits(rest.to_bits() & 0x7ff0_0000_0000_0000).max(f64::MIN_POSITIVE);
        }
        let rest = if rest == 0.0 { 0.0 } else { rest / self.unit };
        let Near { mean, rows, visits, .. } = &mut self.day;
        *mean += (rest - *mean) / counted(*visits, rows, per_day / SLOTS as f64, DAYS, 4.0);
        let rest = rest - *mean;
        let Near { mean, rows, visits, .. } = &mut self.week;
        *mean += (rest - *mean) / counted(*visits, rows, per_day / 24.0, WEEKS, 2.0);
    }

    /// After the first day: the level becomes its mean.
    fn centre(&mut self, profiles: &mut Profiles) {
        let Some(mean) = profiles.day.centre() else { return };
        self.day_level += mean * self.unit;
        self.day.mean -= mean;
        self.day.look_around(&profiles.day);
    }

    fn turn_to(&mut self, place: Place, profiles: &mut Profiles) {
        let (day, week) = (place.day as usize % SLOTS, place.week as usize % HOURS);
        if day != usize::from(self.day.slot) {
            self.day.end_visit(&mut profiles.day);
            if self.day.slot == profiles::NONE {
                self.first_slot = day as u8;
            }
            if day == usize::from(self.first_slot) {
                profiles.day.level_out(day);
            }
            self.day.visit(day, &profiles.day);
        }
        if week != usize::from(self.week.slot) {
            self.week.end_visit(&mut profiles.week);
            self.week.visit(week, &profiles.week);
        }
    }

    pub(super) fn put(&self, profiles: &Profiles, out: &mut Vec<u8>) {
        [self.day_level, self.unit, self.day.mean, self.week.mean].put(out);
        self.levels.put(out);
        self.errors.put(out);
        self.slow.put(out);
        profiles.day.means.put(out);
        profiles.week.means.put(out);
        [self.day.rows, self.week.rows].put(out);
        profiles.day.visits.put(out);
        profiles.week.visits.put(out);
        [self.day.slot, self.week.slot, self.used, self.first_slot, self.known].put(out);
        self.compared.put(out);
    }

    pub(super) fn read(from: &mut &[u8]) -> Option<(Self, Profiles)> {
        let (mut season, mut profiles) = (Self::starting_at(0.0), Profiles::new());
        [season.day_level, season.unit, season.day.mean, season.week.mean] = Stored::read(from)?;
        season.levels = Stored::read(from)?;
        season.errors = Stored::read(from)?;
        season.slow = Stored::read(from)?;
        profiles.day.means = Stored::read(from)?;
        profiles.week.means = Stored::read(from)?;
        [season.day.rows, season.week.rows] = Stored::read(from)?;
        profiles.day.visits = Stored::read(from)?;
        profiles.week.visits = Stored::read(from)?;
        [season.day.slot, season.week.slot, season.used, season.first_slot, season.known] = Stored::read(from)?;
        season.compared = Stored::read(from)?;
        season.day.look_around(&profiles.day);
        season.week.look_around(&profiles.week);
        Some((season, profiles))
    }
}

/// Whether a series has so few values a day that slots are read without interpolation.
fn is_coarse(per_day: f64) -> bool {
    per_day * COARSE_DAY_MS < DAY_MS
}
