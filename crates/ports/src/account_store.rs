//! Records of accounts: organisations, users, keys, sessions. They belong to the installation, and
//! to no workspace.

use async_trait::async_trait;

use crate::error::PortError;
use crate::meta_store::{MetaRecord, Revision};
use earcon_tenancy::AccountsPass;

/// Key-value records of the installation, changed by compare-and-set. No workspace can see them.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// The record under `key`. It is at least as new as any change that was finished before, on any
    /// node.
    async fn get(&self, pass: &AccountsPass, key: &str) -> Result<Option<MetaRecord>, PortError>;
    /// At most `limit` records whose key starts with `prefix`, in key order.
    ///
    /// With `after`, only keys above it: pass the last key of a page to get the next one. A page
    /// with fewer than `limit` records is the last.
    async fn list(
        &self,
        pass: &AccountsPass,
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
        pass: &AccountsPass,
        key: &str,
        expected: Revision,
        value: Vec<u8>,
    ) -> Result<Revision, PortError>;
    /// Removes the record if its revision is `expected`, which is not 0. Durable when it returns. A
    /// new record under the same key starts above `expected`.
    ///
    /// # Errors
    /// `Conflict` when the current revision is another one.
    async fn delete(&self, pass: &AccountsPass, key: &str, expected: Revision) -> Result<(), PortError>;
}
