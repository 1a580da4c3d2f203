//! Settings of the log on JetStream.

use std::time::Duration;

/// Replication and size limits of the streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JetStreamLogSettings {
    /// Copies of each stream.
    pub replicas: usize,
    /// A log of this size accepts no appends until it is trimmed. Well above the size that
    /// retention keeps.
    pub limit_bytes: u64,
    /// How long an unanswered append is repeated before it fails. Long enough for a server restart
    /// or a leader election, and shorter than the two minutes for which the server recognises
    /// repetitions.
    pub retry_for: Duration,
}

impl JetStreamLogSettings {
    /// The usual settings: appends are repeated for half a minute.
    pub fn new(replicas: usize, limit_bytes: u64) -> Self {
        Self { replicas, limit_bytes, retry_for: Duration::from_secs(30) }
    }
}
