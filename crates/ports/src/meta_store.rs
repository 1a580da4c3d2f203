//! Small records of settings. Compare-and-set keeps two people from overwriting each other unseen.

use async_trait::async_trait;

use crate::error::PortError;
use earcon_model::WorkspaceKey;
use earcon_tenancy::WorkspacePass;

/// Grows by one with every change of a record. 0 means that there is no record.
pub type Revision = u64;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaRecord {
    /// `kind/name`, for example `mix/default`.
    pub key: String,
    /// Current revision, at least 1.
    pub revision: Revision,
    /// Opaque to the store.
    pub value: Vec<u8>,
}

/// The key of a record: the workspace is being deleted. It is written first and goes last, so the
/// next start goes on with a deletion that was interrupted. A repair removes it if it may be that
/// of an earlier workspace of the same name.
pub const DELETING_RECORD: &str = "workspace/deleting";

/// Key-value records of a workspace, changed by compare-and-set.
#[async_trait]
pub trait MetaStore: Send + Sync + 'static {
    /// The record under `key`.
    async fn get(&self, pass: &WorkspacePass, key: &str) -> Result<Option<MetaRecord>, PortError>;
    /// At most `limit` records whose key starts with `prefix`, in key order.
    ///
    /// With `after`, only keys above it: pass the last key of a page to get the next one. A page
    /// with fewer than `limit` records is the last.
    async fn list(
        &self,
        pass: &WorkspacePass,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MetaRecord>, PortError>;
    /// Writes `value` if the current revision is `expected` (0: the record must not exist); durable
    /// when it returns. Returns the new revision.
    ///
    /// # Errors
    /// `Conflict` when the current revision is another one. `Invalid` when the key is empty or
    /// longer than 1,024 bytes.
    async fn put(
        &self,
        pass: &WorkspacePass,
        key: &str,
        expected: Revision,
        value: Vec<u8>,
    ) -> Result<Revision, PortError>;
    /// Removes the record if its revision is `expected`, which is not 0. Durable when it returns. A
    /// new record under the same key starts above `expected`.
    ///
    /// # Errors
    /// `Conflict` when the current revision is another one.
    async fn delete(&self, pass: &WorkspacePass, key: &str, expected: Revision) -> Result<(), PortError>;
    /// The keys of all workspaces that have any data. Needs no pass, because it shows nothing but
    /// names. A store that knows no generations returns generation 0.
    async fn workspaces(&self) -> Result<Vec<WorkspaceKey>, PortError>;
    /// Deletes all records of the workspace, durably. The workspace is not listed then. Nothing may
    /// change them meanwhile. May be repeated. Another workspace of this name has another
    /// generation, and its revisions begin again.
    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError>;
}
