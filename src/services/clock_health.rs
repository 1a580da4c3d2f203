//! Whether the wall clock of this machine jumped.
//!
//! A clock that jumps is no failure: samples are taken, and the logs' times never go back. But
//! samples without a timestamp get that of the clock, and those of senders may be refused. So
//! operators learn of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// The wall clock and the monotonic clock differ by more than this in one step: a jump. NTP slews
/// by half a millisecond a second.
const JUMP_MS: i64 = 2_000;
/// How long a jump is news.
const RECENT_MS: i64 = 3_600_000;

/// A jump of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockJump {
    /// How far, in milliseconds; below 0 if the clock was set back.
    pub by_ms: i64,
    /// Wall time after it.
    pub at_ms: i64,
}

impl ClockJump {
    /// The jump between two readings of both clocks: how far each went, in milliseconds.
    pub fn between(wall_ms: i64, monotonic_ms: i64, at_ms: i64) -> Option<Self> {
        let by_ms = wall_ms.saturating_sub(monotonic_ms);
        (by_ms.saturating_abs() > JUMP_MS).then_some(Self { by_ms, at_ms })
    }
}

impl fmt::Display for ClockJump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.by_ms < 0 { "was set back" } else { "jumped ahead" };
        let seconds = self.by_ms.unsigned_abs() as f64 / 1_000.0;
        write!(f, "the clock {direction} by {seconds:.1} s")?;
        match Timestamp::from_millisecond(self.at_ms) {
            Ok(at) => write!(f, ", to {at}"),
            Err(_) => Ok(()),
        }
    }
}

/// The last jump of the wall clock. All clones share it.
#[derive(Debug, Clone, Default)]
pub struct ClockHealth(Arc<Mutex<Option<ClockJump>>>);

impl ClockHealth {
    /// Records a jump.
    pub fn jumped(&self, jump: ClockJump) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(jump);
    }

    /// The last jump, if it was in the hour before `now_ms`.
    pub fn recent(&self, now_ms: i64) -> Option<ClockJump> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|jump| now_ms.saturating_sub(jump.at_ms) <= RECENT_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_a_difference_of_more_than_two_seconds() {
        assert_eq!(ClockJump::between(1_000, 1_000, 5), None);
        assert_eq!(ClockJump::between(60_000, 60_900, 5), None, "a late reading of both is none");
        assert_eq!(ClockJump::between(-9_000, 1_000, 5), Some(ClockJump { by_ms: -10_000, at_ms: 5 }));
        let ahead = ClockJump::between(3_601_000, 1_000, 0).unwrap().to_string();
        assert_eq!(ahead, "the clock jumped ahead by 3600.0 s, to 1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_jump_is_news_for_an_hour() {
        let health = ClockHealth::default();
        assert_eq!(health.recent(0), None);
        let jump = ClockJump { by_ms: -10_000, at_ms: 100 };
        health.clone().jumped(jump);
        assert_eq!((health.recent(3_600_100), health.recent(3_600_101)), (Some(jump), None));
    }
}
