//! Rates from monotonic counters. Pure: time is an argument.

use std::collections::HashMap;

/// Over a shorter span, in seconds, a rate would be mostly the jitter of the two readings.
const SHORTEST_SPAN: f64 = 0.2;

#[derive(Debug, Clone, Copy)]
struct Reading {
    counter: u64,
    at: f64,
    seen: bool,
}

/// The last reading of each counter, by metric and device.
#[derive(Debug, Default)]
pub(super) struct Rates {
    now: f64,
    readings: HashMap<&'static str, HashMap<String, Reading>>,
}

impl Rates {
    /// Starts a scrape at `now`, in seconds of a monotonic clock.
    pub(super) fn begin(&mut self, now: f64) {
        self.now = now;
        for reading in self.readings.values_mut().flat_map(HashMap::values_mut) {
            reading.seen = false;
        }
    }

    /// The growth of `counter` since its last reading, per second.
    ///
    /// `None` for a first reading and for a counter that was reset (it is lower than before). Also
    /// `None` if the last reading is so recent that the rate would be noise. Then the older reading
    /// is kept for the next rate.
    pub(super) fn rate(&mut self, metric: &'static str, device: &str, counter: u64) -> Option<f64> {
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

    /// Ends a scrape: removes counters that were not read, because their device is gone.
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
        let rate = rates.rate("read", "sda", counter);
        rates.end();
        rate
    }

    #[test]
    fn rate_is_growth_per_second() {
        let mut rates = Rates::default();
        assert_eq!(read(&mut rates, 10.0, 1_000), None);
        assert_eq!(read(&mut rates, 12.0, 1_500), Some(250.0));
        assert_eq!(read(&mut rates, 12.5, 1_500), Some(0.0));
    }

    #[test]
    fn counter_reset_gives_no_rate_and_becomes_the_new_base() {
        let mut rates = Rates::default();
        read(&mut rates, 0.0, 1_000);
        assert_eq!(read(&mut rates, 1.0, 10), None);
        assert_eq!(read(&mut rates, 2.0, 30), Some(20.0));
    }

    #[test]
    fn early_reading_gives_no_rate_and_keeps_the_base() {
        let mut rates = Rates::default();
        read(&mut rates, 0.0, 0);
        assert_eq!(read(&mut rates, 0.1, 50), None);
        assert_eq!(read(&mut rates, 1.0, 100), Some(100.0));
    }

    #[test]
    fn device_that_was_absent_has_no_rate() {
        let mut rates = Rates::default();
        read(&mut rates, 0.0, 100);
        rates.begin(1.0);
        rates.end();
        assert_eq!(read(&mut rates, 2.0, 900), None);
    }

    #[test]
    fn devices_and_metrics_are_separate() {
        let mut rates = Rates::default();
        rates.begin(0.0);
        rates.rate("read", "sda", 5);
        rates.rate("write", "sda", 7);
        rates.end();
        rates.begin(1.0);
        assert_eq!(rates.rate("read", "sdb", 50), None);
        assert_eq!(rates.rate("write", "sda", 8), Some(1.0));
        assert_eq!(rates.rate("read", "sda", 7), Some(2.0));
    }
}
