//! The timers of all streams of a host, behind one timer of the actor.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tokio::time::Instant;

use super::handle::StreamId;

/// What a stream does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A series may have stalled.
    CheckStalls,
    /// Report the counts about the shadow detector.
    Report,
    /// Wait for a turn to hand the state over.
    Snapshot,
    /// Stop without, because it took too long.
    GiveUp,
}

/// Timers in order of time.
#[derive(Default)]
pub(super) struct Timers {
    queue: BinaryHeap<Reverse<(Instant, StreamId, Timer)>>,
    armed: Option<Instant>,
}

impl Timers {
    pub(super) fn add(&mut self, now: Instant, after: Duration, stream: StreamId, timer: Timer) {
        self.queue.push(Reverse((now + after, stream, timer)));
    }

    /// Removes and returns a timer that is due.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<(StreamId, Timer)> {
        self.armed = None;
        let Reverse((at, ..)) = self.queue.peek()?;
        if *at > now {
            return None;
        }
        self.queue.pop().map(|Reverse((_, stream, timer))| (stream, timer))
    }

    /// How long the actor's timer has to wait for the earliest of these, if none is set that ends
    /// before it.
    pub(super) fn arm(&mut self, now: Instant) -> Option<Duration> {
        let Reverse((at, ..)) = *self.queue.peek()?;
        if self.armed.is_some_and(|armed| armed <= at) {
            return None;
        }
        self.armed = Some(at);
        Some(at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earliest_timer_is_armed_and_due_ones_come_in_order() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(timers.arm(now), None);
        timers.add(now, 5 * second, StreamId(1), Timer::Snapshot);
        assert_eq!(timers.arm(now), Some(5 * second));
        assert_eq!(timers.arm(now), None, "it is armed");
        timers.add(now, 2 * second, StreamId(2), Timer::CheckStalls);
        assert_eq!(timers.arm(now), Some(2 * second), "an earlier one came");
        assert_eq!(timers.next_due(now + second), None);
        assert_eq!(timers.arm(now + second), Some(second), "an early wake-up arms it again");
        assert_eq!(timers.next_due(now + 9 * second), Some((StreamId(2), Timer::CheckStalls)));
        assert_eq!(timers.next_due(now + 9 * second), Some((StreamId(1), Timer::Snapshot)));
        assert_eq!((timers.next_due(now + 9 * second), timers.arm(now)), (None, None));
    }
}
