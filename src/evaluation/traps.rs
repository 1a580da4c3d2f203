//! Generated series with known truth, on which detectors tend to fail: those that look anomalous
//! and are not, and those that look ordinary and are not.
//!
//! The seed draws the noise and the shape (rates, amplitudes, hours of events), so other seeds are
//! other series. Detectors are tuned on small seeds; the gate uses seeds from [`GATE_SEED`] on.

mod absences;
mod benign;
mod clocks;
mod levels;

use super::null_data::{Dice, START_MS};
use super::run::LabelledSeries;

/// The first seed that tuning never uses.
pub const GATE_SEED: u64 = 7_001;

/// A kind of trap.
#[derive(Debug, Clone, Copy)]
pub struct TrapKind {
    /// Its name in reports.
    pub name: &'static str,
    make: fn(&mut Dice) -> Trap,
}

/// All kinds.
pub const TRAP_KINDS: [TrapKind; 20] = [
    TrapKind { name: "orders", make: absences::orders },
    TrapKind { name: "halved weekday", make: absences::halved_weekday },
    TrapKind { name: "nightly batch", make: absences::nightly_batch },
    TrapKind { name: "stuck sensor", make: absences::stuck_sensor },
    TrapKind { name: "first down", make: absences::first_down },
    TrapKind { name: "weekly with holidays", make: clocks::weekly_with_holidays },
    TrapKind { name: "change of clock", make: clocks::change_of_clock },
    TrapKind { name: "hourly cadence", make: clocks::hourly_cadence },
    TrapKind { name: "irregular cadence", make: clocks::irregular_cadence },
    TrapKind { name: "missing days", make: clocks::missing_days },
    TrapKind { name: "counter as gauge", make: levels::counter_as_gauge },
    TrapKind { name: "deploy steps", make: levels::deploy_steps },
    TrapKind { name: "growing trend", make: levels::growing_trend },
    TrapKind { name: "disk that fills", make: levels::disk_that_fills },
    TrapKind { name: "change of unit", make: levels::change_of_unit },
    TrapKind { name: "sustained shift", make: levels::sustained_shift },
    TrapKind { name: "saturating percentage", make: benign::saturating_percentage },
    TrapKind { name: "small counts", make: benign::small_counts },
    TrapKind { name: "held values", make: benign::held_values },
    TrapKind { name: "lognormal latency", make: benign::lognormal_latency },
];

impl TrapKind {
    /// A series of the kind. The same seed gives the same series.
    pub fn series(&self, seed: u64) -> LabelledSeries {
        let trap = (self.make)(&mut Dice::new(seed));
        let times = trap.times_ms;
        LabelledSeries {
            name: format!("{} {seed}", self.name),
            windows: trap.windows.into_iter().map(|(from, to)| (times[from], times[to])).collect(),
            timestamps_ms: times,
            values: trap.values,
            labelled: true,
        }
    }
}

/// Rows, and the first and the last row of each event.
struct Trap {
    times_ms: Vec<i64>,
    values: Vec<f64>,
    windows: Vec<(usize, usize)>,
}

/// Time of a generated row.
#[derive(Clone, Copy)]
struct At {
    row: usize,
    /// Days since the start, which is midnight on a Monday.
    day: usize,
    /// Hour of the day with its fraction.
    hour: f64,
}

impl At {
    fn is_weekend(self) -> bool {
        self.day % 7 >= 5
    }

    /// A smooth daily course from 0 at four in the morning to 1 at four in the afternoon.
    fn daylight(self) -> f64 {
        0.5 - 0.5 * (std::f64::consts::TAU * (self.hour - 4.0) / 24.0).cos()
    }
}

/// `days` days of one row every `minutes` minutes.
fn series(minutes: usize, days: usize, mut value: impl FnMut(At) -> f64) -> Trap {
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
fn row_at(minutes: usize, day: usize, hour: f64) -> usize {
    day * rows_of_a_day(minutes) + (hour * 60.0) as usize / minutes
}

/// A whole number in `from..to`.
fn whole(dice: &mut Dice, from: usize, to: usize) -> usize {
    from + (dice.uniform() * (to - from) as f64) as usize
}

/// A number in `from..to`.
fn between(dice: &mut Dice, from: f64, to: f64) -> f64 {
    from + dice.uniform() * (to - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_reproducible_and_windows_lie_inside() {
        for kind in TRAP_KINDS {
            let series = kind.series(3);
            assert_eq!(series, kind.series(3), "{}", kind.name);
            assert_eq!(series.values.len(), series.timestamps_ms.len());
            assert!(series.values.iter().all(|value| value.is_finite()), "{}", kind.name);
            assert!(series.timestamps_ms.is_sorted_by(|a, b| a < b), "{}", kind.name);
            let last = series.timestamps_ms.last().unwrap();
            assert!(series.windows.iter().all(|(from, to)| from <= to && to <= last), "{}", kind.name);
            assert_ne!(series.values, kind.series(4).values, "{}", kind.name);
        }
    }
}
