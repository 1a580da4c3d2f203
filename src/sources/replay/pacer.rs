//! Computes when samples of a file are due. Pure: the elapsed time is an argument.

use std::time::Duration;

/// Computes the wait until a batch is due.
///
/// Counts from the first batch, not from the previous one. Late batches are therefore caught up
/// with, and errors do not add up.
#[derive(Debug, Clone)]
pub struct Pacer {
    speed: f64,
    origin_ms: Option<i64>,
}

impl Pacer {
    /// `speed` seconds of the file pass in one second. 0: as fast as possible.
    pub fn new(speed: f64) -> Self {
        Self { speed, origin_ms: None }
    }

    /// The wait until a batch with samples up to `timestamp_ms` is due, `elapsed` after the start.
    ///
    /// Zero for the first batch, for an overdue one, and for one that goes back in time.
    pub fn wait(&mut self, timestamp_ms: i64, elapsed: Duration) -> Duration {
        let origin = *self.origin_ms.get_or_insert(timestamp_ms);
        let ahead_ms = timestamp_ms.saturating_sub(origin);
        if self.speed <= 0.0 || ahead_ms <= 0 {
            return Duration::ZERO;
        }
        let due = Duration::try_from_secs_f64(ahead_ms as f64 / 1e3 / self.speed).unwrap_or(Duration::MAX);
        due.saturating_sub(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn wait_is_the_time_until_a_batch_is_due() {
        let mut pacer = Pacer::new(1.0);
        assert_eq!(pacer.wait(5_000, Duration::ZERO), Duration::ZERO);
        assert_eq!(pacer.wait(8_000, SECOND), 2 * SECOND);
        assert_eq!(pacer.wait(8_000, 4 * SECOND), Duration::ZERO);
        assert_eq!(pacer.wait(9_000, 2 * SECOND), 2 * SECOND);
    }

    #[test]
    fn speed_divides_the_wait() {
        let mut pacer = Pacer::new(60.0);
        pacer.wait(0, Duration::ZERO);
        assert_eq!(pacer.wait(3_600_000, SECOND), 59 * SECOND);
    }

    #[test]
    fn speed_zero_never_waits() {
        let mut pacer = Pacer::new(0.0);
        pacer.wait(0, Duration::ZERO);
        assert_eq!(pacer.wait(i64::MAX, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn earlier_timestamp_neither_waits_nor_shifts() {
        let mut pacer = Pacer::new(1.0);
        pacer.wait(10_000, Duration::ZERO);
        assert_eq!(pacer.wait(2_000, SECOND), Duration::ZERO);
        assert_eq!(pacer.wait(12_000, SECOND), SECOND);
    }

    #[test]
    fn extreme_spans_do_not_overflow() {
        let mut pacer = Pacer::new(1e-300);
        pacer.wait(i64::MIN, Duration::ZERO);
        assert_eq!(pacer.wait(i64::MAX, Duration::ZERO), Duration::MAX);
    }
}
