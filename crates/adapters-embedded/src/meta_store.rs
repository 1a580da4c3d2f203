//! Settings with compare-and-set. A deleted record leaves a tombstone with its revision, so that
//! revisions never repeat.
//!
//! Key: workspace, zero, key. Value: `version u8 | revision u64 | live u8 | value`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::database::{Database, Durability, WriteBatch, blocking, corrupt, prefix, unreadable};
use async_trait::async_trait;
use earcon_model::{WorkspaceId, WorkspaceKey};
use earcon_ports::{ErrorKind, MetaRecord, MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

const VERSION: u8 = 1;
/// Longest key accepted, bytes.
const MAX_KEY: usize = 1_024;

pub(super) struct EmbeddedMeta {
    inner: Arc<Inner>,
}

struct Inner {
    database: Arc<Database>,
    /// Held from the comparison to the commit, for all workspaces: settings change rarely.
    writing: Mutex<()>,
}

impl EmbeddedMeta {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { inner: Arc::new(Inner { database, writing: Mutex::new(()) }) }
    }

    async fn run<T, F>(&self, work: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Inner) -> Result<T, PortError> + Send + 'static,
    {
        let inner = self.inner.clone();
        blocking(move || work(&inner)).await
    }
}

#[async_trait]
impl MetaStore for EmbeddedMeta {
    async fn get(&self, pass: &WorkspacePass, key: &str) -> Result<Option<MetaRecord>, PortError> {
        let (stored_key, key) = (full_key(pass.workspace(), key)?, key.to_owned());
        self.run(move |inner| {
            let (revision, value) = inner.current(&stored_key)?;
            Ok(value.map(|value| MetaRecord { key, revision, value }))
        })
        .await
    }

    async fn list(
        &self,
        pass: &WorkspacePass,
        wanted: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MetaRecord>, PortError> {
        let workspace = prefix(pass.workspace());
        let skip = workspace.len();
        let wanted = [&workspace, wanted.as_bytes()].concat();
        let start = match after {
            Some(after) => wanted.clone().max([&workspace, after.as_bytes(), &[0]].concat()),
            None => wanted.clone(),
        };
        self.run(move |inner| {
            let mut records = Vec::new();
            let mut entries = inner.database.snapshot()?.range(inner.database.meta, start..);
            while records.len() < limit
                && let Some(entry) = entries.next()
            {
                let (key, stored) = entry.into_inner().map_err(unreadable)?;
                if !key.starts_with(&wanted) {
                    break;
                }
                let (revision, Some(value)) = decode(&stored)? else { continue };
                let key = std::str::from_utf8(&key[skip..]).map_err(|_| corrupt("the key of a record"))?.to_owned();
                records.push(MetaRecord { key, revision, value });
            }
            Ok(records)
        })
        .await
    }

    async fn put(
        &self,
        pass: &WorkspacePass,
        key: &str,
        expected: Revision,
        value: Vec<u8>,
    ) -> Result<Revision, PortError> {
        let key = full_key(pass.workspace(), key)?;
        self.run(move |inner| inner.change(key, expected, Some(value))).await
    }

    async fn delete(&self, pass: &WorkspacePass, key: &str, expected: Revision) -> Result<(), PortError> {
        let key = full_key(pass.workspace(), key)?;
        self.run(move |inner| {
            if expected == 0 {
                return Err(PortError::new(ErrorKind::Invalid, "a record that does not exist cannot be deleted"));
            }
            inner.change(key, expected, None).map(|_| ())
        })
        .await
    }

    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        let prefix = prefix(pass.workspace());
        self.run(move |inner| {
            let _writing = inner.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let mut batch = WriteBatch::default();
            for entry in inner.database.snapshot()?.prefix(inner.database.meta, &prefix) {
                batch.remove(inner.database.meta, entry.key().map_err(unreadable)?.to_vec());
            }
            inner.database.commit(batch, Durability::Synced)
        })
        .await
    }

    async fn workspaces(&self) -> Result<Vec<WorkspaceKey>, PortError> {
        let names = self.run(Inner::workspaces).await?;
        Ok(names.into_iter().map(|name| WorkspaceKey::new(name, 0)).collect())
    }
}

impl Inner {
    /// Revision and value under `key`. A tombstone has a revision but no value.
    fn current(&self, key: &[u8]) -> Result<(Revision, Option<Vec<u8>>), PortError> {
        match self.database.snapshot()?.get(self.database.meta, key).map_err(unreadable)? {
            Some(stored) => decode(&stored),
            None => Ok((0, None)),
        }
    }

    fn change(&self, key: Vec<u8>, expected: Revision, value: Option<Vec<u8>>) -> Result<Revision, PortError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (stored, live) = self.current(&key)?;
        let visible = if live.is_some() { stored } else { 0 };
        if visible != expected {
            let text = format!("the record is at revision {visible}, not at {expected}");
            return Err(PortError::new(ErrorKind::Conflict, text));
        }
        let revision = stored + 1;
        let mut batch = WriteBatch::default();
        batch.insert(self.database.meta, key, encode(revision, value.as_deref()));
        self.database.commit(batch, Durability::Synced)?;
        Ok(revision)
    }

    /// Every workspace with a record, a log or history.
    fn workspaces(&self) -> Result<Vec<WorkspaceId>, PortError> {
        let snapshot = self.database.snapshot()?;
        let mut names = BTreeSet::new();
        for entry in snapshot.iter(self.database.meta) {
            let (key, stored) = entry.into_inner().map_err(unreadable)?;
            if decode(&stored)?.1.is_some() {
                names.insert(workspace_of(&key)?);
            }
        }
        for table in [self.database.logs, self.database.history.heads] {
            for entry in snapshot.iter(table) {
                names.insert(workspace_of(&entry.key().map_err(unreadable)?)?);
            }
        }
        Ok(names.into_iter().collect())
    }
}

/// The value of a record. `None` if there is none, or if it cannot be read.
pub(super) fn value(database: &Database, workspace: &WorkspaceId, key: &str) -> Result<Option<Vec<u8>>, PortError> {
    let stored = database.snapshot()?.get(database.meta, full_key(workspace, key)?).map_err(unreadable)?;
    Ok(stored.and_then(|stored| decode(&stored).ok()?.1))
}

/// Replaces a record, whatever its revision is. Nothing else may write.
pub(super) fn replace(database: &Database, workspace: &WorkspaceId, key: &str, value: &[u8]) -> Result<(), PortError> {
    let key = full_key(workspace, key)?;
    let stored = database.snapshot()?.get(database.meta, &key).map_err(unreadable)?;
    let revision = stored.and_then(|stored| decode(&stored).ok()).map_or(0, |(revision, _)| revision);
    let mut batch = WriteBatch::default();
    batch.insert(database.meta, key, encode(revision + 1, Some(value)));
    database.commit(batch, Durability::Synced)
}

/// Removes a record. Nothing else may write.
pub(super) fn remove(database: &Database, workspace: &WorkspaceId, key: &str) -> Result<(), PortError> {
    let mut batch = WriteBatch::default();
    batch.remove(database.meta, full_key(workspace, key)?);
    database.commit(batch, Durability::Synced)
}

fn workspace_of(key: &[u8]) -> Result<WorkspaceId, PortError> {
    let name = key.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = std::str::from_utf8(name).map_err(|_| corrupt("the name of a workspace"))?;
    WorkspaceId::new(name).map_err(|_| corrupt("the name of a workspace"))
}

fn full_key(workspace: &WorkspaceId, key: &str) -> Result<Vec<u8>, PortError> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(PortError::new(ErrorKind::Invalid, format!("a key has 1 to {MAX_KEY} bytes, not {}", key.len())));
    }
    let mut full = prefix(workspace);
    full.extend_from_slice(key.as_bytes());
    Ok(full)
}

fn encode(revision: Revision, value: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&revision.to_le_bytes());
    bytes.push(u8::from(value.is_some()));
    bytes.extend_from_slice(value.unwrap_or_default());
    bytes
}

fn decode(stored: &[u8]) -> Result<(Revision, Option<Vec<u8>>), PortError> {
    let (Some((&VERSION, rest)), true) = (stored.split_first(), stored.len() >= 10) else {
        return Err(corrupt("a record"));
    };
    let (revision, rest) = rest.split_first_chunk().ok_or_else(|| corrupt("a record"))?;
    let live = rest[0] == 1;
    Ok((Revision::from_le_bytes(*revision), live.then(|| rest[1..].to_vec())))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Scratch, pass};
    use earcon_contract as contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        let scratch = Scratch::new();
        let store = scratch.open();
        contract::meta_store(|| store.meta_store()).await;
    }

    #[tokio::test]
    async fn records_and_deleted_revisions_survive_a_restart() {
        let scratch = Scratch::new();
        {
            let meta = scratch.open().meta_store();
            meta.put(&pass("a"), "mix/default", 0, b"one".to_vec()).await.unwrap();
            meta.put(&pass("a"), "mix/gone", 0, b"two".to_vec()).await.unwrap();
            meta.delete(&pass("a"), "mix/gone", 1).await.unwrap();
        }
        let meta = scratch.open().meta_store();
        let record = meta.get(&pass("a"), "mix/default").await.unwrap().unwrap();
        assert_eq!((record.revision, record.value.as_slice()), (1, b"one".as_slice()));
        assert_eq!(meta.get(&pass("a"), "mix/gone").await.unwrap(), None);
        assert_eq!(meta.put(&pass("a"), "mix/gone", 0, b"three".to_vec()).await.unwrap(), 3);
    }
}
