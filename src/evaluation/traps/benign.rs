//! Values whose distribution is not normal, and that are ordinary all the same.

use super::making::{Trap, between, row_at, series, whole};
use crate::evaluation::null_data::Dice;

/// A percentage that is often at 100, and once at 0 for half an hour.
pub(super) fn saturating_percentage(dice: &mut Dice) -> Trap {
    let (centre, spread) = (between(dice, 92.0, 99.0), between(dice, 2.0, 5.0));
    let mut trap = series(5, 21, |at| (centre + 3.0 * at.daylight() + spread * dice.normal()).clamp(0.0, 100.0));
    let from = row_at(5, 16, between(dice, 0.0, 22.0));
    trap.values[from..from + 6].fill(0.0);
    trap.windows = vec![(from, from + 5)];
    trap
}

/// Errors a minute, mostly none, and once a dozen in each of five minutes.
pub(super) fn small_counts(dice: &mut Dice) -> Trap {
    let rate = between(dice, 0.1, 0.8);
    let mut trap = series(1, 10, |_| dice.count(rate));
    let from = row_at(1, 8, between(dice, 0.0, 22.0));
    trap.values[from..from + 5].iter_mut().for_each(|value| *value += 12.0);
    trap.windows = vec![(from, from + 4)];
    trap
}

/// A queue length that a sender repeats for an hour; once ten times as long.
pub(super) fn held_values(dice: &mut Dice) -> Trap {
    let (level, held) = (between(dice, 20.0, 80.0), whole(dice, 30, 70));
    let mut value = level;
    let mut trap = series(1, 14, |at| {
        if at.row % held == 0 {
            value = (level + 6.0 * dice.normal()).round();
        }
        value
    });
    let from = 12 * 1_440 / held * held;
    trap.values[from..from + held].fill(10.0 * level.round());
    trap.windows = vec![(from, from + held - 1)];
    trap
}

/// Latencies with a lognormal distribution; for ten minutes eight times as long.
pub(super) fn lognormal_latency(dice: &mut Dice) -> Trap {
    let (median, sigma) = (between(dice, 20.0, 200.0), between(dice, 0.3, 0.7));
    let mut trap = series(1, 10, |at| median * (0.8 + 0.4 * at.daylight()) * (sigma * dice.normal()).exp());
    let from = row_at(1, 8, between(dice, 0.0, 22.0));
    trap.values[from..from + 10].iter_mut().for_each(|value| *value *= 8.0);
    trap.windows = vec![(from, from + 9)];
    trap
}
