//! The accounts of the installation: records in a space that no workspace can have.

use std::sync::Arc;

use async_trait::async_trait;

use super::database::CqlDatabase;
use super::records::CqlRecords;
use earcon_ports::{AccountStore, MetaRecord, PortError, Revision};
use earcon_tenancy::AccountsPass;

/// The space. No name of a workspace starts with `~`, and it is not in the list of workspaces.
const SPACE: &str = "~accounts";

/// The accounts of the installation.
pub struct CqlAccounts {
    records: CqlRecords,
}

impl CqlAccounts {
    /// Prepares the statements.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn open(database: Arc<CqlDatabase>) -> Result<Self, PortError> {
        Ok(Self { records: CqlRecords::open(database).await? })
    }
}

#[async_trait]
impl AccountStore for CqlAccounts {
    /// Reads at serial consistency: a change that another node has finished is seen, whatever the
    /// consistency of reads is.
    async fn get(&self, _: &AccountsPass, key: &str) -> Result<Option<MetaRecord>, PortError> {
        self.records.get_newest(SPACE, key).await
    }

    async fn list(
        &self,
        _: &AccountsPass,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MetaRecord>, PortError> {
        self.records.list(SPACE, prefix, after, limit).await
    }

    async fn put(
        &self,
        _: &AccountsPass,
        key: &str,
        expected: Revision,
        value: Vec<u8>,
    ) -> Result<Revision, PortError> {
        self.records.put(SPACE, key, expected, value).await
    }

    async fn delete(&self, _: &AccountsPass, key: &str, expected: Revision) -> Result<(), PortError> {
        self.records.delete(SPACE, key, expected).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::meta_store::CqlMeta;
    use super::super::tests::open;
    use super::*;
    use earcon_contract as contract;
    use earcon_ports::MetaStore;
    use earcon_tenancy::Authorizer;

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn keeps_the_contract() {
        let store = Arc::new(CqlAccounts::open(open().await).await.unwrap());
        contract::account_store(|| store.clone()).await;
    }

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn accounts_are_no_workspace() {
        let database = open().await;
        let (accounts, meta) =
            (CqlAccounts::open(database.clone()).await.unwrap(), CqlMeta::open(database).await.unwrap());
        let (pass, key) = (Authorizer::new().accounts(), format!("contract/{}", uuid::Uuid::new_v4()));
        accounts.put(&pass, &key, 0, vec![1]).await.unwrap();
        let names = meta.workspaces().await.unwrap();
        assert!(names.iter().all(|name| !name.as_str().contains("accounts")));
    }
}
