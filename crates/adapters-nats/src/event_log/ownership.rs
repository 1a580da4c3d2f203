//! Whether this process is the writer of a log, and how far it has written.

use earcon_model::Seq;

/// What this process has written and knows to be durable, since it opened the log.
#[derive(Debug, Clone)]
pub(super) struct Ownership {
    /// The writer's name in its messages.
    pub(super) writer: String,
    /// The event that comes next.
    pub(super) next: Seq,
    /// The last sequence that was acknowledged.
    pub(super) sequence: u64,
}

/// What this process is to the log.
#[derive(Debug)]
pub(super) enum Writer {
    /// It has not opened it.
    Closed,
    /// It is the writer.
    Open(OpenWriter),
    /// Somebody else has taken over.
    Lost,
    /// An append failed without anybody knowing whether it is in the log.
    Unsure,
}

/// The state of a writer.
#[derive(Debug, Clone)]
pub(super) struct OpenWriter {
    /// Its name, in its message ids.
    pub(super) id: String,
    pub(super) next: Seq,
    /// The stream's last sequence.
    pub(super) sequence: u64,
    pub(super) last_time_ms: i64,
    /// Messages ids were given to this many appends and fences.
    pub(super) appends: u64,
    /// About how large the stream is.
    pub(super) bytes: u64,
}

impl OpenWriter {
    pub(super) fn ownership(&self) -> Ownership {
        Ownership { writer: self.id.clone(), next: self.next, sequence: self.sequence }
    }
}
