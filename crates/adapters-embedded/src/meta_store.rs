//! The settings of workspaces: records in the space of each.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use super::database::{Database, Durability, WriteBatch, blocking, corrupt, prefix, unreadable};
use super::records::{RESERVED, Records, decode, encode, full_key};
use async_trait::async_trait;
use earcon_model::{WorkspaceId, WorkspaceKey};
use earcon_ports::{MetaRecord, MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

pub(super) struct EmbeddedMeta {
    records: Arc<Records>,
}

impl EmbeddedMeta {
    pub(super) fn new(records: Arc<Records>) -> Self {
        Self { records }
    }

    async fn run<T, F>(&self, pass: &WorkspacePass, work: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Records, &[u8]) -> Result<T, PortError> + Send + 'static,
    {
        let (records, space) = (self.records.clone(), prefix(pass.workspace()));
        blocking(move || work(&records, &space)).await
    }
}

#[async_trait]
impl MetaStore for EmbeddedMeta {
    async fn get(&self, pass: &WorkspacePass, key: &str) -> Result<Option<MetaRecord>, PortError> {
        let key = key.to_owned();
        self.run(pass, move |records, space| records.get(space, &key)).await
    }

    async fn list(
        &self,
        pass: &WorkspacePass,
        wanted: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MetaRecord>, PortError> {
        let (wanted, after) = (wanted.to_owned(), after.map(str::to_owned));
        self.run(pass, move |records, space| records.list(space, &wanted, after.as_deref(), limit)).await
    }

    async fn put(
        &self,
        pass: &WorkspacePass,
        key: &str,
        expected: Revision,
        value: Vec<u8>,
    ) -> Result<Revision, PortError> {
        let key = key.to_owned();
        self.run(pass, move |records, space| records.put(space, &key, expected, value)).await
    }

    async fn delete(&self, pass: &WorkspacePass, key: &str, expected: Revision) -> Result<(), PortError> {
        let key = key.to_owned();
        self.run(pass, move |records, space| records.delete(space, &key, expected)).await
    }

    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        self.run(pass, |records, space| {
            let _writing = records.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let mut batch = WriteBatch::default();
            for entry in records.database.snapshot()?.prefix(records.database.meta, space) {
                batch.remove(records.database.meta, entry.key().map_err(unreadable)?.to_vec());
            }
            records.database.commit(batch, Durability::Synced)
        })
        .await
    }

    async fn workspaces(&self) -> Result<Vec<WorkspaceKey>, PortError> {
        let records = self.records.clone();
        let names = blocking(move || workspaces(&records.database)).await?;
        Ok(names.into_iter().map(|name| WorkspaceKey::new(name, 0)).collect())
    }
}

/// Every workspace with a record, a log or history.
fn workspaces(database: &Database) -> Result<Vec<WorkspaceId>, PortError> {
    let snapshot = database.snapshot()?;
    let mut names = BTreeSet::new();
    for entry in snapshot.iter(database.meta) {
        let (key, stored) = entry.into_inner().map_err(unreadable)?;
        if key.first() != Some(&RESERVED) && decode(&stored)?.1.is_some() {
            names.insert(workspace_of(&key)?);
        }
    }
    for table in [database.logs, database.history.heads] {
        for entry in snapshot.iter(table) {
            names.insert(workspace_of(&entry.key().map_err(unreadable)?)?);
        }
    }
    Ok(names.into_iter().collect())
}

/// The value of a record. `None` if there is none, or if it cannot be read.
pub(super) fn value(database: &Database, workspace: &WorkspaceId, key: &str) -> Result<Option<Vec<u8>>, PortError> {
    let stored = database.snapshot()?.get(database.meta, full_key(&prefix(workspace), key)?).map_err(unreadable)?;
    Ok(stored.and_then(|stored| decode(&stored).ok()?.1))
}

/// Replaces a record, whatever its revision is. Nothing else may write.
pub(super) fn replace(database: &Database, workspace: &WorkspaceId, key: &str, value: &[u8]) -> Result<(), PortError> {
    let key = full_key(&prefix(workspace), key)?;
    let stored = database.snapshot()?.get(database.meta, &key).map_err(unreadable)?;
    let revision = stored.and_then(|stored| decode(&stored).ok()).map_or(0, |(revision, _)| revision);
    let mut batch = WriteBatch::default();
    batch.insert(database.meta, key, encode(revision + 1, Some(value)));
    database.commit(batch, Durability::Synced)
}

/// Removes a record. Nothing else may write.
pub(super) fn remove(database: &Database, workspace: &WorkspaceId, key: &str) -> Result<(), PortError> {
    let mut batch = WriteBatch::default();
    batch.remove(database.meta, full_key(&prefix(workspace), key)?);
    database.commit(batch, Durability::Synced)
}

fn workspace_of(key: &[u8]) -> Result<WorkspaceId, PortError> {
    let name = key.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = std::str::from_utf8(name).map_err(|_| corrupt("the name of a workspace"))?;
    WorkspaceId::new(name).map_err(|_| corrupt("the name of a workspace"))
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
