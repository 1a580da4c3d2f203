//! Something that usually happens does not.

use super::making::{Trap, between, row_at, series, whole};
use crate::evaluation::null_data::Dice;

/// Orders a minute: none at night, a surge that is benign every Friday, an hour without any at
/// noon, a quarter of an hour with six times as many.
pub(super) fn orders(dice: &mut Dice) -> Trap {
    let rate = between(dice, 3.0, 12.0);
    let mut trap = series(1, 16, |at| {
        let weekend = if at.is_weekend() { 0.6 } else { 1.0 };
        let friday = if at.day % 7 == 4 && (17.0..19.0).contains(&at.hour) { 1.4 } else { 1.0 };
        let night = if at.hour < 5.0 { 0.0 } else { 1.0 };
        dice.count(rate * weekend * friday * night * (0.3 + 0.7 * at.daylight()))
    });
    let outage = row_at(1, 11, between(dice, 10.0, 18.0));
    trap.values[outage..outage + 60].fill(0.0);
    let surge = row_at(1, 14, between(dice, 9.0, 18.0));
    trap.values[surge..surge + 15].iter_mut().for_each(|value| *value = *value * 6.0 + 3.0 * rate);
    trap.windows = vec![(outage, outage + 59), (surge, surge + 14)];
    trap
}

/// Traffic every five minutes with a week's course; half of it for most of a Wednesday.
pub(super) fn halved_weekday(dice: &mut Dice) -> Trap {
    let (level, noise) = (between(dice, 200.0, 2_000.0), between(dice, 0.04, 0.08));
    let mut trap = series(5, 28, |at| {
        let weekend = if at.is_weekend() { 0.5 } else { 1.0 };
        level * weekend * (0.3 + at.daylight()) * (1.0 + noise * dice.normal())
    });
    let (from, to) = (row_at(5, 23, between(dice, 8.0, 10.0)), row_at(5, 23, 18.0));
    trap.values[from..to].iter_mut().for_each(|value| *value *= 0.5);
    trap.windows = vec![(from, to - 1)];
    trap
}

/// A batch at two every night that starts up to a quarter of an hour earlier or later. One night it
/// does not come.
pub(super) fn nightly_batch(dice: &mut Dice) -> Trap {
    let (height, minutes) = (between(dice, 20.0, 60.0), whole(dice, 25, 50));
    let missing = whole(dice, 15, 19);
    let starts: Vec<usize> = (0..21).map(|_| 120 + whole(dice, 0, 31) - 15).collect();
    let mut trap = series(5, 21, |at| {
        let minute = at.hour * 60.0 - starts[at.day] as f64;
        let runs = at.day != missing && (0.0..minutes as f64).contains(&minute);
        10.0 + 2.0 * dice.normal() + if runs { height + 3.0 * dice.normal() } else { 0.0 }
    });
    trap.windows = vec![(row_at(5, missing, 1.75), row_at(5, missing, 3.25))];
    trap
}

/// A temperature that moves all the time and then stays at its last value.
pub(super) fn stuck_sensor(dice: &mut Dice) -> Trap {
    let (swing, noise) = (between(dice, 2.0, 8.0), between(dice, 0.2, 0.6));
    let mut trap = series(1, 10, |at| {
        let value = 20.0 + swing * at.daylight() + noise * dice.normal();
        (value * 100.0).round() / 100.0
    });
    let from = row_at(1, 7, between(dice, 0.0, 20.0));
    let to = from + 180;
    let stuck = trap.values[from];
    trap.values[from..to].fill(stuck);
    trap.windows = vec![(from, to - 1)];
    trap
}

/// A target that is down at its first scrapes, then up, and later down again for minutes.
pub(super) fn first_down(dice: &mut Dice) -> Trap {
    let (zeros, up) = (whole(dice, 3, 9), whole(dice, 60, 400));
    let mut trap = series(1, 3, |at| if at.row < zeros { 0.0 } else { 1.0 });
    let from = zeros + up;
    let to = from + whole(dice, 5, 20);
    trap.values[from..to].fill(0.0);
    trap.windows = vec![(from, to - 1)];
    trap
}
