//! Settings of the embedded store.

use std::time::Duration;

/// Resource limits of the embedded store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// Memory for blocks read from disk, bytes.
    pub cache_bytes: u64,
    /// Disk space for the write-ahead journal, bytes; at least 64 MiB. The next start replays it.
    pub journal_bytes: u64,
    /// Writes are refused while less is free on the disk, bytes. It is a part of the reserve that
    /// samples do not use, so that settings, history and snapshots can be written for longer. The
    /// database itself does not survive a write that fails half-way without a restart.
    pub keep_free_bytes: u64,
    /// Largest size of a segment of an event log, bytes. A larger append makes a larger segment.
    pub log_segment_bytes: u64,
    /// Events of this time share a segment of an event log. Retention removes whole segments.
    pub log_segment_age: Duration,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self {
            cache_bytes: 32 << 20,
            journal_bytes: 192 << 20,
            keep_free_bytes: 0,
            log_segment_bytes: 64 << 20,
            log_segment_age: Duration::from_secs(6 * 3_600),
        }
    }
}
