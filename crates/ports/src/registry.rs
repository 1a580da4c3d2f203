//! A small table shared by all nodes of a cluster, changed by compare-and-set. Its only tenant data
//! are the names of workspaces, so it takes no pass.

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::error::PortError;
use crate::meta_store::Revision;

/// A change of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The entry has this value. A known revision may be repeated.
    Put {
        /// The key of the entry.
        key: String,
        /// Grows with every change of the entry, by any amount.
        revision: Revision,
        /// Its value.
        value: Vec<u8>,
    },
    /// The entry was deleted.
    Deleted {
        /// The key of the entry.
        key: String,
    },
    /// All entries that existed when the watch began have been reported.
    Synced,
}

/// The existing entries, then [`Change::Synced`], then every change. Continues over reconnects.
/// Ends after an error.
pub type Watch = BoxStream<'static, Result<Change, PortError>>;

/// A table shared by all nodes. Keys consist of `a-z A-Z 0-9 . _ - =` and have at most 200 bytes.
/// Values have at most 64 KiB.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// The present entry of the table, which may be newer than the last report of a watch.
    async fn get(&self, key: &str) -> Result<Option<(Revision, Vec<u8>)>, PortError>;

    /// Writes the entry without any condition.
    async fn put(&self, key: &str, value: Vec<u8>) -> Result<Revision, PortError>;

    /// Writes the entry if its revision is `expected` (0: it must not exist). Returns the new
    /// revision.
    ///
    /// # Errors
    /// `Conflict` when the revision is another one.
    async fn compare_and_set(&self, key: &str, expected: Revision, value: Vec<u8>) -> Result<Revision, PortError>;

    /// Deletes the entry, if there is one.
    async fn delete(&self, key: &str) -> Result<(), PortError>;

    /// Watches the whole table.
    async fn watch(&self) -> Result<Watch, PortError>;
}
