//! Settings of the log on JetStream.

use std::time::Duration;

/// How the streams are made and how large they may grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JetStreamLogSettings {
    /// Copies of each stream.
    pub replicas: usize,
    /// A workspace's log that is this large takes no more appends until it is trimmed. Well above what retention keeps.
    pub limit_bytes: u64,
    /// How long an append that is not answered is repeated before it fails; long enough for a server to restart or a leader to
    /// be elected. Shorter than the two minutes for which the server knows repetitions.
    pub retry_for: Duration,
}

impl JetStreamLogSettings {
    /// What is usual: appends are repeated for half a minute.
    pub fn new(replicas: usize, limit_bytes: u64) -> Self {
        Self { replicas, limit_bytes, retry_for: Duration::from_secs(30) }
    }
}
