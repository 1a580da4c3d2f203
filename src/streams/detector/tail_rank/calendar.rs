//! The usual value at each hour of the day and of the week, as running means.
//!
//! Stored means are codes of two bytes. The means of the current hour are kept in full precision,
//! so that rounding happens once an hour, not once a sample. Counts of the hours of the week are
//! stored in four bits, on a scale with steps of about one and a half: they only set the learning
//! rate. Hours are local, so that a change of the clock does not shift the profile.

use super::quantize::{Code, decode, encode};
use crate::stored::stored_fields;

const HOURS: usize = 24;
const WEEK: usize = 7 * HOURS;
const HOUR_MS: i64 = 3_600_000;
/// Means remember eight hours of samples for an hour of the day, four for an hour of the week …
const DAY_MEMORY_MS: f64 = 8.0 * HOUR_MS as f64;
const WEEK_MEMORY_MS: f64 = 4.0 * HOUR_MS as f64;
/// … within these numbers of samples.
const DAY_SAMPLES: (f64, f64) = (8.0, 512.0);
const WEEK_SAMPLES: (f64, f64) = (4.0, 256.0);
/// Counts that four bits can store.
const COUNTS: [u16; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 72, 108, 162, 256];
/// Midnights needed before [`Calendar::usual`] has a value.
const NEEDED_MIDNIGHTS: u8 = 2;
/// No hour has started yet.
const NEVER: u8 = u8::MAX;

/// The means of the current hour.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Hour of the week, or [`NEVER`].
    hour: u8,
    day_count: u16,
    week_count: u16,
    day: f32,
    day_median: f32,
    week: f32,
}

stored_fields!(Open { hour, day_count, week_count, day, day_median, week });

/// Means by hour.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    days: [Code; HOURS],
    day_medians: [Code; HOURS],
    day_counts: [u16; HOURS],
    weeks: [Code; WEEK],
    week_counts: [u8; WEEK / 2],
    open: Open,
    midnights: u8,
    /// An hour of the day has come again.
    returned: bool,
}

stored_fields!(Calendar { days, day_medians, day_counts, weeks, week_counts, open, midnights, returned });

/// Distance of a sample from the usual values of its hour; 0 in an hour without values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Residuals {
    /// The value minus the mean of the hour of the day.
    pub(super) day: f32,
    /// The short median minus that of the hour of the day.
    pub(super) day_median: f32,
    /// The value minus the mean of the hour of the week.
    pub(super) week: f32,
    /// The smaller of the two residuals of the value.
    pub(super) nearer: f32,
    /// An hour of the day came again for the first time. Until then its mean followed the values as
    /// they came, and residuals were small; from here on they compare different days.
    pub(super) first_return: bool,
}

impl Calendar {
    pub(super) fn new() -> Self {
        Self {
            days: [0; HOURS],
            day_medians: [0; HOURS],
            day_counts: [0; HOURS],
            weeks: [0; WEEK],
            week_counts: [0; WEEK / 2],
            open: Open { hour: NEVER, day_count: 0, week_count: 0, day: 0.0, day_median: 0.0, week: 0.0 },
            midnights: 0,
            returned: false,
        }
    }

    /// Residuals of a value and a short median at a local time; then learns from both.
    /// `interval_ms` is the usual time between samples.
    pub(super) fn push(&mut self, local_ms: i64, value: f32, median: f32, interval_ms: f64) -> Residuals {
        let hour = local_ms.div_euclid(HOUR_MS).rem_euclid(WEEK as i64) as u8;
        let known_before = self.returned;
        if hour != self.open.hour {
            self.turn_to(hour);
        }
        let interval_ms = interval_ms.max(1.0);
        let open = &mut self.open;
        let known = |count: u16, residual: f32| if count == 0 { 0.0 } else { residual };
        let day = known(open.day_count, value - open.day);
        let week = known(open.week_count, value - open.week);
        let residuals = Residuals {
            day,
            day_median: known(open.day_count, median - open.day_median),
            week,
            nearer: if open.week_count > 0 && week.abs() < day.abs() { week } else { day },
            first_return: self.returned && !known_before,
        };
        open.day_count = (open.day_count + 1).min(limit(DAY_MEMORY_MS / interval_ms, DAY_SAMPLES));
        open.week_count = (open.week_count + 1).min(limit(WEEK_MEMORY_MS / interval_ms, WEEK_SAMPLES));
        open.day += (value - open.day) / f32::from(open.day_count);
        open.day_median += (median - open.day_median) / f32::from(open.day_count);
        open.week += (value - open.week) / f32::from(open.week_count);
        residuals
    }

    /// The usual value at this local time of day, linear between the middles of the hours. `None`
    /// until every hour is known and two midnights have passed.
    pub(super) fn usual(&self, local_ms: i64) -> Option<f32> {
        if self.midnights < NEEDED_MIDNIGHTS {
            return None;
        }
        let from_middle = local_ms.saturating_sub(HOUR_MS / 2);
        let before = from_middle.div_euclid(HOUR_MS).rem_euclid(HOURS as i64) as usize;
        let share = from_middle.rem_euclid(HOUR_MS) as f32 / HOUR_MS as f32;
        Some((1.0 - share) * self.mean(before) + share * self.mean((before + 1) % HOURS))
    }

    /// Replaces all means after a change of the scaling.
    pub(super) fn change(&mut self, to: impl Fn(f32) -> f32) {
        let changed = |code: &mut Code| *code = encode(to(decode(*code)));
        self.days.iter_mut().chain(&mut self.day_medians).chain(&mut self.weeks).for_each(changed);
        let Open { day, day_median, week, .. } = &mut self.open;
        [day, day_median, week].into_iter().for_each(|mean| *mean = to(*mean));
    }

    fn mean(&self, hour: usize) -> f32 {
        if usize::from(self.open.hour) % HOURS == hour { self.open.day } else { decode(self.days[hour]) }
    }

    fn turn_to(&mut self, hour: u8) {
        let open = self.open;
        if open.hour != NEVER {
            let (week, day) = (usize::from(open.hour), usize::from(open.hour) % HOURS);
            self.days[day] = encode(open.day);
            self.day_medians[day] = encode(open.day_median);
            self.day_counts[day] = open.day_count;
            self.weeks[week] = encode(open.week);
            self.put_week_count(week, open.week_count);
            let midnight = usize::from(hour) / HOURS != week / HOURS;
            if midnight && (self.midnights > 0 || self.day_counts.iter().filter(|count| **count > 0).count() > 1) {
                self.midnights = self.midnights.saturating_add(1);
            }
            if self.midnights >= NEEDED_MIDNIGHTS && self.day_counts.contains(&0) {
                self.midnights = NEEDED_MIDNIGHTS - 1;
            }
        }
        let (week, day) = (usize::from(hour), usize::from(hour) % HOURS);
        self.open = Open {
            hour,
            day_count: self.day_counts[day],
            week_count: self.week_count(week),
            day: decode(self.days[day]),
            day_median: decode(self.day_medians[day]),
            week: decode(self.weeks[week]),
        };
        self.returned |= self.open.day_count > 0;
    }

    fn week_count(&self, hour: usize) -> u16 {
        let pair = self.week_counts[hour / 2];
        COUNTS[usize::from(if hour.is_multiple_of(2) { pair & 15 } else { pair >> 4 })]
    }

    fn put_week_count(&mut self, hour: usize, count: u16) {
        let level = (COUNTS.partition_point(|known| *known <= count) - 1) as u8;
        let pair = &mut self.week_counts[hour / 2];
        *pair = if hour.is_multiple_of(2) { (*pair & 0xf0) | level } else { (*pair & 0x0f) | (level << 4) };
    }
}

fn limit(samples: f64, (least, most): (f64, f64)) -> u16 {
    samples.clamp(least, most) as u16
}
