//! History in ScyllaDB or Cassandra: one row a sample, rollups and anomalies beside them.
//!
//! The log is the write-ahead log of this store: `apply` only fills memory, `flush` writes everything and then the cursor.
//! What is not flushed when the process ends is applied again from the log, here or on another node.
//!
//! # Many nodes
//! Every node has a store of its own over the same tables. The node that owns a workspace applies and flushes; the others
//! read what it has flushed. Nothing here depends on there being one owner at a time: every write carries a timestamp
//! that follows from the event it comes from (see [`live`]), so what a node writes that has lost the workspace without
//! knowing is what the new owner writes too, or is older than that and has no effect. The head, which holds the cursor, is
//! such a write as well: it can only be replaced by a later one.

mod anomalies;
mod batching;
mod directory;
mod flush;
mod head;
mod memtable;
mod query;
mod retention;
mod rollup_maintenance;
mod rollups;
mod rows;
mod statements;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use self::flush::Upkeep;
use self::memtable::Live;
use self::statements::Tables;
use super::CqlDatabase;
use earcon_model::{Anomaly, AnomalyId, Seq, WorkspaceId};
use earcon_ports::{
    AnomalyFilter, ErrorKind, PortError, RollupSeries, SampleSeries, SeriesQuery, SeriesStore, StoredBatch,
};
use earcon_tenancy::WorkspacePass;

const DAY_MS: i64 = 86_400_000;
/// How much time the hours of one partition cover. Part of what is stored.
const PERIOD_MS: i64 = 32 * DAY_MS;
/// About what a sample takes on a disk, with its part of the rollups, compressed, one replica. Values that repeat take half
/// of it.
const SAMPLE_BYTES: u64 = 48;

/// What the store is told about itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeriesSettings {
    /// After this time the database itself forgets samples and rollups, counted from when they were written; `None` keeps
    /// them until they are deleted. Should be a little more than retention asks for.
    pub ttl: Option<Duration>,
}

/// How a flush writes.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Rows of one partition that are written together. One takes about 120 bytes of the request; ScyllaDB warns of batches
    /// above 128 KiB, Cassandra of none within one partition.
    batch_rows: usize,
    /// Statements under way at once; the database bounds those of all workspaces together.
    in_flight: usize,
}

/// Measured: smaller batches cost the database more a row, more at once gains nothing.
const PACE: Pace = Pace { batch_rows: 256, in_flight: 32 };

/// A [`SeriesStore`] in ScyllaDB or Cassandra. Cheap to share; one a process is enough.
pub struct CqlSeries {
    tables: Arc<Tables>,
    workspaces: Mutex<HashMap<WorkspaceId, Arc<History>>>,
}

/// The history of one workspace.
struct History {
    tables: Arc<Tables>,
    workspace: WorkspaceId,
    /// What is in memory. Held briefly, never while waiting for the database.
    live: Mutex<Live>,
    /// Held by whoever changes what is stored: flush, expire and shrink take turns.
    upkeep: tokio::sync::Mutex<Upkeep>,
}

impl CqlSeries {
    /// A store over the tables of `database`.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer; `Invalid` when its tables are not those this program knows.
    pub async fn new(database: Arc<CqlDatabase>, settings: SeriesSettings) -> Result<Self, PortError> {
        let tables = Arc::new(Tables::prepare(database, settings, PACE).await?);
        Ok(Self { tables, workspaces: Mutex::default() })
    }

    fn history(&self, pass: &WorkspacePass) -> Arc<History> {
        let mut workspaces = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        let history = workspaces.entry(pass.workspace().clone()).or_insert_with(|| {
            Arc::new(History {
                tables: self.tables.clone(),
                workspace: pass.workspace().clone(),
                live: Mutex::default(),
                upkeep: tokio::sync::Mutex::default(),
            })
        });
        history.clone()
    }
}

impl History {
    // A panic under this lock leaves rows in memory that are in the log too.
    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn cursor(&self) -> Result<Seq, PortError> {
        let head = self.tables.head(&self.workspace).await?;
        self.live().adopt(&head);
        Ok(head.cursor)
    }

    async fn apply(&self, batch: &StoredBatch) -> Result<(), PortError> {
        let loaded = self.live().is_loaded();
        if !loaded {
            self.cursor().await?;
        }
        let known = self.known_anomalies(&batch.events).await?;
        let mut live = self.live();
        batch.events.iter().for_each(|event| live.apply(event, &known));
        Ok(())
    }

    /// Drops what is in memory if another node has stored it and perhaps more, before a read puts it above what is stored.
    async fn forget_what_others_stored(&self) -> Result<(), PortError> {
        let nothing = self.live().is_empty();
        if nothing { Ok(()) } else { self.cursor().await.map(drop) }
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
        history.flush(&mut *history.upkeep.lock().await).await
    }

    async fn rewind(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        let history = self.history(pass);
        history.rewind(&mut *history.upkeep.lock().await).await
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
        history.expire(&mut *history.upkeep.lock().await, before_ms).await
    }

    async fn shrink(&self, pass: &WorkspacePass, max_bytes: u64) -> Result<(), PortError> {
        let history = self.history(pass);
        history.shrink(&mut *history.upkeep.lock().await, max_bytes).await
    }

    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError> {
        let history = self.history(pass);
        let head = history.tables.head(&history.workspace).await?;
        Ok(head.samples.saturating_mul(SAMPLE_BYTES))
    }
}

/// The day of a time, UTC, counted from 1970.
fn day_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(DAY_MS)
}

/// What is stored cannot be understood.
fn corrupt(what: &'static str) -> PortError {
    PortError::new(ErrorKind::Corrupt, format!("{what} in the database cannot be read"))
}

#[cfg(test)]
mod tests;
