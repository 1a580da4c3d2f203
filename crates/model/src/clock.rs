//! Wall time comes from outside, so that every decision can be replayed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

/// Another clock that never goes back and never stands still.
///
/// Times must not decrease along a log, but the clock of this machine may be set back, and another
/// node whose clock was ahead may have written the last events. Until the other clock has caught
/// up, this one goes at half its speed, so that whatever waits for a time still comes to it.
pub struct NotBefore {
    clock: Arc<dyn Clock>,
    state: Mutex<Held>,
}

/// How the two clocks stood when the other one last went back.
struct Held {
    /// The newest time of the other clock.
    newest_ms: i64,
    /// Time of the other clock.
    theirs_ms: i64,
    /// Time of this one.
    ours_ms: i64,
}

impl Held {
    /// The time when the other clock shows `now_ms`.
    fn show(&mut self, now_ms: i64) -> i64 {
        if now_ms < self.newest_ms {
            self.ours_ms = self.at(self.newest_ms);
            self.theirs_ms = now_ms;
        }
        self.newest_ms = now_ms;
        self.at(now_ms)
    }

    fn at(&self, now_ms: i64) -> i64 {
        now_ms.max(self.ours_ms.saturating_add(now_ms.saturating_sub(self.theirs_ms) / 2))
    }
}

impl NotBefore {
    /// `clock`, but never earlier than `floor_ms`.
    pub fn new(clock: Arc<dyn Clock>, floor_ms: i64) -> Self {
        let now_ms = clock.now_ms();
        let state = Held { newest_ms: now_ms, theirs_ms: now_ms, ours_ms: floor_ms.max(now_ms) };
        Self { clock, state: Mutex::new(state) }
    }
}

impl Clock for NotBefore {
    fn now_ms(&self) -> i64 {
        // The lock is held while the other clock is read, so that its times come in order. It
        // guards plain numbers.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.show(self.clock.now_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_with_a_floor_goes_at_half_speed_until_the_other_has_caught_up() {
        let inner = Arc::new(ManualClock::at(100));
        let clock = NotBefore::new(inner.clone(), 150);
        assert_eq!(clock.now_ms(), 150);
        inner.advance(70);
        assert_eq!(clock.now_ms(), 185);
        inner.advance(30);
        assert_eq!(clock.now_ms(), 200);
        inner.advance(7);
        assert_eq!(clock.now_ms(), 207);
    }

    #[test]
    fn a_clock_that_is_set_back_twice_never_decreases_and_goes_on() {
        let inner = Arc::new(ManualClock::at(1_000));
        let clock = NotBefore::new(inner.clone(), i64::MIN);
        let mut last = clock.now_ms();
        for step in [500, -5_000, 10, 400, -100, 1, 1, 1, 1, 50_000, 3] {
            inner.advance(step);
            let now = clock.now_ms();
            assert!(now >= last, "{now} after {last}");
            last = now;
        }
        assert_eq!(last, inner.now_ms());
        inner.advance(-1_000);
        let held = clock.now_ms();
        (0..100).for_each(|_| {
            inner.advance(1);
            clock.now_ms();
        });
        assert_eq!(clock.now_ms(), held + 50, "also when it is read every millisecond");
    }
}
