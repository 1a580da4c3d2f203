//! Rates from counters that only grow. Pure: time is handed in.

use std::collections::HashMap;

/// Over a shorter span than this, in seconds, a rate would be mostly the jitter of the two readings.
const SHORTEST_SPAN: f64 = 0.2;

#[derive(Debug, Clone, Copy)]
struct Reading {
    counter: u64,
    at: f64,
    seen: bool,
}

/// The last reading of each counter, by metric and by the device it belongs to.
#[derive(Debug, Default)]
pub(super) struct Rates {
    now: f64,
    readings: HashMap<&'static str, HashMap<String, Reading>>,
}

impl Rates {
    /// Starts a sweep at `now`, in seconds of a clock that never runs backwards.
    pub(super) fn begin(&mut self, now: f64) {
        self.now = now;
        for reading in self.readings.values_mut().flat_map(HashMap::values_mut) {
            reading.seen = false;
        }
    }

    /// What `counter` grew by since its last reading, per second.
    ///
    /// `None` for a first reading, for a counter that was reset (it is lower than before), and when the last reading was
    /// so recent that the rate would be noise; then the older reading stays the one to compare with.
    pub(super) fn of(&mut self, metric: &'static str, device: &str, counter: u64) -> Option<f64> {
        let fresh = Reading { counter, at: self.now, seen: true };
        let readings = self.readings.entry(metric).or_default();
        let Some(last) = readings.get_mut(device) else {
            readings.insert(device.to_owned(), fresh);
            return None;
        };
        let span = self.now - last.at;
        if span < SHORTEST_SPAN && counter >= last.counter {
            last.seen = true;
            return None;
        }
        let grown = counter.checked_sub(last.counter);
        *last = fresh;
        grown.map(|grown| grown as f64 / span)
    }

    /// Ends a sweep: counters that were not read in it are forgotten, as their device is gone.
    pub(super) fn end(&mut self) {
        for readings in self.readings.values_mut() {
            readings.retain(|_, reading| reading.seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rates: &mut Rates, now: f64, counter: u64) -> Option<f64> {
        rates.begin(now);
        let rate = rates.of("read", "sda", counter);
        rates.end();
        rate
    }

    #[test]
    fn a_rate_is_growth_per_second() {
        let mut rates = Rates::default();
        assert_eq!(read(&mut rates, 10.0, 1_000), None);
        assert_eq!(read(&mut rates, 12.0, 1_500), Some(250.0));
        assert_eq!(read(&mut rates, 12.5, 1_500), Some(0.0));
    }

    #[test]
    fn a_counter_reset_yields_no_rate_and_the_next_one_counts_from_there() {
        let mut rates = Rates::default();
        read(&mut rates, 0.0, 1_000);
        assert_eq!(read(&mut rates, 1.0, 10), None);
        assert_eq!(read(&mut rates, 2.0, 30), Some(20.0));
    }

    #[test]
    fn a_reading_too_soon_yields_no_rate_and_loses_nothing() {
        let mut rates = Rates::default();
        read(&mut rates, 0.0, 0);
        assert_eq!(read(&mut rates, 0.1, 50), None);
        assert_eq!(read(&mut rates, 1.0, 100), Some(100.0));
    }

    #[test]
    fn a_device_that_was_away_starts_anew() {
        let mut rates = Rates::default();
        read(&mut rates, 0.0, 100);
        rates.begin(1.0);
        rates.end();
        assert_eq!(read(&mut rates, 2.0, 900), None);
    }

    #[test]
    fn devices_and_metrics_do_not_mix() {
        let mut rates = Rates::default();
        rates.begin(0.0);
        rates.of("read", "sda", 5);
        rates.of("write", "sda", 7);
        rates.end();
        rates.begin(1.0);
        assert_eq!(rates.of("read", "sdb", 50), None);
        assert_eq!(rates.of("write", "sda", 8), Some(1.0));
        assert_eq!(rates.of("read", "sda", 7), Some(2.0));
    }
}
