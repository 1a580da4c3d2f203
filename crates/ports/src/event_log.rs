//! The durable, ordered log of a workspace's events.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::epochs::Epochs;
use crate::error::PortError;
use earcon_model::{Event, Seq};
use earcon_tenancy::WorkspacePass;

/// The key of a record in the meta store: the name of the epoch that a workspace's log was last
/// opened with. Snapshots and history fit the log if it has that epoch. A repair that knows they
/// fit records the epoch that it begins.
pub const OPENING_RECORD: &str = "recovery/epoch";

/// The bounds of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// The epochs of the log. They say whether a position belongs to this log.
    pub epochs: Epochs,
    /// The oldest event held. Equals `next` if the log holds none.
    pub first: Seq,
    /// The sequence number of the next event.
    pub next: Seq,
}

impl LogHead {
    /// The epoch of the latest writer.
    pub fn epoch(&self) -> &str {
        self.epochs.current()
    }

    /// The newest event. 0 if there was none yet.
    pub fn newest(&self) -> Seq {
        self.next.saturating_sub(1)
    }
}

/// Consecutive events, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Empty if there is no event at or after the requested position.
    pub events: Vec<Arc<Event>>,
}

/// Durable, ordered, single-writer log of one workspace's events.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Opens the workspace's log for writing, and creates it if there is none. Begins an epoch
    /// whose first event is `next`; its name is durable when this returns. From now on, appends of
    /// earlier writers are refused, in this process and others.
    async fn open(&self, pass: &WorkspacePass) -> Result<LogHead, PortError>;

    /// The present bounds of the log and its epochs, without opening it. `None` if there is no log.
    async fn head(&self, pass: &WorkspacePass) -> Result<Option<LogHead>, PortError>;

    /// Appends `events`, whose `seq` are consecutive and start at the log's `next`.
    ///
    /// After `Ok`, all of them are durable, and they became visible together. After an error, no
    /// later `read` of this process sees any of them. After `Unavailable` it is unknown whether a
    /// restart finds all of them or none. An empty list does nothing. A dropped future may still
    /// append.
    ///
    /// # Errors
    /// - `Conflict` when the first `seq` is not the log's `next`: another writer has taken over.
    /// - `Invalid` when the sequence numbers are not consecutive.
    /// - `Unavailable` when the events could not be made durable. The log may refuse everything
    ///   from then on.
    async fn append(&self, pass: &WorkspacePass, events: Vec<Arc<Event>>) -> Result<(), PortError>;

    /// Reads about `max_events` events with `seq >= from`. Storage units are not split, so it may
    /// return somewhat more. If `from` is older than the oldest event held, starts at the oldest. A
    /// log that was never opened is empty.
    async fn read(&self, pass: &WorkspacePass, from: Seq, max_events: usize) -> Result<Page, PortError>;

    /// Deletes events with `seq < before`, as far as the storage units allow: some of them may stay
    /// readable. Never changes `next`. Returns the oldest event held.
    async fn trim(&self, pass: &WorkspacePass, before: Seq) -> Result<Seq, PortError>;

    /// The first event whose commit time is at or after `time_ms`, or `next` if there is none. Used
    /// by retention. Exact if commit times never decrease along the log, else near that time.
    async fn seq_at(&self, pass: &WorkspacePass, time_ms: i64) -> Result<Seq, PortError>;

    /// Records outside of the log how far it went, so that an end that vanishes is noticed. The
    /// record becomes durable with the next synced write of the settings at the latest. A log that
    /// needs no such record does nothing.
    async fn record_end(&self, _pass: &WorkspacePass) -> Result<(), PortError> {
        Ok(())
    }

    /// Deletes the log. The workspace then has none, and the next [`Self::open`] creates another.
    /// Nothing may append meanwhile. May be repeated.
    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError>;

    /// Approximate size of the workspace's log in bytes.
    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError>;
}

/// Events of a log that is followed: one commit, or a part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// The epoch that wrote the events. If it is another than before, the log has another writer,
    /// or is another history: [`EventLog::head`] tells which.
    pub epoch: String,
    /// Consecutive events, oldest first.
    pub events: Vec<Arc<Event>>,
}

/// Committed events in `seq` order and without gaps, as they are committed.
pub type Following = BoxStream<'static, Result<Followed, PortError>>;

/// A log that nodes other than its writer can follow.
#[async_trait]
pub trait SharedLog: EventLog {
    /// Follows the log from `from` on, for any writer. Begins at the oldest event held if that is
    /// later. Continues over reconnects. Ends after an error, for example if the next events were
    /// trimmed; the caller then follows again.
    async fn follow(&self, pass: &WorkspacePass, from: Seq) -> Result<Following, PortError>;
}
