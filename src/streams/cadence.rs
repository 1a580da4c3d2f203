//! Learns how often a series sends, and derives how long it may be silent.

use super::settings::StreamSettings;
use super::stored::stored_fields;

/// Samples needed before a silence can count as a stall.
const TRUSTED_AFTER: u8 = 5;
/// Learning rate of the estimates.
const RATE: f64 = 0.05;

/// A slow estimate of the time between events. One gap moves it by at most a twentieth.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Interval {
    /// Milliseconds; 0 while unknown.
    pub(super) ms: f64,
}

stored_fields!(Interval { ms });

impl Interval {
    /// Learns from a positive distance in milliseconds.
    pub(super) fn learn(&mut self, distance_ms: i64) {
        let distance = distance_ms as f64;
        if self.ms == 0.0 {
            self.ms = distance;
        } else {
            self.ms += RATE * (distance.clamp(0.5 * self.ms, 2.0 * self.ms) - self.ms);
        }
    }
}

/// Time of the newest sample of a series, and its usual interval.
///
/// The interval is learned from the timestamps of the samples. The silence is counted from the
/// *arrival* of the newest sample, so that a replay of old data does not look silent. For senders
/// that deliver many samples at once, the interval between deliveries counts too: the deadline
/// allows twice the usual time between arrivals.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cadence {
    last_timestamp_ms: i64,
    last_arrival_ms: i64,
    interval: Interval,
    arrivals: Interval,
    /// Samples seen, up to `TRUSTED_AFTER`.
    seen: u8,
}

stored_fields!(Cadence { last_timestamp_ms, last_arrival_ms, interval, arrivals, seen });

impl Cadence {
    /// Whether this timestamp is newer than that of every earlier sample.
    pub(super) fn is_newer(&self, timestamp_ms: i64) -> bool {
        self.seen == 0 || timestamp_ms > self.last_timestamp_ms
    }

    /// Whether there was no sample yet.
    pub(super) fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// Timestamp of the newest sample.
    pub(super) fn last_timestamp_ms(&self) -> i64 {
        self.last_timestamp_ms
    }

    /// Whether there was any sample.
    pub(super) fn has_samples(&self) -> bool {
        self.seen > 0
    }

    /// One usual interval before a time; at least a millisecond.
    pub(super) fn one_interval_before(&self, timestamp_ms: i64) -> i64 {
        timestamp_ms.saturating_sub((self.interval.ms as i64).max(1))
    }

    /// Goes back to a time that lies before the newest sample; later times change nothing.
    pub(super) fn go_back_to(&mut self, timestamp_ms: i64) {
        if self.seen > 0 {
            self.last_timestamp_ms = self.last_timestamp_ms.min(timestamp_ms);
        }
    }

    /// Learns from a sample that [`is_newer`](Self::is_newer).
    ///
    /// `arrived_ms` is `None` for history, which does not show the pace of delivery.
    pub(super) fn learn(&mut self, timestamp_ms: i64, arrived_ms: Option<i64>) {
        if self.seen > 0 {
            self.interval.learn(timestamp_ms.saturating_sub(self.last_timestamp_ms));
        }
        if let Some(now_ms) = arrived_ms {
            // Samples that arrive together are one arrival, regardless of the number of batches.
            // Without an earlier arrival there is no distance.
            if self.last_arrival_ms > 0 && now_ms > self.last_arrival_ms {
                self.arrivals.learn(now_ms.saturating_sub(self.last_arrival_ms));
            }
            self.last_arrival_ms = now_ms;
        }
        self.last_timestamp_ms = timestamp_ms;
        self.seen = (self.seen + 1).min(TRUSTED_AFTER);
    }

    /// Wall time from which silence counts as a stall. `None` while too few samples are known.
    pub(super) fn deadline_ms(&self, settings: &StreamSettings) -> Option<i64> {
        if self.seen < TRUSTED_AFTER {
            return None;
        }
        let grace = (settings.grace_factor * self.interval.ms).max(2.0 * self.arrivals.ms);
        // A conversion from float to integer saturates.
        Some(self.last_arrival_ms.saturating_add((grace as i64).max(settings.grace_min_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(samples: impl IntoIterator<Item = (i64, i64)>) -> Option<i64> {
        let mut cadence = Cadence::default();
        for (timestamp, now) in samples {
            cadence.learn(timestamp, Some(now));
        }
        cadence.deadline_ms(&StreamSettings::default())
    }

    #[test]
    fn silence_is_allowed_for_a_multiple_of_the_interval() {
        assert_eq!(sent((0..20).map(|i| (i * 60_000, i * 60_000))), Some(19 * 60_000 + 300_000));
    }

    #[test]
    fn fast_series_get_the_minimum() {
        assert_eq!(sent((0..20).map(|i| (i * 100, i * 100))), Some(1_900 + 30_000));
    }

    #[test]
    fn replay_of_old_data_counts_from_its_arrival() {
        assert_eq!(sent((0..20).map(|i| (i * 1_000, 1_700_000_000_000))), Some(1_700_000_030_000));
    }

    #[test]
    fn large_batches_extend_the_deadline() {
        let minute_by_minute = (0..6_000).map(|i| (i * 1_000, (i / 60 + 1) * 60_000));
        assert_eq!(sent(minute_by_minute), Some(6_000_000 + 120_000));
    }

    #[test]
    fn no_deadline_after_a_few_samples() {
        assert_eq!(sent((0..4).map(|i| (i, i))), None);
    }

    #[test]
    fn longest_distance_saturates() {
        assert!(sent([0, 1, 2, 3, 4, i64::MAX].map(|t| (t, t))).is_some());
    }
}
