//! The history of one workspace: its keys, its memtable, and the state of its writer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::memtable::Memtable;
use super::records::{Head, Keys, SeriesRecord, decode};
use super::view::View;
use super::writer_state::WriterState;
use crate::database::{Database, corrupt, unreadable};
use earcon_model::{KpiName, SeriesId, WorkspaceId};
use earcon_ports::{PortError, StoredBatch};

/// The history of one workspace.
pub(super) struct History {
    pub(super) database: Arc<Database>,
    pub(super) keys: Keys,
    /// Applied but unflushed changes. Locked briefly, never during a disk write.
    memtable: RwLock<Memtable>,
    /// Held for every change on disk, so that flush, expire and shrink never overlap.
    writer: Mutex<WriterState>,
}

impl History {
    pub(super) fn load(database: Arc<Database>, workspace: &WorkspaceId) -> Result<Self, PortError> {
        let keys = Keys::new(workspace);
        let snapshot = database.snapshot()?;
        let head = snapshot.get(database.history.heads, workspace.as_str()).map_err(unreadable)?;
        let head: Head = head.map(|bytes| decode(&bytes)).transpose()?.unwrap_or_default();
        let mut known = Vec::new();
        for entry in snapshot.prefix(database.history.series, keys.all()) {
            let (key, value) = entry.into_inner().map_err(unreadable)?;
            let id = key.last_chunk().ok_or_else(|| corrupt("the key of a series"))?;
            known.push((SeriesId(u128::from_be_bytes(*id)), decode::<SeriesRecord>(&value)?));
        }
        let (memtable, writer) =
            (RwLock::new(Memtable::new(head.cursor, known)), Mutex::new(WriterState::new(workspace, head)));
        Ok(Self { database, keys, memtable, writer })
    }

    /// The KPIs that have stored series.
    pub(super) fn kpis(&self) -> Result<Vec<KpiName>, PortError> {
        let mut kpis = BTreeSet::new();
        for entry in self.database.snapshot()?.prefix(self.database.history.series, self.keys.all()) {
            let (_, value) = entry.into_inner().map_err(unreadable)?;
            kpis.insert(decode::<SeriesRecord>(&value)?.kpi);
        }
        Ok(kpis.into_iter().collect())
    }

    // A panic under these locks is harmless: the rows in memory are in the log too, and disk writes
    // are atomic.
    pub(super) fn reading(&self) -> RwLockReadGuard<'_, Memtable> {
        self.memtable.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn writing(&self) -> RwLockWriteGuard<'_, Memtable> {
        self.memtable.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, WriterState> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A view of the stored history. Take it under the lock on `memtable` if both must match.
    pub(super) fn view(&self) -> Result<View<'_>, PortError> {
        Ok(View { database: &self.database, snapshot: self.database.snapshot()?, keys: &self.keys })
    }

    pub(super) fn apply(&self, batch: &StoredBatch) -> Result<(), PortError> {
        let mut rest = &batch.events[..];
        loop {
            let (before, from) =
                rest.split_at(rest.iter().position(|event| event.deletion().is_some()).unwrap_or(rest.len()));
            {
                let mut memtable = self.writing();
                before.iter().try_for_each(|event| memtable.apply(event, |id| self.view()?.anomaly(id)))?;
            }
            let Some((deletion, behind)) = from.split_first() else { return Ok(()) };
            self.delete(deletion)?;
            rest = behind;
        }
    }
}
