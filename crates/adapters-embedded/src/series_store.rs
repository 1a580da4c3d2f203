//! History over fjall: samples in compressed blocks, their rollups, and an index of anomalies.
//!
//! The log is the write-ahead log of this store. `apply` only changes memory. `flush` writes
//! everything with the cursor in one synced batch. Data that was not flushed when the process ended
//! is applied again from the log.
//!
//! # Blocks
//! The rows of a series lie in blocks that never overlap in time. *Sealed* blocks hold about two
//! thousand compressed rows, with rollups of one minute and one hour. A few *open* blocks follow
//! them. A flush writes its rows as a new open block. Four runs of a similar size are merged, so a
//! sample is rewritten about log₄(2048 / rows per flush) times instead of in every flush. Two
//! thousand open rows become sealed blocks. Late rows are merged into their sealed block, which is
//! split if it grows too large.
//!
//! Scores and bands are rounded when they are applied (`rounding`); blocks are lossless (`block`).
//!
//! # Reads
//! A read takes the rows in memory and a snapshot of the database under one short lock, then
//! continues without the lock. Rows in memory replace stored rows with the same timestamp. If rows
//! in memory fall into a block, the block is read row by row instead of by its rollups.

mod anomalies;
mod block;
mod deletion;
mod flush;
mod history;
mod memtable;
mod query;
mod records;
mod retention;
mod rounding;
mod rows;
mod view;
mod writer_state;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::Semaphore;

pub(super) use self::deletion::{remove_all, remove_prefix};
use self::history::History;
use super::database::{Database, Snapshot, Table, blocking, unreadable};
use earcon_model::{Anomaly, AnomalyId, KpiName, Seq, WorkspaceId};
use earcon_ports::{
    AnomalyFilter, ErrorKind, PortError, RollupSeries, SampleSeries, SeriesQuery, SeriesStore, StoredBatch,
};
use earcon_tenancy::WorkspacePass;

/// The last event of a workspace that its history has durably.
pub(super) fn cursor(database: &Database, workspace: &WorkspaceId) -> Result<Seq, PortError> {
    let stored = database.snapshot()?.get(database.history.heads, workspace.as_str()).map_err(unreadable)?;
    let head: records::Head = stored.map(|bytes| records::decode(&bytes)).transpose()?.unwrap_or_default();
    Ok(head.cursor)
}

/// How far history has read the log of each workspace. A record that cannot be read says nothing.
pub(super) fn cursors(snapshot: &Snapshot) -> Vec<(Vec<u8>, Seq)> {
    let records = snapshot.iter(Table::of_heads()).filter_map(|entry| entry.into_inner().ok());
    let head = |value: &[u8]| records::decode::<records::Head>(value).ok();
    records.filter_map(|(key, value)| Some((key.to_vec(), head(&value)?.cursor))).collect()
}

/// The record of a history's progress with the cursor at the beginning of the log. `None` if it
/// cannot be read.
pub(super) fn rewound(record: &[u8]) -> Option<Vec<u8>> {
    let head: records::Head = records::decode(record).ok()?;
    records::encode(&records::Head { cursor: 0, ..head }).ok()
}

/// Reads that run at once. Each thread that reads keeps the memory of its largest read for a while,
/// and a few threads are enough for any number of processors to share one disk.
const READS_AT_ONCE: usize = 4;

pub(super) struct EmbeddedSeries {
    inner: Arc<Inner>,
    reads: Arc<Semaphore>,
}

struct Inner {
    database: Arc<Database>,
    workspaces: Mutex<HashMap<WorkspaceId, Arc<History>>>,
}

impl EmbeddedSeries {
    pub(super) fn new(database: Arc<Database>) -> Self {
        let inner = Arc::new(Inner { database, workspaces: Mutex::default() });
        Self { inner, reads: Arc::new(Semaphore::new(READS_AT_ONCE)) }
    }

    async fn read<T, F>(&self, pass: &WorkspacePass, work: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&History) -> Result<T, PortError> + Send + 'static,
    {
        let turn = self.reads.clone().acquire_owned().await;
        self.run(pass, move |history| {
            // Until the end of the work, whether or not anything waits for it.
            let _turn = turn;
            work(history)
        })
        .await
    }

    async fn run<T, F>(&self, pass: &WorkspacePass, work: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&History) -> Result<T, PortError> + Send + 'static,
    {
        let (inner, workspace) = (self.inner.clone(), pass.workspace().clone());
        blocking(move || work(&*inner.history(&workspace)?)).await
    }
}

impl Inner {
    /// The workspace's history. The first call reads its list of series.
    fn history(&self, workspace: &WorkspaceId) -> Result<Arc<History>, PortError> {
        let mut workspaces = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(history) = workspaces.get(workspace) {
            return Ok(history.clone());
        }
        let history = Arc::new(History::load(self.database.clone(), workspace)?);
        workspaces.insert(workspace.clone(), history.clone());
        Ok(history)
    }
}

#[async_trait]
impl SeriesStore for EmbeddedSeries {
    async fn cursor(&self, pass: &WorkspacePass) -> Result<Seq, PortError> {
        self.run(pass, |history| Ok(history.writer().cursor())).await
    }

    async fn apply(&self, pass: &WorkspacePass, batch: StoredBatch) -> Result<(), PortError> {
        self.run(pass, move |history| history.apply(&batch)).await
    }

    async fn flush(&self, pass: &WorkspacePass) -> Result<Seq, PortError> {
        self.run(pass, |history| history.flush(&mut history.writer())).await
    }

    async fn kpis(&self, pass: &WorkspacePass) -> Result<Vec<KpiName>, PortError> {
        self.run(pass, History::kpis).await
    }

    async fn rewind(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        self.run(pass, |history| history.rewind(&mut history.writer())).await
    }

    async fn samples(
        &self,
        pass: &WorkspacePass,
        query: &SeriesQuery,
        limit: usize,
    ) -> Result<Vec<SampleSeries>, PortError> {
        let query = query.clone();
        self.read(pass, move |history| history.samples(&query, limit)).await
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
        let query = query.clone();
        self.read(pass, move |history| history.rollups(&query, step_ms)).await
    }

    async fn anomalies(&self, pass: &WorkspacePass, filter: &AnomalyFilter) -> Result<Vec<Anomaly>, PortError> {
        let filter = filter.clone();
        self.read(pass, move |history| history.anomalies(&filter)).await
    }

    async fn anomaly(&self, pass: &WorkspacePass, id: AnomalyId) -> Result<Option<Anomaly>, PortError> {
        self.read(pass, move |history| history.anomaly(id)).await
    }

    async fn expire(&self, pass: &WorkspacePass, before_ms: i64) -> Result<(), PortError> {
        self.run(pass, move |history| history.expire(before_ms)).await
    }

    async fn shrink(&self, pass: &WorkspacePass, max_bytes: u64) -> Result<(), PortError> {
        self.run(pass, move |history| history.shrink(max_bytes)).await
    }

    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        let (inner, workspace) = (self.inner.clone(), pass.workspace().clone());
        blocking(move || {
            inner.workspaces.lock().unwrap_or_else(PoisonError::into_inner).remove(&workspace);
            deletion::remove_all(&inner.database, &workspace)
        })
        .await
    }

    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError> {
        self.run(pass, |history| Ok(history.writer().bytes())).await
    }
}

#[cfg(test)]
mod tests;
