//! How rare a value is among those of the same hour of the day in the last four weeks.

use earcon_model::Direction;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// Days that are compared.
pub const DAYS: i64 = 28;

/// The hour of the day of `at_ms` on each of the [`DAYS`] days up to it, as `(from, to)` in
/// milliseconds UTC, the latest first. Nothing at or after `before_ms` is included, when the
/// anomaly itself began. `local_ms` gives the local time of a moment. Hours are those of the local
/// clock, also when the clocks change.
pub fn hours(at_ms: i64, before_ms: i64, local_ms: impl Fn(i64) -> i64) -> Vec<(i64, i64)> {
    let hour = local_ms(at_ms).div_euclid(HOUR_MS);
    let mut windows = Vec::with_capacity(DAYS as usize + 1);
    for days in 0..=DAYS {
        let wanted = (hour - 24 * days).saturating_mul(HOUR_MS);
        // First with an offset of about that time, then with the exact one.
        let mut from_ms = wanted.saturating_sub(local_ms(at_ms.saturating_sub(days * DAY_MS)) - at_ms + days * DAY_MS);
        from_ms = wanted.saturating_sub(local_ms(from_ms).saturating_sub(from_ms));
        let to_ms = from_ms.saturating_add(HOUR_MS).min(before_ms);
        if from_ms < to_ms && from_ms >= before_ms.saturating_sub(DAYS * DAY_MS) {
            windows.push((from_ms, to_ms));
        }
    }
    windows
}

/// How rare a value is among those of one hour of the day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rarity {
    /// The percentage of samples that are less extreme in the direction of the anomaly, never
    /// rounded up.
    pub percent: f64,
    /// Samples that were compared.
    pub of_samples: u64,
    /// Days that had samples.
    pub days: u32,
}

/// Compares a value with samples, day by day.
#[derive(Debug, Clone, Copy)]
pub struct RarityCounter {
    value: f64,
    direction: Direction,
    less_extreme: u64,
    of_samples: u64,
    days: u32,
}

impl RarityCounter {
    /// For a value that is extreme in this direction.
    pub fn new(value: f64, direction: Direction) -> Self {
        Self { value, direction, less_extreme: 0, of_samples: 0, days: 0 }
    }

    /// Adds the values of a day.
    pub fn add_day(&mut self, values: impl IntoIterator<Item = f64>) {
        let before = self.of_samples;
        for value in values {
            let less = match self.direction {
                Direction::Above => value < self.value,
                Direction::Below => value > self.value,
            };
            self.less_extreme += u64::from(less);
            self.of_samples += 1;
        }
        self.days += u32::from(self.of_samples > before);
    }

    /// The result; `None` without any samples.
    pub fn finish(self) -> Option<Rarity> {
        let Self { less_extreme, of_samples, days, .. } = self;
        // Two decimals, cut off, so that 100 means all of them.
        let percent = (less_extreme * 10_000).checked_div(of_samples)? as f64 / 100.0;
        Some(Rarity { percent, of_samples, days })
    }
}

/// `higher than 99.97 % of 100,800 samples at this hour in the last 4 weeks`
pub fn words(rarity: &Rarity, direction: Direction, count: impl Fn(u64) -> String) -> String {
    let side = match direction {
        Direction::Above => "higher",
        Direction::Below => "lower",
    };
    let share = if rarity.percent >= 100.0 { "all".to_owned() } else { format!("{} %", rarity.percent) };
    format!(
        "{side} than {share} of the {} samples at this hour in the {}",
        count(rarity.of_samples),
        period(rarity.days)
    )
}

/// `last 4 weeks`, or the part of them that has samples.
pub fn period(days: u32) -> String {
    match days {
        27.. => "last 4 weeks".to_owned(),
        1 => "one day that is known".to_owned(),
        days => format!("{days} days of the last 4 weeks that are known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_772_323_200_000 + 12 * HOUR_MS;

    #[test]
    fn the_hours_are_those_of_four_weeks_and_end_before_the_episode() {
        let windows = hours(NOON + 1_800_000, NOON + 1_200_000, |at| at);
        assert_eq!(windows.len(), 28);
        assert_eq!(windows[0], (NOON, NOON + 1_200_000));
        assert_eq!(windows[1], (NOON - DAY_MS, NOON - DAY_MS + HOUR_MS));
        assert!(windows.iter().all(|(from, to)| from % HOUR_MS == 0 && from < to));
    }

    #[test]
    fn an_episode_that_lasts_for_days_is_not_compared_with_itself() {
        let windows = hours(NOON, NOON - 3 * DAY_MS, |at| at);
        assert!(windows.iter().all(|(_, to)| *to <= NOON - 3 * DAY_MS));
    }

    #[test]
    fn hours_are_those_of_the_local_clock() {
        // Two hours ahead until the change, one hour before it.
        let change = NOON - 10 * DAY_MS;
        let local = |at: i64| at + if at >= change { 2 } else { 1 } * HOUR_MS;
        let windows = hours(NOON, NOON, local);
        let hour_of = |at: i64| local(at).rem_euclid(DAY_MS) / HOUR_MS;
        assert!(windows.len() >= 27);
        assert!(windows.iter().all(|(from, _)| hour_of(*from) == 14), "{windows:?}");
    }

    #[test]
    fn the_share_is_cut_off_and_never_rounded_up_to_all() {
        let mut counter = RarityCounter::new(10.0, Direction::Above);
        counter.add_day((0..30_000).map(|i| if i == 0 { 11.0 } else { 1.0 }));
        counter.add_day([]);
        let rarity = counter.finish().unwrap();
        assert_eq!(rarity, Rarity { percent: 99.99, of_samples: 30_000, days: 1 });
        let mut below = RarityCounter::new(10.0, Direction::Below);
        below.add_day([11.0, 10.0, 12.0, 9.0]);
        assert_eq!(below.finish().unwrap().percent, 50.0);
        assert_eq!(RarityCounter::new(1.0, Direction::Above).finish(), None);
    }

    #[test]
    fn short_history_is_said() {
        let rarity = |days, percent| Rarity { percent, of_samples: 7, days };
        let say = |rarity: &Rarity| words(rarity, Direction::Below, |count| count.to_string());
        assert_eq!(say(&rarity(28, 99.97)), "lower than 99.97 % of the 7 samples at this hour in the last 4 weeks");
        assert_eq!(
            say(&rarity(3, 100.0)),
            "lower than all of the 7 samples at this hour in the 3 days of the last 4 weeks that are known"
        );
    }
}
