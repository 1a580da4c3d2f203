//! Log lines about what others send, at a bounded rate.

use std::time::Duration;

use tokio::time::Instant;

/// At most one line in this time.
const EVERY: Duration = Duration::from_secs(5);

/// Says the first complaint at once and the others of the same five seconds as a number in the next line.
pub(crate) struct LogLimit {
    over: &'static str,
    last: Option<Instant>,
    unsaid: u64,
}

impl LogLimit {
    /// About samples that come over this protocol.
    pub(crate) fn over(protocol: &'static str) -> Self {
        Self { over: protocol, last: None, unsaid: 0 }
    }

    /// Something that was sent without wanting an answer was refused.
    pub(crate) fn refused(&mut self, subject: &str, why: &str) {
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            self.unsaid += 1;
            return;
        }
        let others = std::mem::take(&mut self.unsaid);
        // Names and texts come from outside: cut, so that a line stays a line.
        let (subject, why): (String, String) = (subject.chars().take(200).collect(), why.chars().take(300).collect());
        tracing::warn!(subject, why, others, "samples that came over {} were refused", self.over);
        self.last = Some(Instant::now());
    }
}
