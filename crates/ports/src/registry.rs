//! A small table that all nodes of a cluster see and change by compare-and-set. It holds nothing of tenants but the names of
//! their workspaces, so it takes no pass.

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::PortError;
use super::meta_store::Revision;

/// Something that happened to the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The entry has this value now. A revision that was seen before may come again.
    Put {
        /// Which entry.
        key: String,
        /// Grows with every change of the entry; not by one.
        revision: Revision,
        /// Its value.
        value: Vec<u8>,
    },
    /// The entry is gone.
    Deleted {
        /// Which entry.
        key: String,
    },
    /// Everything that was in the table when the watch began has been told.
    Synced,
}

/// The present entries, then [`Change::Synced`], then every change. Goes on over reconnects; ends after an error.
pub type Watch = BoxStream<'static, Result<Change, PortError>>;

/// A table shared by all nodes. Keys are of `a-z A-Z 0-9 . _ - =`, at most 200 bytes; values at most 64 KiB.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// The entry as the table has it now, not as a watch last told.
    async fn get(&self, key: &str) -> Result<Option<(Revision, Vec<u8>)>, PortError>;

    /// Writes the entry, whatever it was.
    async fn put(&self, key: &str, value: Vec<u8>) -> Result<Revision, PortError>;

    /// Writes the entry if its revision is `expected` (0: it must not exist). Returns the new revision.
    ///
    /// # Errors
    /// `Conflict` when the revision is another one.
    async fn compare_and_set(&self, key: &str, expected: Revision, value: Vec<u8>) -> Result<Revision, PortError>;

    /// Removes the entry, if it is there.
    async fn delete(&self, key: &str) -> Result<(), PortError>;

    /// Watches the whole table.
    async fn watch(&self) -> Result<Watch, PortError>;
}
