//! The durable, ordered record of everything that happened in a workspace.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::PortError;
use earcon_model::{Event, Seq};
use earcon_tenancy::WorkspacePass;

/// Where a log begins and ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// Names this life of the log; another epoch means that sequence numbers cannot be compared.
    pub epoch: String,
    /// The oldest event still held; equals `next` when the log holds none.
    pub first: Seq,
    /// The sequence number the next event will get.
    pub next: Seq,
}

/// Some consecutive events, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Empty when there is nothing at or after the position asked for.
    pub events: Vec<Arc<Event>>,
}

/// Durable, ordered, single-writer log of one workspace's events.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Opens the workspace's log for writing, creating it with a fresh epoch when there is none. From now on the appends of
    /// whoever opened it before, in this process or another, are refused.
    async fn open(&self, pass: &WorkspacePass) -> Result<LogHead, PortError>;

    /// Where the log begins and ends now, without opening it; `None` when there is no log.
    async fn head(&self, pass: &WorkspacePass) -> Result<Option<LogHead>, PortError>;

    /// Appends `events`, whose `seq` are consecutive and start at the log's `next`. When this returns `Ok`, all of them
    /// are durable and they became visible together; when it returns an error, none of them is visible to a later `read`
    /// of this process. After `Unavailable` nobody knows what a restart will find: all of them or none.
    /// An empty list does nothing. A future that is dropped may still append.
    ///
    /// # Errors
    /// `Conflict` when the first `seq` is not the log's `next`: another writer has taken over.
    /// `Invalid` when the sequence numbers are not consecutive.
    /// `Unavailable` when the events could not be made durable; the log may refuse everything from then on.
    async fn append(&self, pass: &WorkspacePass, events: Vec<Arc<Event>>) -> Result<(), PortError>;

    /// Reads events with `seq >= from`, about `max_events` of them (a storage unit is never cut, so it may be somewhat
    /// more). When `from` is older than the oldest event held, starts at the oldest. A log that was never opened is empty.
    async fn read(&self, pass: &WorkspacePass, from: Seq, max_events: usize) -> Result<Page, PortError>;

    /// Forgets events with `seq < before`, as far as the storage units allow: some of them may stay readable.
    /// `next` never changes. Returns the oldest event still held.
    async fn trim(&self, pass: &WorkspacePass, before: Seq) -> Result<Seq, PortError>;

    /// The first event whose commit time is at or after `time_ms`, or `next` when there is none. Used by retention. Exact
    /// as long as commit times never decrease along the log; else it is some event near that time.
    async fn seq_at(&self, pass: &WorkspacePass, time_ms: i64) -> Result<Seq, PortError>;

    /// About how many bytes the workspace's log occupies.
    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError>;
}

/// Committed events as they come, in `seq` order and without holes; an item is what was committed together, or a part of it.
pub type Following = BoxStream<'static, Result<Vec<Arc<Event>>, PortError>>;

/// A log that other nodes than its writer can follow.
#[async_trait]
pub trait SharedLog: EventLog {
    /// Follows the log from `from` on, whoever writes it; begins at the oldest event held when that is younger. Goes on over
    /// reconnects. Ends after an error, for example when what comes next was trimmed away: follow again.
    async fn follow(&self, pass: &WorkspacePass, from: Seq) -> Result<Following, PortError>;
}
