//! Warnings about messages from outside, at a bounded rate.

use std::time::Duration;

use tokio::time::Instant;

/// At most one line in this time.
const EVERY: Duration = Duration::from_secs(5);

/// Logs the first warning at once. Later ones within five seconds are a number in the next line.
pub(crate) struct LogLimit {
    protocol: &'static str,
    last: Option<Instant>,
    suppressed: u64,
}

impl LogLimit {
    /// For samples that arrive over this protocol.
    pub(crate) fn over(protocol: &'static str) -> Self {
        Self { protocol, last: None, suppressed: 0 }
    }

    /// Logs the refusal of samples whose sender gets no answer. `sender` is an address or a NATS
    /// subject.
    pub(crate) fn refused(&mut self, sender: &str, why: &str) {
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            self.suppressed += 1;
            return;
        }
        let others = std::mem::take(&mut self.suppressed);
        // Names and texts come from outside, so their length is bounded.
        let (sender, why): (String, String) = (sender.chars().take(200).collect(), why.chars().take(300).collect());
        tracing::warn!(sender, why, others, "samples that came over {} were refused", self.protocol);
        self.last = Some(Instant::now());
    }
}
