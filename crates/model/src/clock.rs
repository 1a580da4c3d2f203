//! Wall time comes from outside, so that every decision can be replayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A source of wall time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch, UTC.
    fn now_ms(&self) -> i64;
}

/// A clock that moves only by [`advance`](Self::advance), for tests and simulations.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now_ms`.
    pub fn at(now_ms: i64) -> Self {
        Self(AtomicI64::new(now_ms))
    }

    /// Moves the clock forward by `by_ms` milliseconds.
    pub fn advance(&self, by_ms: i64) {
        self.0.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Another clock with a lower limit, which never goes back. Times must not decrease along a log,
/// but another node whose clock was ahead may have written its last events.
pub struct NotBefore {
    clock: Arc<dyn Clock>,
    latest_ms: AtomicI64,
}

impl NotBefore {
    /// `clock`, but never earlier than `floor_ms`.
    pub fn new(clock: Arc<dyn Clock>, floor_ms: i64) -> Self {
        Self { clock, latest_ms: AtomicI64::new(floor_ms) }
    }
}

impl Clock for NotBefore {
    fn now_ms(&self) -> i64 {
        let now_ms = self.clock.now_ms();
        self.latest_ms.fetch_max(now_ms, Ordering::Relaxed).max(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_with_a_floor_waits_there_and_goes_on() {
        let inner = Arc::new(ManualClock::at(100));
        let clock = NotBefore::new(inner.clone(), 150);
        assert_eq!(clock.now_ms(), 150);
        inner.advance(70);
        assert_eq!(clock.now_ms(), 170);
        inner.advance(-50);
        assert_eq!(clock.now_ms(), 170);
    }
}
