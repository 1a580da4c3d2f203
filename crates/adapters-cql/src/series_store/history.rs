//! The history of one workspace: its tables, its memtable, and the state of its writer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::memtable::Memtable;
use super::rows::SeriesKey;
use super::statements::Tables;
use super::writer_state::WriterState;
use earcon_model::{Event, Seq, SeriesId, WorkspaceKey};
use earcon_ports::{PortError, StoredBatch};

/// The history of one workspace.
pub(super) struct History {
    pub(super) tables: Arc<Tables>,
    pub(super) workspace: WorkspaceKey,
    /// Applied but unflushed changes. Locked briefly, never while waiting for the database.
    pub(super) memtable: Mutex<Memtable>,
    /// Held for every stored change, so that flush, expire and shrink never overlap.
    pub(super) writer: tokio::sync::Mutex<WriterState>,
}

impl History {
    pub(super) fn new(tables: Arc<Tables>, workspace: WorkspaceKey) -> Self {
        Self { tables, workspace, memtable: Mutex::default(), writer: tokio::sync::Mutex::default() }
    }

    pub(super) fn key(&self, id: SeriesId) -> SeriesKey<'_> {
        SeriesKey { workspace: &self.workspace, id }
    }

    // A panic under this lock is harmless: the rows in memory are in the log too.
    pub(super) fn memtable(&self) -> MutexGuard<'_, Memtable> {
        self.memtable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn cursor(&self) -> Result<Seq, PortError> {
        let head = self.tables.head(&self.workspace).await?;
        self.memtable().sync_to(&head);
        Ok(head.cursor)
    }

    pub(super) async fn apply(&self, batch: &StoredBatch) -> Result<(), PortError> {
        let loaded = self.memtable().is_loaded();
        if !loaded {
            self.cursor().await?;
        }
        let mut rest = &batch.events[..];
        loop {
            let (before, from) =
                rest.split_at(rest.iter().position(|event| event.deletion().is_some()).unwrap_or(rest.len()));
            self.apply_all(before).await?;
            let Some((deletion, behind)) = from.split_first() else { return Ok(()) };
            self.delete(&mut *self.writer.lock().await, deletion).await?;
            rest = behind;
        }
    }

    async fn apply_all(&self, events: &[Arc<Event>]) -> Result<(), PortError> {
        let known = self.known_anomalies(events).await?;
        let mut memtable = self.memtable();
        events.iter().for_each(|event| memtable.apply(event, &known));
        Ok(())
    }

    /// Drops the memtable if another node has stored its content. Otherwise a read would put old
    /// rows above newer stored ones.
    pub(super) async fn drop_if_stored_elsewhere(&self) -> Result<(), PortError> {
        let nothing = self.memtable().is_empty();
        if nothing { Ok(()) } else { self.cursor().await.map(drop) }
    }
}
