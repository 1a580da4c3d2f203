//! The restart policy, as a pure decision: exponential backoff, and an intensity limit beyond which
//! a child is parked instead of looping. ractor has no such policy outside its `Factory`.

use std::collections::VecDeque;
use std::time::Duration;

/// When to restart a failed child, and when to stop trying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPolicy {
    /// More failures than this inside `window` and the child is parked.
    pub max_failures: usize,
    /// How far back failures count.
    pub window: Duration,
    /// Delay before the first restart; doubles with each further failure inside the window.
    pub backoff: Duration,
    /// The longest delay.
    pub backoff_cap: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            max_failures: 5,
            window: Duration::from_secs(60),
            backoff: Duration::from_millis(10),
            backoff_cap: Duration::from_secs(5),
        }
    }
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureAction {
    /// Restart the child after this long.
    RestartAfter(Duration),
    /// Too many failures in a short time: leave the child stopped and report it.
    Park,
}

/// The recent failures of one child.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    at_ms: VecDeque<i64>,
}

impl Failures {
    /// Records a failure at `now_ms` and decides.
    pub fn record(&mut self, now_ms: i64, policy: &RestartPolicy) -> FailureAction {
        let window_ms = policy.window.as_millis() as i64;
        while self.at_ms.front().is_some_and(|at| now_ms - at >= window_ms) {
            self.at_ms.pop_front();
        }
        self.at_ms.push_back(now_ms);
        if self.at_ms.len() > policy.max_failures {
            return FailureAction::Park;
        }
        let doublings = (self.at_ms.len() - 1).min(20) as u32;
        FailureAction::RestartAfter((policy.backoff * 2u32.pow(doublings)).min(policy.backoff_cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RestartPolicy {
        RestartPolicy {
            max_failures: 3,
            window: Duration::from_secs(10),
            backoff: Duration::from_millis(100),
            backoff_cap: Duration::from_millis(250),
        }
    }

    #[test]
    fn backs_off_then_parks() {
        let mut failures = Failures::default();
        let after = |ms| FailureAction::RestartAfter(Duration::from_millis(ms));
        assert_eq!(failures.record(0, &policy()), after(100));
        assert_eq!(failures.record(1, &policy()), after(200));
        assert_eq!(failures.record(2, &policy()), after(250), "capped");
        assert_eq!(failures.record(3, &policy()), FailureAction::Park);
    }

    #[test]
    fn old_failures_are_forgiven() {
        let mut failures = Failures::default();
        for minute in 0..100 {
            let action = failures.record(minute * 60_000, &policy());
            assert_eq!(action, FailureAction::RestartAfter(Duration::from_millis(100)));
        }
    }
}
