//! Days, weeks and cadences that are not regular.

use super::making::{At, Trap, between, row_at, series, whole};
use crate::evaluation::null_data::Dice;

/// A week's course with two holidays that are like a Sunday, which count as ordinary. A spike.
pub(super) fn weekly_with_holidays(dice: &mut Dice) -> Trap {
    let holidays = [whole(dice, 15, 18), whole(dice, 22, 25)];
    let (level, depth) = (between(dice, 50.0, 500.0), between(dice, 0.4, 0.7));
    let mut trap = series(5, 28, |at| {
        let free = at.is_weekend() || holidays.contains(&at.day);
        level * (if free { depth } else { 1.0 }) * (0.4 + at.daylight()) * (1.0 + 0.05 * dice.normal())
    });
    let row = row_at(5, 20, between(dice, 8.0, 20.0));
    trap.values[row..row + 3].iter_mut().for_each(|value| *value *= 2.5);
    trap.windows = vec![(row, row + 2)];
    trap
}

/// A daily course that comes an hour earlier from one day on: the clocks have changed.
pub(super) fn change_of_clock(dice: &mut Dice) -> Trap {
    let change = whole(dice, 14, 18);
    let (swing, noise) = (between(dice, 20.0, 60.0), between(dice, 1.0, 3.0));
    series(5, 28, |at| {
        let hour = if at.day >= change { at.hour + 1.0 } else { at.hour };
        let light = At { hour, ..at }.daylight();
        100.0 + swing * light + noise * dice.normal()
    })
}

/// One value an hour for five weeks with a daily course; a spike in the first three days and a
/// drop later.
pub(super) fn hourly_cadence(dice: &mut Dice) -> Trap {
    let (swing, noise) = (between(dice, 10.0, 40.0), between(dice, 1.0, 2.0));
    let mut trap = series(60, 35, |at| 100.0 + swing * at.daylight() + noise * dice.normal());
    let early = row_at(60, 3, between(dice, 2.0, 22.0));
    let late = row_at(60, whole(dice, 20, 30), between(dice, 2.0, 20.0));
    trap.values[early] += 40.0 * noise;
    trap.values[late..late + 3].iter_mut().for_each(|value| *value -= 14.0 * noise);
    trap.windows = vec![(early, early), (late, late + 2)];
    trap
}

/// Rows at irregular distances, half a minute to ten minutes; a shift for two hours.
pub(super) fn irregular_cadence(dice: &mut Dice) -> Trap {
    let mut trap = series(3, 14, |at| 50.0 + 15.0 * at.daylight() + 2.0 * dice.normal());
    let mut at = trap.times_ms[0];
    for time in &mut trap.times_ms {
        *time = at;
        at += 30_000 + (between(dice, 0.0, 1.0).powi(3) * 570_000.0) as i64;
    }
    let from = whole(dice, 4_000, 6_000);
    trap.values[from..from + 40].iter_mut().for_each(|value| *value += 24.0);
    trap.windows = vec![(from, from + 39)];
    trap
}

/// A daily course of which two and a half days are missing; the rest is ordinary.
pub(super) fn missing_days(dice: &mut Dice) -> Trap {
    let (swing, noise) = (between(dice, 20.0, 60.0), between(dice, 1.0, 3.0));
    let mut trap = series(5, 21, |at| 100.0 + swing * at.daylight() + noise * dice.normal());
    let from = row_at(5, whole(dice, 9, 14), between(dice, 0.0, 23.0));
    trap.times_ms.drain(from..from + 720);
    trap.values.drain(from..from + 720);
    trap
}
