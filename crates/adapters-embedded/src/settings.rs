//! Settings of the embedded store.

/// How much the embedded store may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// Memory for blocks read from disk, bytes.
    pub cache_bytes: u64,
    /// Disk for the write-ahead journal, bytes; at least 64 MiB. What is in it is read again at the next start.
    pub journal_bytes: u64,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, journal_bytes: 192 << 20 }
    }
}
