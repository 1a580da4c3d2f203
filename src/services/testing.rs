//! A meta store in memory, for tests of services.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;

use earcon_model::{WorkspaceId, WorkspaceKey};
use earcon_ports::{ErrorKind, MetaRecord, MetaStore, PortError, Revision};
use earcon_tenancy::{Authorizer, WorkspacePass};

/// A pass for one workspace; [`MemoryMeta`] keeps no others.
pub(super) fn pass() -> WorkspacePass {
    Authorizer::new().system(&WorkspaceId::new("w").unwrap())
}

/// Counts reads. It can be made to answer no more.
#[derive(Default)]
pub(super) struct MemoryMeta {
    all: Mutex<BTreeMap<String, (Revision, Vec<u8>)>>,
    reads: AtomicUsize,
    largest_page: AtomicUsize,
    hangs: AtomicBool,
}

impl MemoryMeta {
    /// Another writer changes a record.
    pub(super) fn set(&self, key: &str, value: &[u8]) {
        let mut all = self.all.lock().unwrap();
        let revision = all.get(key).map_or(0, |record| record.0) + 1;
        all.insert(key.to_owned(), (revision, value.to_vec()));
    }

    /// Another writer removes everything.
    pub(super) fn clear(&self) {
        self.all.lock().unwrap().clear();
    }

    pub(super) fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.all.lock().unwrap().get(key).map(|record| record.1.clone())
    }

    pub(super) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    pub(super) fn largest_page(&self) -> usize {
        self.largest_page.load(Ordering::SeqCst)
    }

    pub(super) fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }

    async fn read(&self) {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

fn record((key, (revision, value)): (&String, &(Revision, Vec<u8>))) -> MetaRecord {
    MetaRecord { key: key.clone(), revision: *revision, value: value.clone() }
}

#[async_trait]
impl MetaStore for MemoryMeta {
    async fn get(&self, _: &WorkspacePass, key: &str) -> Result<Option<MetaRecord>, PortError> {
        self.read().await;
        Ok(self.all.lock().unwrap().get_key_value(key).map(record))
    }

    async fn list(
        &self,
        _: &WorkspacePass,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MetaRecord>, PortError> {
        self.read().await;
        self.largest_page.fetch_max(limit, Ordering::SeqCst);
        let all = self.all.lock().unwrap();
        let behind = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        Ok(all.iter().filter(|(key, _)| behind(key)).take(limit).map(record).collect())
    }

    async fn put(
        &self,
        _: &WorkspacePass,
        key: &str,
        expected: Revision,
        value: Vec<u8>,
    ) -> Result<Revision, PortError> {
        let mut all = self.all.lock().unwrap();
        if all.get(key).map_or(0, |record| record.0) != expected {
            return Err(PortError::new(ErrorKind::Conflict, "another revision"));
        }
        all.insert(key.to_owned(), (expected + 1, value));
        Ok(expected + 1)
    }

    async fn delete(&self, _: &WorkspacePass, key: &str, expected: Revision) -> Result<(), PortError> {
        let mut all = self.all.lock().unwrap();
        if all.get(key).is_none_or(|record| record.0 != expected) {
            return Err(PortError::new(ErrorKind::Conflict, "another revision"));
        }
        all.remove(key);
        Ok(())
    }

    async fn remove(&self, _: &WorkspacePass) -> Result<(), PortError> {
        self.all.lock().unwrap().clear();
        Ok(())
    }

    async fn workspaces(&self) -> Result<Vec<WorkspaceKey>, PortError> {
        Ok(Vec::new())
    }
}
