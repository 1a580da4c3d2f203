//! Exponential backoff with random jitter. The jitter prevents that many clients reconnect to a
//! restarted server at the same time.

use std::time::Duration;

/// The pauses after consecutive failures. The default is 250 ms, doubled up to 15 s.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(15))
    }
}

impl Backoff {
    /// The first pause is at most `first`. Each further failure doubles it, up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Counts a failure and returns the next pause: a random time between half of the current
    /// limit and the limit.
    pub fn failed(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        doubled.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Resets the number of failures after a success.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The number of consecutive failures.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_reset_after_success() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, longest);
        for expected in [100, 200, 400, 800, 1_000, 1_000] {
            let (pause, expected) = (backoff.failed(), Duration::from_millis(expected));
            assert!(pause >= expected / 2 && pause <= expected, "{pause:?} for {expected:?}");
        }
        (0..100).for_each(|_| assert!(backoff.failed() <= longest));
        backoff.succeeded();
        assert!(backoff.failed() <= first);
    }
}
