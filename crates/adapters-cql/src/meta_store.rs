//! The settings of workspaces: records in the space of each.

use std::sync::Arc;

use async_trait::async_trait;

use super::database::CqlDatabase;
use super::records::CqlRecords;
use super::workspace_names::WorkspaceNames;
use earcon_model::WorkspaceKey;
use earcon_ports::{MetaRecord, MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// The settings of all workspaces.
pub struct CqlMeta {
    names: WorkspaceNames,
    records: CqlRecords,
}

impl CqlMeta {
    /// Prepares the statements.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn open(database: Arc<CqlDatabase>) -> Result<Self, PortError> {
        Ok(Self { names: WorkspaceNames::open(database.clone()).await?, records: CqlRecords::open(database).await? })
    }
}

#[async_trait]
impl MetaStore for CqlMeta {
    async fn get(&self, pass: &WorkspacePass, key: &str) -> Result<Option<MetaRecord>, PortError> {
        self.records.get(pass.key().as_str(), key).await
    }

    async fn list(
        &self,
        pass: &WorkspacePass,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MetaRecord>, PortError> {
        self.records.list(pass.key().as_str(), prefix, after, limit).await
    }

    async fn put(
        &self,
        pass: &WorkspacePass,
        key: &str,
        expected: Revision,
        value: Vec<u8>,
    ) -> Result<Revision, PortError> {
        self.names.remember(pass.key()).await?;
        self.records.put(pass.key().as_str(), key, expected, value).await
    }

    async fn delete(&self, pass: &WorkspacePass, key: &str, expected: Revision) -> Result<(), PortError> {
        self.records.delete(pass.key().as_str(), key, expected).await
    }

    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        self.records.clear(pass.key().as_str()).await?;
        self.names.forget(pass.key()).await
    }

    async fn workspaces(&self) -> Result<Vec<WorkspaceKey>, PortError> {
        self.names.all().await
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Proxy, fresh, migrated, open};
    use super::*;
    use crate::CqlSettings;
    use earcon_contract as contract;
    use earcon_ports::ErrorKind;

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn keeps_the_contract() {
        let database = open().await;
        let store = Arc::new(CqlMeta::open(database).await.unwrap());
        contract::meta_store(|| store.clone()).await;
    }

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn revisions_continue_after_a_deletion_on_another_node() {
        let database = open().await;
        let (one, other) = (CqlMeta::open(database.clone()).await.unwrap(), CqlMeta::open(database).await.unwrap());
        let pass = fresh();
        assert_eq!(one.put(&pass, "k", 0, vec![1]).await.unwrap(), 1);
        other.delete(&pass, "k", 1).await.unwrap();
        assert_eq!(one.put(&pass, "k", 0, vec![2]).await.unwrap(), 3);
        other.delete(&pass, "k", 3).await.unwrap();
        assert_eq!(other.get(&pass, "k").await.unwrap(), None);
        assert_eq!(other.put(&pass, "k", 3, vec![3]).await.unwrap_err().kind, ErrorKind::Conflict);
    }

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn change_without_an_answer_is_applied_once() {
        let settings = migrated().await;
        let proxy = Proxy::before(settings.nodes[0].clone()).await;
        let settings = CqlSettings { nodes: vec![proxy.address.clone()], ..settings };
        let store = CqlMeta::open(Arc::new(CqlDatabase::open(&settings).await.unwrap())).await.unwrap();
        let pass = fresh();
        store.put(&pass, "other", 0, vec![]).await.unwrap();
        let lossy = async |change: std::pin::Pin<Box<dyn Future<Output = Result<Revision, PortError>> + Send + '_>>| {
            proxy.lose_answers();
            tokio::join!(change, proxy.after_a_loss()).0.unwrap()
        };
        assert_eq!(lossy(store.put(&pass, "k", 0, vec![1])).await, 1);
        assert_eq!(lossy(store.put(&pass, "k", 1, vec![2])).await, 2);
        assert_eq!(store.get(&pass, "k").await.unwrap().unwrap().value, [2]);
        lossy(Box::pin(async { store.delete(&pass, "k", 2).await.map(|()| 0) })).await;
        assert_eq!(store.get(&pass, "k").await.unwrap(), None);
        assert_eq!(lossy(store.put(&pass, "k", 0, vec![4])).await, 4);
    }

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn more_records_than_a_page_are_listed() {
        let database = open().await;
        let store = &CqlMeta::open(database).await.unwrap();
        let pass = &fresh();
        let keys: Vec<String> = (0..40).map(|i| format!("p/{i:02}")).collect();
        for key in keys.iter().map(String::as_str).chain(["p", "p0", "q/1"]) {
            store.put(pass, key, 0, key.into()).await.unwrap();
        }
        let listed = async |after: Option<&str>, limit| {
            let records = store.list(pass, "p/", after, limit).await.unwrap();
            records.into_iter().map(|record| record.key).collect::<Vec<_>>()
        };
        assert_eq!(listed(None, 100).await, keys);
        assert_eq!(listed(Some("p/06"), 7).await, keys[7..14]);
        // Tombstones fill whole pages of rows.
        for key in &keys[3..20] {
            store.delete(pass, key, 1).await.unwrap();
        }
        assert_eq!(listed(Some("p/01"), 3).await, ["p/02", "p/20", "p/21"]);
    }
}
