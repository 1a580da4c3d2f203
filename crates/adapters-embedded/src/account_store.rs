//! The accounts of the installation: records in a space that no workspace can have.

use std::sync::Arc;

use super::database::blocking;
use super::records::{Records, reserved};
use async_trait::async_trait;
use earcon_ports::{AccountStore, MetaRecord, PortError, Revision};
use earcon_tenancy::AccountsPass;

pub(super) struct EmbeddedAccounts {
    records: Arc<Records>,
}

impl EmbeddedAccounts {
    pub(super) fn new(records: Arc<Records>) -> Self {
        Self { records }
    }

    async fn run<T, F>(&self, work: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Records, &[u8]) -> Result<T, PortError> + Send + 'static,
    {
        let records = self.records.clone();
        blocking(move || work(&records, &reserved("accounts"))).await
    }
}

#[async_trait]
impl AccountStore for EmbeddedAccounts {
    async fn get(&self, _: &AccountsPass, key: &str) -> Result<Option<MetaRecord>, PortError> {
        let key = key.to_owned();
        self.run(move |records, space| records.get(space, &key)).await
    }

    async fn list(
        &self,
        _: &AccountsPass,
        wanted: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MetaRecord>, PortError> {
        let (wanted, after) = (wanted.to_owned(), after.map(str::to_owned));
        self.run(move |records, space| records.list(space, &wanted, after.as_deref(), limit)).await
    }

    async fn put(
        &self,
        _: &AccountsPass,
        key: &str,
        expected: Revision,
        value: Vec<u8>,
    ) -> Result<Revision, PortError> {
        let key = key.to_owned();
        self.run(move |records, space| records.put(space, &key, expected, value)).await
    }

    async fn delete(&self, _: &AccountsPass, key: &str, expected: Revision) -> Result<(), PortError> {
        let key = key.to_owned();
        self.run(move |records, space| records.delete(space, &key, expected)).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Scratch, pass};
    use earcon_contract as contract;
    use earcon_tenancy::Authorizer;

    #[tokio::test]
    async fn keeps_the_contract() {
        let scratch = Scratch::new();
        let store = scratch.open();
        contract::account_store(|| store.account_store()).await;
    }

    #[tokio::test]
    async fn accounts_are_no_workspace_and_survive_a_restart() {
        let (scratch, accounts) = (Scratch::new(), Authorizer::new().accounts());
        {
            let store = scratch.open();
            store.account_store().put(&accounts, "user/u_1", 0, b"one".to_vec()).await.unwrap();
            store.meta_store().put(&pass("accounts"), "user/u_1", 0, b"two".to_vec()).await.unwrap();
        }
        let store = scratch.open();
        let record = store.account_store().get(&accounts, "user/u_1").await.unwrap().unwrap();
        assert_eq!((record.revision, record.value.as_slice()), (1, b"one".as_slice()));
        let names = store.meta_store().workspaces().await.unwrap();
        assert_eq!(names.iter().map(|key| key.as_str()).collect::<Vec<_>>(), ["accounts"]);
    }
}
