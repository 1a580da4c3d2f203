//! How the values of a series are read: as they are, or as the totals of a counter whose increase per second counts.
//!
//! A counter only grows. A total below the one before means that it started again at zero, so that all of it is increase
//! (the rule of Prometheus' `rate`). The first total gives nothing but the point from which the next one counts.

use super::stored::Stored;
use earcon_model::{Reading, Sample};

/// How a series is read, and where its counter stands.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum Meter {
    /// Values are measurements.
    #[default]
    Gauge,
    /// Values are totals; the newest one, unless there is none to count from.
    Counter(Option<f64>),
}

impl Meter {
    /// A meter that has seen nothing.
    pub(super) fn new(reading: Reading) -> Self {
        match reading {
            Reading::Gauge => Meter::Gauge,
            Reading::Counter => Meter::Counter(None),
        }
    }

    pub(super) fn reading(&self) -> Reading {
        match self {
            Meter::Gauge => Reading::Gauge,
            Meter::Counter(_) => Reading::Counter,
        }
    }

    /// The total from which the next increase counts.
    pub(super) fn total(&self) -> Option<f64> {
        match *self {
            Meter::Gauge => None,
            Meter::Counter(total) => total,
        }
    }

    /// Forgets the total: what comes next has nothing to do with it.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.reading());
    }

    /// What a sample, `elapsed_ms` after the one before, measures; `None` when it only gives a starting point.
    pub(super) fn read(&mut self, sample: Sample, elapsed_ms: i64) -> Option<f64> {
        match self {
            Meter::Gauge => Some(sample.value),
            Meter::Counter(total) => total.replace(sample.value).map(|before| rate(before, sample.value, elapsed_ms)),
        }
    }
}

/// Increase per second; finite for finite totals, whatever they are.
fn rate(before: f64, now: f64, elapsed_ms: i64) -> f64 {
    let increase = if now < before { now } else { now - before };
    // A divisor of a thousandth may lead beyond what a number can hold.
    (increase / (elapsed_ms.max(1) as f64 / 1e3)).min(f64::MAX)
}

impl Stored for Meter {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Meter::Gauge => 0u8.put(out),
            Meter::Counter(total) => {
                1u8.put(out);
                total.put(out);
            }
        }
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        match u8::read(from)? {
            0 => Some(Meter::Gauge),
            1 => Some(Meter::Counter(Stored::read(from)?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(totals: &[(i64, f64)]) -> Vec<Option<f64>> {
        let mut meter = Meter::new(Reading::Counter);
        let mut before = 0;
        totals
            .iter()
            .map(|&(timestamp_ms, value)| {
                let elapsed_ms = timestamp_ms - std::mem::replace(&mut before, timestamp_ms);
                meter.read(Sample { timestamp_ms, value }, elapsed_ms)
            })
            .collect()
    }

    #[test]
    fn totals_become_increase_per_second() {
        assert_eq!(
            read(&[(0, 100.0), (1_000, 110.0), (3_000, 110.0), (3_500, 111.0)]),
            [None, Some(10.0), Some(0.0), Some(2.0)]
        );
    }

    #[test]
    fn a_reset_counts_from_zero() {
        assert_eq!(
            read(&[(0, 1e9), (2_000, 6.0), (3_000, 0.0), (4_000, 1.0)]),
            [None, Some(3.0), Some(0.0), Some(1.0)]
        );
    }

    #[test]
    fn rates_of_finite_totals_are_finite() {
        assert_eq!(read(&[(0, 0.0), (1, f64::MAX)]), [None, Some(f64::MAX)]);
    }

    #[test]
    fn the_byte_form_keeps_what_is_known() {
        for meter in [Meter::Gauge, Meter::Counter(None), Meter::Counter(Some(0.1))] {
            let mut bytes = Vec::new();
            meter.put(&mut bytes);
            assert_eq!(<Meter as Stored>::read(&mut &bytes[..]), Some(meter));
        }
    }
}
