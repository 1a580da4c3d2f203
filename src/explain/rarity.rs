//! How rare a value is among those of the same hour of the day in the last four weeks.

use earcon_model::quantity::thousands;
use earcon_model::{Anomaly, Direction, Feature};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// Days that are compared.
pub const DAYS: i64 = 28;
/// A value more extreme than this share of its hour is mentioned, also if several values in a row
/// are anomalous and not it alone.
const MENTIONED_PERCENT: f64 = 90.0;

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

/// How the value of an anomaly compares with history, in a sentence. `None` if that says nothing of
/// the anomaly: its value repeats, or it is ordinary for its hour and several values in a row are
/// anomalous. `hour` is the hour of the peak, in the zone of that name.
pub fn comparison(anomaly: &Anomaly, rarity: Option<&Rarity>, hour: i64, zone: &str) -> Option<String> {
    if anomaly.reason == Feature::Volatility {
        return None;
    }
    let Some(rarity) = rarity else {
        return Some("There is no history of this hour to compare it with.".to_owned());
    };
    let of_value = matches!(anomaly.reason, Feature::RobustZ | Feature::ResidualZ | Feature::Loss);
    let mentioned = of_value || rarity.percent >= MENTIONED_PERCENT;
    mentioned.then(|| format!("Its value was {}.", words(rarity, anomaly.direction, hour, zone)))
}

/// `higher than in 99.97 % of the 100,800 samples at this hour (14:00 to 15:00, UTC) in the last 4
/// weeks`
fn words(rarity: &Rarity, direction: Direction, hour: i64, zone: &str) -> String {
    let side = match direction {
        Direction::Above => "higher",
        Direction::Below => "lower",
    };
    let compared = match (rarity.of_samples, rarity.percent >= 100.0) {
        (1, true) => format!("{side} than in the only sample"),
        (1, false) => format!("not {side} than in the only sample"),
        (all, true) => format!("{side} than in all of the {} samples", thousands(&all.to_string())),
        (all, false) => format!("{side} than in {} % of the {} samples", rarity.percent, thousands(&all.to_string())),
    };
    format!("{compared} at this hour ({hour:02}:00 to {:02}:00, {zone}) in the {}", hour + 1, period(rarity.days))
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
    fn the_comparison_names_share_hour_zone_and_the_length_of_history() {
        let say = |days, percent, of_samples| {
            words(&Rarity { percent, of_samples, days }, Direction::Below, 14, "Europe/Berlin")
        };
        assert_eq!(
            say(28, 99.97, 100_800),
            "lower than in 99.97 % of the 100,800 samples at this hour (14:00 to 15:00, Europe/Berlin) in the \
             last 4 weeks"
        );
        let hour = "at this hour (14:00 to 15:00, Europe/Berlin) in the";
        assert_eq!(
            say(3, 100.0, 7),
            format!("lower than in all of the 7 samples {hour} 3 days of the last 4 weeks that are known")
        );
        assert_eq!(say(1, 100.0, 1), format!("lower than in the only sample {hour} one day that is known"));
        assert_eq!(say(1, 0.0, 1), format!("not lower than in the only sample {hour} one day that is known"));
    }
}
