//! Converts the totals of a counter to its increase per second; passes gauges through.
//!
//! A counter only grows. A total below the previous one means that the counter restarted at zero,
//! so the total itself is the increase (the rule of Prometheus' `rate`). So does a start that the
//! sender states, if it lies behind the previous sample (OpenTelemetry's data model of metrics,
//! "Resets and gaps"). The first total only gives the starting point for the next one.

use super::stored::Stored;
use earcon_model::{Reading, Sample};

/// How the values of a series are read, with the newest total of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum CounterState {
    /// Values are measurements.
    #[default]
    Gauge,
    /// Values are totals. Holds the newest one; `None` if there is no starting point.
    Counter(Option<f64>),
}

impl CounterState {
    /// The state before the first sample.
    pub(super) fn new(reading: Reading) -> Self {
        match reading {
            Reading::Gauge => CounterState::Gauge,
            Reading::Counter => CounterState::Counter(None),
        }
    }

    pub(super) fn reading(&self) -> Reading {
        match self {
            CounterState::Gauge => Reading::Gauge,
            CounterState::Counter(_) => Reading::Counter,
        }
    }

    /// The total from which the next increase counts.
    pub(super) fn total(&self) -> Option<f64> {
        match *self {
            CounterState::Gauge => None,
            CounterState::Counter(total) => total,
        }
    }

    /// Drops the total, so that the next one is a new starting point.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.reading());
    }

    /// The measured value of a sample, `elapsed_ms` after the previous one, between which the
    /// counter may have `restarted`. `None` if the sample only gives a starting point.
    pub(super) fn read(&mut self, sample: Sample, elapsed_ms: i64, restarted: bool) -> Option<f64> {
        match self {
            CounterState::Gauge => Some(sample.value),
            CounterState::Counter(total) => {
                let before = total.replace(sample.value);
                before.map(|before| rate(if restarted { 0.0 } else { before }, sample.value, elapsed_ms))
            }
        }
    }
}

/// Increase per second. Finite for all finite totals.
fn rate(before: f64, now: f64, elapsed_ms: i64) -> f64 {
    let increase = if now < before { now } else { now - before };
    // The divisor can be a thousandth, and then the quotient can overflow.
    (increase / (elapsed_ms.max(1) as f64 / 1e3)).min(f64::MAX)
}

impl Stored for CounterState {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            CounterState::Gauge => 0u8.put(out),
            CounterState::Counter(total) => {
                1u8.put(out);
                total.put(out);
            }
        }
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        match u8::read(from)? {
            0 => Some(CounterState::Gauge),
            1 => Some(CounterState::Counter(Stored::read(from)?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(totals: &[(i64, f64)]) -> Vec<Option<f64>> {
        let mut counter_state = CounterState::new(Reading::Counter);
        let mut before = 0;
        totals
            .iter()
            .map(|&(timestamp_ms, value)| {
                let elapsed_ms = timestamp_ms - std::mem::replace(&mut before, timestamp_ms);
                counter_state.read(Sample { timestamp_ms, value }, elapsed_ms, false)
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
    fn a_stated_restart_counts_from_zero_also_above_the_total_before() {
        let mut counter = CounterState::new(Reading::Counter);
        let mut read = |value, restarted| counter.read(Sample { timestamp_ms: 0, value }, 1_000, restarted);
        assert_eq!([read(5.0, true), read(9.0, true), read(12.0, false)], [None, Some(9.0), Some(3.0)]);
    }

    #[test]
    fn rates_of_finite_totals_are_finite() {
        assert_eq!(read(&[(0, 0.0), (1, f64::MAX)]), [None, Some(f64::MAX)]);
    }

    #[test]
    fn byte_form_round_trips() {
        for counter_state in [CounterState::Gauge, CounterState::Counter(None), CounterState::Counter(Some(0.1))] {
            let mut bytes = Vec::new();
            counter_state.put(&mut bytes);
            assert_eq!(<CounterState as Stored>::read(&mut &bytes[..]), Some(counter_state));
        }
    }
}
