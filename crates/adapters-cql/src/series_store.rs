//! History in ScyllaDB or Cassandra: one row per sample, with rollups and anomalies.
//!
//! The log is the write-ahead log of this store. `apply` only changes memory. `flush` writes
//! everything, and then the cursor. Data that was not flushed when the process ended is applied
//! again from the log, on this node or another.
//!
//! # Many nodes
//! Every node has a store of its own over the same tables. The owner of a workspace applies and
//! flushes; the other nodes read the flushed data. Correctness does not depend on a single owner:
//! every write carries a write timestamp that follows from its event (see `memtable`). A node that
//! lost the workspace without knowing writes the same as the new owner, or older data that has no
//! effect. The head, which holds the cursor, is written in the same way: only a later head replaces
//! it.

mod anomalies;
mod anomaly_rows;
mod batching;
mod deletion;
mod directory;
mod flush;
mod head;
mod history;
mod layout;
mod memtable;
mod query;
mod removal;
mod retention;
mod rollup_maintenance;
mod rollups;
mod rows;
mod settings;
mod statements;
mod writer_state;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use self::history::History;
use self::layout::{PACE, SAMPLE_BYTES};
pub use self::settings::SeriesSettings;
use self::statements::Tables;
use crate::database::CqlDatabase;
use earcon_model::{Anomaly, AnomalyId, Seq, WorkspaceKey};
use earcon_ports::{
    AnomalyFilter, ErrorKind, PortError, RollupSeries, SampleSeries, SeriesQuery, SeriesStore, StoredBatch,
};
use earcon_tenancy::WorkspacePass;

/// A [`SeriesStore`] in ScyllaDB or Cassandra. Cheap to share; a process needs only one.
pub struct CqlSeries {
    tables: Arc<Tables>,
    workspaces: Mutex<HashMap<WorkspaceKey, Arc<History>>>,
}

impl CqlSeries {
    /// A store over the tables of `database`.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer. `Invalid` when its tables are not those of
    /// this program.
    pub async fn new(database: Arc<CqlDatabase>, settings: SeriesSettings) -> Result<Self, PortError> {
        let tables = Arc::new(Tables::prepare(database, settings, PACE).await?);
        Ok(Self { tables, workspaces: Mutex::default() })
    }

    fn history(&self, pass: &WorkspacePass) -> Arc<History> {
        let mut workspaces = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        let history = workspaces
            .entry(pass.key().clone())
            .or_insert_with(|| Arc::new(History::new(self.tables.clone(), pass.key().clone())));
        history.clone()
    }
}

#[async_trait]
impl SeriesStore for CqlSeries {
    async fn cursor(&self, pass: &WorkspacePass) -> Result<Seq, PortError> {
        self.history(pass).cursor().await
    }

    async fn apply(&self, pass: &WorkspacePass, batch: StoredBatch) -> Result<(), PortError> {
        self.history(pass).apply(&batch).await
    }

    async fn flush(&self, pass: &WorkspacePass) -> Result<Seq, PortError> {
        let history = self.history(pass);
        history.flush(&mut *history.writer.lock().await).await
    }

    async fn rewind(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        let history = self.history(pass);
        history.rewind(&mut *history.writer.lock().await).await
    }

    async fn samples(
        &self,
        pass: &WorkspacePass,
        query: &SeriesQuery,
        limit: usize,
    ) -> Result<Vec<SampleSeries>, PortError> {
        self.history(pass).samples(query, limit).await
    }

    async fn rollups(
        &self,
        pass: &WorkspacePass,
        query: &SeriesQuery,
        step_ms: i64,
    ) -> Result<Vec<RollupSeries>, PortError> {
        if step_ms < 1_000 {
            return Err(PortError::new(ErrorKind::Invalid, format!("a step is 1,000 ms or more, not {step_ms}")));
        }
        self.history(pass).rollups(query, step_ms).await
    }

    async fn anomalies(&self, pass: &WorkspacePass, filter: &AnomalyFilter) -> Result<Vec<Anomaly>, PortError> {
        self.history(pass).anomalies(filter).await
    }

    async fn anomaly(&self, pass: &WorkspacePass, id: AnomalyId) -> Result<Option<Anomaly>, PortError> {
        self.history(pass).anomaly(id).await
    }

    async fn expire(&self, pass: &WorkspacePass, before_ms: i64) -> Result<(), PortError> {
        let history = self.history(pass);
        history.expire(&mut *history.writer.lock().await, before_ms).await
    }

    async fn shrink(&self, pass: &WorkspacePass, max_bytes: u64) -> Result<(), PortError> {
        let history = self.history(pass);
        history.shrink(&mut *history.writer.lock().await, max_bytes).await
    }

    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        // Unflushed changes go with it.
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).remove(pass.key());
        self.tables.remove_workspace(pass.key()).await
    }

    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError> {
        let history = self.history(pass);
        let head = history.tables.head(&history.workspace).await?;
        Ok(head.samples.saturating_mul(SAMPLE_BYTES))
    }
}

#[cfg(test)]
mod tests;
