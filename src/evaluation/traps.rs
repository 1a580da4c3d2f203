//! Generated series with known truth, on which detectors tend to fail: those that look anomalous
//! and are not, and those that look ordinary and are not.
//!
//! The seed draws the noise and the shape (rates, amplitudes, hours of events), so other seeds are
//! other series. Detectors are tuned on small seeds; the gate uses seeds from [`GATE_SEED`] on.

mod absences;
mod benign;
mod clocks;
mod levels;
mod making;

use super::null_data::Dice;
use super::run::LabelledSeries;
use making::Trap;

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
