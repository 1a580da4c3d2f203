//! Trying again at intervals, for a limited time.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// How often an operation is tried again, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// The pause between two attempts, give or take a fifth, so that many callers do not try in
    /// step.
    pub every: Duration,
    /// No attempt begins later than this after the first.
    pub give_up: Duration,
}

impl Retry {
    /// The first attempt begins now.
    pub fn start(self) -> Attempts {
        Attempts { retry: self, started: Instant::now() }
    }
}

/// Attempts at one operation.
#[derive(Debug)]
pub struct Attempts {
    retry: Retry,
    started: Instant,
}

impl Attempts {
    /// Waits until the next attempt is due. Returns `false`, at once, if it is time to give up.
    pub async fn again(&self) -> bool {
        if self.started.elapsed() >= self.retry.give_up {
            return false;
        }
        tokio::time::sleep(with_jitter(self.retry.every)).await;
        true
    }
}

/// Four to six fifths of a pause.
fn with_jitter(pause: Duration) -> Duration {
    // The seed of the standard library's hash maps is random.
    let random = RandomState::new().hash_one(()) % 401;
    pause.mul_f64(0.8 + random as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn attempts_come_at_intervals_until_it_is_time_to_give_up() {
        let retry = Retry { every: Duration::from_millis(500), give_up: Duration::from_secs(10) };
        let attempts = retry.start();
        let mut count = 0;
        let mut last = Instant::now();
        while attempts.again().await {
            let pause = last.elapsed();
            assert!((Duration::from_millis(400)..=Duration::from_millis(601)).contains(&pause), "{pause:?}");
            last = Instant::now();
            count += 1;
        }
        assert!((16..=26).contains(&count), "{count}");
    }

    #[test]
    fn pauses_differ() {
        let pauses: std::collections::HashSet<_> = (0..50).map(|_| with_jitter(Duration::from_secs(1))).collect();
        assert!(pauses.len() > 1);
    }
}
