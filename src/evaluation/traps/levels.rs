//! Levels that change, some of them for good.

use super::making::{Trap, between, row_at, series, whole};
use crate::evaluation::null_data::Dice;

/// A total of requests that only grows and restarts at zero, sent as a gauge.
pub(super) fn counter_as_gauge(dice: &mut Dice) -> Trap {
    let (rate, restart) = (between(dice, 5.0, 500.0), whole(dice, 2_000, 8_000));
    let mut total = 0.0;
    series(1, 8, |at| {
        let more = dice.count(8.0) / 8.0 * rate * (0.3 + at.daylight());
        total = if at.row == restart { 0.0 } else { total + more };
        total
    })
}

/// Memory of a service that a deployment resets to a slightly other level every few days.
pub(super) fn deploy_steps(dice: &mut Dice) -> Trap {
    let mut level = between(dice, 300.0, 900.0);
    let mut since = 0.0;
    series(5, 28, |at| {
        if at.day % 4 == 3 && at.hour == 10.0 {
            level *= between(dice, 0.97, 1.03);
            since = 0.0;
        }
        since += 1.0;
        level * (1.0 + 0.02 * (1.0 - 1.0 / (1.0 + since / 100.0))) + 3.0 * dice.normal()
    })
}

/// Users that grow by a few percent a day, in a daily course; a drop for two hours.
pub(super) fn growing_trend(dice: &mut Dice) -> Trap {
    let growth = between(dice, 0.01, 0.03);
    let mut trap = series(5, 28, |at| {
        let days = at.day as f64 + at.hour / 24.0;
        100.0 * (1.0 + growth).powf(days) * (0.5 + at.daylight()) * (1.0 + 0.03 * dice.normal())
    });
    let from = row_at(5, 22, between(dice, 9.0, 18.0));
    trap.values[from..from + 24].iter_mut().for_each(|value| *value *= 0.6);
    trap.windows = vec![(from, from + 23)];
    trap
}

/// A disk that fills slowly and is emptied every week; once it fills within hours.
pub(super) fn disk_that_fills(dice: &mut Dice) -> Trap {
    let slope = between(dice, 0.004, 0.012);
    let from = row_at(5, 19, between(dice, 0.0, 12.0));
    let mut used = 40.0;
    let mut trap = series(5, 24, |at| {
        used += slope * between(dice, 0.0, 2.0);
        if at.day % 7 == 6 && at.hour == 3.0 {
            used -= 7.0 * 288.0 * slope;
        }
        if (from..from + 48).contains(&at.row) {
            used += 0.6;
        }
        (used * 100.0).round() / 100.0
    });
    trap.windows = vec![(from, from + 47)];
    trap
}

/// Bytes become kilobytes: a new unit, which is one event.
pub(super) fn change_of_unit(dice: &mut Dice) -> Trap {
    let level = between(dice, 1e5, 1e7);
    let change = row_at(5, whole(dice, 12, 16), between(dice, 0.0, 23.0));
    let mut trap = series(5, 28, |at| {
        let unit = if at.row >= change { 1e-3 } else { 1.0 };
        unit * level * (1.0 + 0.3 * at.daylight()) * (1.0 + 0.03 * dice.normal())
    });
    trap.windows = vec![(change, change + 5)];
    trap
}

/// Half an hour at plus three to four standard deviations, and a rate that is halved for three
/// hours.
pub(super) fn sustained_shift(dice: &mut Dice) -> Trap {
    let rate = between(dice, 4.0, 10.0);
    let mut trap = series(1, 14, |at| dice.count(rate * (0.6 + 0.4 * at.daylight())));
    let halved = row_at(1, 9, between(dice, 8.0, 18.0));
    trap.values[halved..halved + 180].iter_mut().for_each(|value| *value = (*value * 0.5).floor());
    let raised = row_at(1, 12, between(dice, 8.0, 18.0));
    let by = (between(dice, 3.0, 4.0) * rate.sqrt()).round();
    trap.values[raised..raised + 30].iter_mut().for_each(|value| *value += by);
    trap.windows = vec![(halved, halved + 179), (raised, raised + 29)];
    trap
}
