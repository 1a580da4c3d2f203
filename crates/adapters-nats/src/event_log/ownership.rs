//! Whether this process is the writer of a log, and how far it has written.

use std::sync::Arc;

use earcon_model::Seq;
use earcon_ports::Epochs;

/// The acknowledged writes of this process since it opened the log.
#[derive(Debug, Clone)]
pub(super) struct Ownership {
    /// The writer's name in its messages.
    pub(super) writer: String,
    /// The next event.
    pub(super) next: Seq,
    /// The last acknowledged sequence.
    pub(super) sequence: u64,
    /// The epochs of the log. The last one is the writer's.
    pub(super) epochs: Arc<Epochs>,
}

/// Whether this process may write to the log.
#[derive(Debug)]
pub(super) enum Writer {
    /// This process has not opened the log.
    Closed,
    /// This process is the writer.
    Open(OpenWriter),
    /// Another writer has taken over.
    Lost,
    /// It is unknown whether a failed append is in the log.
    Unsure,
}

/// The state of a writer.
#[derive(Debug, Clone)]
pub(super) struct OpenWriter {
    /// The writer's name in its message ids. It is the name of its epoch, too.
    pub(super) id: String,
    pub(super) next: Seq,
    /// The stream's last sequence.
    pub(super) sequence: u64,
    pub(super) last_time_ms: i64,
    /// Number of appends and fences that used a message id.
    pub(super) appends: u64,
    /// Approximate size of the stream.
    pub(super) bytes: u64,
    /// The epochs of the log. The last one is this writer's.
    pub(super) epochs: Arc<Epochs>,
    /// The sequence of this writer's newest fence. 0 before the first one.
    pub(super) fence: u64,
}

impl OpenWriter {
    pub(super) fn ownership(&self) -> Ownership {
        Ownership { writer: self.id.clone(), next: self.next, sequence: self.sequence, epochs: self.epochs.clone() }
    }
}
