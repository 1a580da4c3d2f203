//! What makes the rows of a trap.

use crate::evaluation::null_data::{Dice, START_MS};

/// Rows, and the first and the last row of each event.
pub(super) struct Trap {
    pub(super) times_ms: Vec<i64>,
    pub(super) values: Vec<f64>,
    pub(super) windows: Vec<(usize, usize)>,
}

/// Time of a generated row.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) row: usize,
    /// Days since the start, which is midnight on a Monday.
    pub(super) day: usize,
    /// Hour of the day with its fraction.
    pub(super) hour: f64,
}

impl At {
    pub(super) fn is_weekend(self) -> bool {
        self.day % 7 >= 5
    }

    /// A smooth daily course from 0 at four in the morning to 1 at four in the afternoon.
    pub(super) fn daylight(self) -> f64 {
        0.5 - 0.5 * (std::f64::consts::TAU * (self.hour - 4.0) / 24.0).cos()
    }
}

/// `days` days of one row every `minutes` minutes.
pub(super) fn series(minutes: usize, days: usize, mut value: impl FnMut(At) -> f64) -> Trap {
    let rows = days * rows_of_a_day(minutes);
    let at = |row: usize| At { row, day: row * minutes / 1_440, hour: (row * minutes % 1_440) as f64 / 60.0 };
    Trap {
        times_ms: (0..rows).map(|row| START_MS + (row * minutes) as i64 * 60_000).collect(),
        values: (0..rows).map(|row| value(at(row))).collect(),
        windows: Vec::new(),
    }
}

fn rows_of_a_day(minutes: usize) -> usize {
    1_440 / minutes
}

/// The first row of an hour of a day.
pub(super) fn row_at(minutes: usize, day: usize, hour: f64) -> usize {
    day * rows_of_a_day(minutes) + (hour * 60.0) as usize / minutes
}

/// A whole number in `from..to`.
pub(super) fn whole(dice: &mut Dice, from: usize, to: usize) -> usize {
    from + (dice.uniform() * (to - from) as f64) as usize
}

/// A number in `from..to`.
pub(super) fn between(dice: &mut Dice, from: f64, to: f64) -> f64 {
    from + dice.uniform() * (to - from)
}
