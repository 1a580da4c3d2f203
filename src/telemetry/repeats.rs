//! Which failures of an operation that is tried again and again are logged.

use std::time::Duration;

use tokio::time::Instant;

/// The same failure is logged at most once in this time.
const SAME: Duration = Duration::from_secs(60);
/// Failures with other texts are logged at most once in this time. Texts may name a free space or a
/// time, and differ each time.
const OTHER: Duration = Duration::from_secs(5);

/// The failures of one operation.
#[derive(Debug, Default)]
pub struct Repeats {
    last: Option<(Instant, String)>,
    suppressed: u64,
}

impl Repeats {
    /// Records a failure. If it is to be logged, returns how many before it were not.
    pub fn failed(&mut self, text: &str) -> Option<u64> {
        let pause = |last: &str| if last == text { SAME } else { OTHER };
        if self.last.as_ref().is_some_and(|(at, last)| at.elapsed() < pause(last)) {
            self.suppressed += 1;
            return None;
        }
        self.last = Some((Instant::now(), text.to_owned()));
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn repeated_failure_is_logged_once_a_minute_and_another_one_sooner() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.failed("full"), Some(0));
        for _ in 0..59 {
            advance(Duration::from_secs(1)).await;
            assert_eq!(repeats.failed("full"), None);
        }
        advance(Duration::from_secs(1)).await;
        assert_eq!(repeats.failed("full"), Some(59));
        assert_eq!(repeats.failed("11 MB left"), None, "texts that differ are bounded too");
        advance(OTHER).await;
        assert_eq!(repeats.failed("10 MB left"), Some(1));
    }
}
