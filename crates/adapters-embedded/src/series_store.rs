//! History over fjall: samples in compressed blocks, rollups beside them, anomalies in an index of their own.
//!
//! The log is the write-ahead log of this store: `apply` only fills memory, `flush` writes everything with the cursor in
//! one synced batch. What is not flushed when the process ends is applied again from the log.
//!
//! # Blocks
//! The rows of a series lie in blocks that never overlap in time. *Sealed* blocks hold about a thousand rows, compressed,
//! with their rollups of one minute and one hour. Behind them stand a few *open* blocks: a flush writes its rows as a new
//! open block and merges it with the ones before it as long as those are no larger, so that a sample is rewritten about
//! log₂(1024 / rows per flush) times and not with every flush; once a thousand rows are open they become sealed blocks.
//! Late rows are merged into the sealed block they belong to, which is split when it grows too large.
//!
//! # Reads
//! Take the rows in memory and a snapshot of the database under one short lock, then read without it. Rows in memory win
//! over stored ones with the same timestamp, and a block they reach into is read row by row instead of by its rollups.

mod anomalies;
mod block;
mod flush;
mod memtable;
mod query;
mod records;
mod retention;
mod rows;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use fjall::Readable;

use self::flush::Upkeep;
use self::memtable::Live;
use self::query::View;
use self::records::{Head, Keys, SeriesRecord, decode};
use super::database::{Database, blocking, corrupt, unreadable};
use earcon_model::{Anomaly, AnomalyId, Seq, SeriesId, WorkspaceId};
use earcon_ports::{
    AnomalyFilter, ErrorKind, PortError, RollupSeries, SampleSeries, SeriesQuery, SeriesStore, StoredBatch,
};
use earcon_tenancy::WorkspacePass;

pub(super) struct EmbeddedSeries {
    inner: Arc<Inner>,
}

struct Inner {
    database: Arc<Database>,
    workspaces: Mutex<HashMap<WorkspaceId, Arc<History>>>,
}

/// The history of one workspace.
struct History {
    database: Arc<Database>,
    keys: Keys,
    /// What is in memory. Held briefly, never while writing to the disk.
    live: RwLock<Live>,
    /// Held by whoever changes what is on disk: flush, expire and shrink take turns.
    upkeep: Mutex<Upkeep>,
}

impl EmbeddedSeries {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { inner: Arc::new(Inner { database, workspaces: Mutex::default() }) }
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
    /// The workspace's history, with its catalogue of series read the first time.
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

impl History {
    fn load(database: Arc<Database>, workspace: &WorkspaceId) -> Result<Self, PortError> {
        let keys = Keys::new(workspace);
        let snapshot = database.snapshot();
        let head = snapshot.get(&database.history.heads, workspace.as_str()).map_err(unreadable)?;
        let head: Head = head.map(|bytes| decode(&bytes)).transpose()?.unwrap_or_default();
        let mut known = Vec::new();
        for entry in snapshot.prefix(&database.history.series, keys.all()) {
            let (key, value) = entry.into_inner().map_err(unreadable)?;
            let id = key.last_chunk().ok_or_else(|| corrupt("the key of a series"))?;
            known.push((SeriesId(u128::from_be_bytes(*id)), decode::<SeriesRecord>(&value)?));
        }
        let (live, upkeep) = (RwLock::new(Live::new(head.cursor, known)), Mutex::new(Upkeep::new(workspace, head)));
        Ok(Self { database, keys, live, upkeep })
    }

    // A panic under these locks leaves rows in memory that are in the log too; nothing is ever half written.
    fn reading(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn upkeep(&self) -> MutexGuard<'_, Upkeep> {
        self.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is stored now. Take it while the lock on `live` is held when both are to belong together.
    fn view(&self) -> View<'_> {
        View { database: &self.database, snapshot: self.database.snapshot(), keys: &self.keys }
    }

    fn apply(&self, batch: &StoredBatch) -> Result<(), PortError> {
        let mut live = self.writing();
        batch.events.iter().try_for_each(|event| live.apply(event, |id| self.view().anomaly(id)))
    }
}

#[async_trait]
impl SeriesStore for EmbeddedSeries {
    async fn cursor(&self, pass: &WorkspacePass) -> Result<Seq, PortError> {
        self.run(pass, |history| Ok(history.upkeep().cursor())).await
    }

    async fn apply(&self, pass: &WorkspacePass, batch: StoredBatch) -> Result<(), PortError> {
        self.run(pass, move |history| history.apply(&batch)).await
    }

    async fn flush(&self, pass: &WorkspacePass) -> Result<Seq, PortError> {
        self.run(pass, |history| history.flush(&mut history.upkeep())).await
    }

    async fn rewind(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        self.run(pass, |history| history.rewind(&mut history.upkeep())).await
    }

    async fn samples(
        &self,
        pass: &WorkspacePass,
        query: &SeriesQuery,
        limit: usize,
    ) -> Result<Vec<SampleSeries>, PortError> {
        let query = query.clone();
        self.run(pass, move |history| history.samples(&query, limit)).await
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
        self.run(pass, move |history| history.rollups(&query, step_ms)).await
    }

    async fn anomalies(&self, pass: &WorkspacePass, filter: &AnomalyFilter) -> Result<Vec<Anomaly>, PortError> {
        let filter = filter.clone();
        self.run(pass, move |history| history.anomalies(&filter)).await
    }

    async fn anomaly(&self, pass: &WorkspacePass, id: AnomalyId) -> Result<Option<Anomaly>, PortError> {
        self.run(pass, move |history| history.anomaly(id)).await
    }

    async fn expire(&self, pass: &WorkspacePass, before_ms: i64) -> Result<(), PortError> {
        self.run(pass, move |history| history.expire(before_ms)).await
    }

    async fn shrink(&self, pass: &WorkspacePass, max_bytes: u64) -> Result<(), PortError> {
        self.run(pass, move |history| history.shrink(max_bytes)).await
    }

    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError> {
        self.run(pass, |history| Ok(history.upkeep().bytes())).await
    }
}

#[cfg(test)]
mod tests;
