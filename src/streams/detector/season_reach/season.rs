//! The season: what the time of day and the hour of the week say about a value.
//!
//! Three candidates compete: nothing, the day's course, the day's course and what the week adds.
//! Each predicts every value; the one with the smallest error is in use. So the week counts from
//! its second occurrence, and costs nothing where there is none.

mod profile;

use super::halves::{Half, decode, encode};
use crate::stored::stored_fields;
pub(super) use profile::Place;
use profile::{counted, profile};

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
const BETTER: f64 = 0.97;

/// What each candidate adds, and how far the day's course rises and falls nearby.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seasonal {
    pub(super) candidates: [f64; 3],
    /// Rise and fall of the day's course within a slot before and after, at least 0 and at most 0.
    pub(super) nearby: (f64, f64),
}

/// Profiles of day and week, and the errors of the candidates.
#[derive(Debug, Clone)]
pub(super) struct Season {
    /// Mean of the last day; profiles hold the difference from it.
    day_level: f64,
    /// Power of two near the first difference; 0 while there was none.
    unit: f64,
    /// The means of the current slots in full precision.
    day_mean: f64,
    week_mean: f64,
    levels: [f64; 3],
    errors: [f64; 3],
    day: [Half; SLOTS],
    week: [Half; HOURS],
    /// Rows of the current visits.
    day_rows: u16,
    week_rows: u16,
    day_visits: [u8; SLOTS],
    week_visits: [u8; HOURS],
    day_slot: u8,
    week_slot: u8,
    used: u8,
    first_slot: u8,
    /// Profiles that have come around: 1 from the second day on, 2 from the second week on.
    known: u8,
    /// Values since then, over which the errors are means.
    compared: u32,
}

stored_fields!(Season {
    day_level,
    unit,
    day_mean,
    week_mean,
    levels,
    errors,
    day,
    week,
    day_rows,
    week_rows,
    day_visits,
    week_visits,
    day_slot,
    week_slot,
    used,
    first_slot,
    known,
    compared,
});

impl Season {
    pub(super) fn starting_at(value: f64) -> Self {
        Self {
            day_level: value,
            unit: 0.0,
            day_mean: 0.0,
            week_mean: 0.0,
            levels: [value; 3],
            errors: [0.0; 3],
            day: [0; SLOTS],
            week: [0; HOURS],
            day_rows: 0,
            week_rows: 0,
            day_visits: [0; SLOTS],
            week_visits: [0; HOURS],
            day_slot: u8::MAX,
            week_slot: u8::MAX,
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

    /// The candidates at a place.
    pub(super) fn at(&self, place: Place, interval_ms: f64) -> Seasonal {
        let coarse = interval_ms > COARSE_DAY_MS;
        let day_at = |shift: f64| profile(&self.day, &self.day_visits, place.day + shift, coarse);
        let day = day_at(0.0).unwrap_or(0.0);
        let week = profile(&self.week, &self.week_visits, place.week, interval_ms > COARSE_WEEK_MS).unwrap_or(0.0);
        let mut nearby = (0.0f64, 0.0f64);
        if self.used() > 0 {
            let step = (interval_ms / SLOT_MS).max(1.0);
            for shift in [-step, -0.5 * step, 0.5 * step, step] {
                let change = day_at(shift).map_or(0.0, |there| there - day);
                nearby = (nearby.0.max(change), nearby.1.min(change));
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
    ) -> Option<(f64, f64)> {
        let coarse = is_coarse(per_day);
        let age = age_ms as f64;
        let known = u8::from(age >= DAY_MS) + u8::from(age >= 7.0 * DAY_MS);
        if known != self.known {
            if coarse {
                if self.known == 0 {
                    self.centre();
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
        let rate = (1.0 / per_day.clamp(ERROR_MEMORY.0, ERROR_MEMORY.1)).max(early);
        let least = 0.2 * self.errors[0];
        for (c, candidate) in candidates.iter().enumerate() {
            let rest = value - candidate;
            let error = (rest - self.levels[c]).abs();
            let most = if judged && !began { OUTLIER * self.errors[c].max(least) } else { f64::INFINITY };
            self.errors[c] += rate * (error.min(most) - self.errors[c]);
            self.levels[c] += LEVEL_RATE.max(early) * (rest - self.levels[c]);
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
    pub(super) fn learn(&mut self, place: Place, value: f64, per_day: f64, seen: f64) {
        // With few values a day, the level in the first one is the first value: a mean that still
        // moves would distort the profile.
        if self.known > 0 || !is_coarse(per_day) {
            let memory = (seen + 1.0).min(per_day.clamp(24.0, 100_000.0));
            self.day_level += (value - self.day_level) / memory;
        }
        self.turn_to(place);
        let rest = value - self.day_level;
        if self.unit == 0.0 {
            if rest == 0.0 {
                return;
            }
            self.unit = f64::from_bits(rest.to_bits() & 0x7ff0_0000_0000_0000).max(f64::MIN_POSITIVE);
        }
        let rest = rest / self.unit;
        let day = usize::from(self.day_slot);
        let count = counted(self.day_visits[day], &mut self.day_rows, per_day / SLOTS as f64, DAYS, 4.0);
        self.day_mean += (rest - self.day_mean) / count;
        self.day[day] = encode(self.day_mean as f32);
        let week = usize::from(self.week_slot);
        let count = counted(self.week_visits[week], &mut self.week_rows, per_day / 24.0, WEEKS, 2.0);
        self.week_mean += (rest - self.day_mean - self.week_mean) / count;
        self.week[week] = encode(self.week_mean as f32);
    }

    /// After the first day: the level becomes its mean.
    fn centre(&mut self) {
        let known = |slot: &usize| self.day_visits[*slot] > 0;
        let values = (0..SLOTS).filter(known).map(|slot| f64::from(decode(self.day[slot])));
        let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        if count == 0.0 {
            return;
        }
        let mean = sum / count;
        self.day_level += mean * self.unit;
        self.day_mean -= mean;
        for slot in 0..SLOTS {
            if self.day_visits[slot] > 0 {
                self.day[slot] = encode((f64::from(decode(self.day[slot])) - mean) as f32);
            }
        }
    }

    /// Takes out the ramp that a trend has left in the first days, when the mean of the day lagged
    /// less than later. It shows as a jump where the first sample was; a course of the day has none
    /// between two slots there.
    fn level_out(&mut self, from: usize) {
        let slot = |i: usize| (from + i) % SLOTS;
        if self.day_visits.contains(&0) {
            return;
        }
        // Straight lines through two means of half an hour on each side.
        let mean = |i: usize| (0..3).map(|k| f64::from(decode(self.day[slot(i + k)]))).sum::<f64>() / 3.0;
        let jump = 1.5 * mean(SLOTS - 3) - 0.5 * mean(SLOTS - 6) - 1.5 * mean(0) + 0.5 * mean(3);
        for i in 0..SLOTS {
            let share = i as f64 / (SLOTS - 1) as f64 - 0.5;
            self.day[slot(i)] = encode((f64::from(decode(self.day[slot(i)])) - jump * share) as f32);
        }
    }

    fn turn_to(&mut self, place: Place) {
        let (day, week) = (place.day as usize % SLOTS, place.week as usize % HOURS);
        if day != usize::from(self.day_slot) {
            if self.day_slot == u8::MAX {
                self.first_slot = day as u8;
            }
            if day == usize::from(self.first_slot) && (1..=LEVELLED_DAYS).contains(&self.day_visits[day]) {
                self.level_out(day);
            }
            self.day_slot = day as u8;
            self.day_rows = 0;
            self.day_mean = f64::from(decode(self.day[day]));
            self.day_visits[day] = self.day_visits[day].saturating_add(1);
        }
        if week != usize::from(self.week_slot) {
            self.week_slot = week as u8;
            self.week_rows = 0;
            self.week_mean = f64::from(decode(self.week[week]));
            self.week_visits[week] = self.week_visits[week].saturating_add(1);
        }
    }
}

/// Whether a series has so few values a day that slots are read without interpolation.
fn is_coarse(per_day: f64) -> bool {
    per_day * COARSE_DAY_MS < DAY_MS
}
