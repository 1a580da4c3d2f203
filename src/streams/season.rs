//! The daily profile of a series: a running mean at every full hour (UTC), linear in between.
//!
//! Deliberately absent: weeks, holidays and time zones. Only the daily repetition matters.

use super::stored::stored_fields;

const HOURS: usize = 24;
const HOUR_MS: i64 = 3_600_000;
/// History needed before the profile is used.
const NEEDED_MS: i64 = 48 * HOUR_MS;
/// Values needed in every hour before the profile is used.
const NEEDED_EACH: u16 = 2;
/// Memory of an hour's mean: four days of that hour.
const MEMORY_MS: f64 = 4.0 * HOUR_MS as f64;

/// A mean value for every hour of the day.
#[derive(Debug, Clone)]
pub(super) struct DayProfile {
    mean: [f64; HOURS],
    count: [u16; HOURS],
    /// Timestamp of the first sample.
    since_ms: i64,
    /// Stays true once it is true.
    complete: bool,
}

stored_fields!(DayProfile { mean, count, since_ms, complete });

impl DayProfile {
    pub(super) fn starting_at(since_ms: i64) -> Self {
        Self { mean: [0.0; HOURS], count: [0; HOURS], since_ms, complete: false }
    }

    /// The usual value at this time of day. `None` until two days are known with values in every
    /// hour.
    pub(super) fn at(&self, timestamp_ms: i64) -> Option<f64> {
        if !self.complete {
            return None;
        }
        let (before, share) = hour_and_share(timestamp_ms);
        Some((1.0 - share) * self.mean[before] + share * self.mean[(before + 1) % HOURS])
    }

    /// Learns from a value. `interval_ms` is the usual time between samples.
    pub(super) fn learn(&mut self, timestamp_ms: i64, value: f64, interval_ms: f64) {
        let cap = (MEMORY_MS / interval_ms.max(1.0)).clamp(4.0, 16_384.0) as u16;
        let (before, share) = hour_and_share(timestamp_ms);
        let after = (before + 1) % HOURS;
        // Both neighbouring hours learn in proportion to their nearness; only the nearer one counts
        // the sample.
        let nearer = if share < 0.5 { before } else { after };
        for (hour, weight) in [(before, 1.0 - share), (after, share)] {
            if self.count[hour] == 0 {
                self.mean[hour] = value;
            }
            let count = (self.count[hour] + u16::from(hour == nearer)).min(cap);
            self.count[hour] = count;
            self.mean[hour] += weight * (value - self.mean[hour]) / f64::from(count.max(1));
        }
        if !self.complete && timestamp_ms.saturating_sub(self.since_ms) >= NEEDED_MS {
            self.complete = self.count.iter().all(|seen| *seen >= NEEDED_EACH);
        }
    }
}

/// The full hour before a time of day, and the elapsed share of that hour, from 0 to 1.
fn hour_and_share(timestamp_ms: i64) -> (usize, f64) {
    let hour = timestamp_ms.div_euclid(HOUR_MS).rem_euclid(HOURS as i64) as usize;
    (hour, timestamp_ms.rem_euclid(HOUR_MS) as f64 / HOUR_MS as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_no_value_until_two_whole_days_are_known() {
        let mut day = DayProfile::starting_at(0);
        for hour in 0..48 {
            assert_eq!(day.at(hour * HOUR_MS), None);
            day.learn(hour * HOUR_MS, 1.0, HOUR_MS as f64);
        }
        day.learn(48 * HOUR_MS, 1.0, HOUR_MS as f64);
        assert_eq!(day.at(49 * HOUR_MS), Some(1.0));
    }

    #[test]
    fn has_no_value_if_an_hour_was_never_seen() {
        let mut day = DayProfile::starting_at(0);
        for hour in (0..24 * 20).filter(|hour| hour % 24 != 3) {
            day.learn(hour * HOUR_MS, 1.0, HOUR_MS as f64);
        }
        assert_eq!(day.at(24 * 20 * HOUR_MS), None);
    }

    #[test]
    fn is_linear_between_full_hours() {
        let mut day = DayProfile::starting_at(0);
        for hour in 0..24 * 4 {
            day.learn(hour * HOUR_MS, (hour % 24) as f64, HOUR_MS as f64);
        }
        assert_eq!(day.at(5 * HOUR_MS), Some(5.0));
        assert_eq!(day.at(5 * HOUR_MS + HOUR_MS / 2), Some(5.5));
        assert_eq!(day.at(23 * HOUR_MS + HOUR_MS / 2), Some(11.5), "between 23 and 0");
    }

    #[test]
    fn approximates_a_smooth_profile_sampled_more_often() {
        let course = |ms: i64| (ms as f64 / (24.0 * HOUR_MS as f64) * std::f64::consts::TAU).sin();
        let mut day = DayProfile::starting_at(0);
        for i in 0..288 * 5 {
            day.learn(i * 300_000, course(i * 300_000), 300_000.0);
        }
        for i in 0..288 {
            let at = (288 * 5 + i) * 300_000;
            assert!((day.at(at).unwrap() - course(at)).abs() < 0.03, "{i}");
        }
    }
}
