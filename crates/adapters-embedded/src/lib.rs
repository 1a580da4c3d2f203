//! Everything in one data directory: the default, which needs no other service.
//!
//! One fjall database (an LSM tree with a write-ahead journal) holds the event logs, the history, the settings and the
//! scoring snapshots of every workspace. Fjall has one journal for all of them, so one `fdatasync` covers whatever was
//! written before it.
//!
//! Deliberately absent: background threads of our own (fjall has its own for compaction), and any cache of what fjall
//! caches already.

mod data_dir;
mod database;
mod event_log;
mod meta_store;
mod series_store;
mod snapshot_store;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use data_dir::OpenError;
use database::Database;
use event_log::EmbeddedLog;
use meta_store::EmbeddedMeta;
use series_store::EmbeddedSeries;
use snapshot_store::EmbeddedSnapshots;

use earcon_ports::{ErrorKind, EventLog, MetaStore, PortError, SeriesStore, SnapshotStore};

/// How long the directory may still be in use when the store is closed.
const CLOSING: Duration = Duration::from_secs(5);

/// How much the embedded store may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// Memory for blocks read from disk, bytes.
    pub cache_bytes: u64,
    /// Disk for the write-ahead journal, bytes; at least 64 MiB. What is in it is read again at the next start.
    pub journal_bytes: u64,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, journal_bytes: 192 << 20 }
    }
}

/// The four ports over one data directory.
///
/// The directory stays locked until this value and every port handed out are dropped.
pub struct EmbeddedStore {
    database: Arc<Database>,
    log: Arc<EmbeddedLog>,
    series: Arc<EmbeddedSeries>,
    meta: Arc<EmbeddedMeta>,
    snapshots: Arc<EmbeddedSnapshots>,
}

impl EmbeddedStore {
    /// Opens `dir`, creating it when it is missing. Blocks while the journal is replayed.
    ///
    /// # Errors
    /// See [`OpenError`]: each says which directory and what to do.
    pub fn open(dir: &Path, settings: &EmbeddedSettings) -> Result<Self, OpenError> {
        let database = Arc::new(Database::open(dir, settings)?);
        Ok(Self {
            log: Arc::new(EmbeddedLog::new(database.clone())),
            series: Arc::new(EmbeddedSeries::new(database.clone())),
            meta: Arc::new(EmbeddedMeta::new(database.clone())),
            snapshots: Arc::new(EmbeddedSnapshots::new(database.clone())),
            database,
        })
    }

    /// The logs of all workspaces. An append is one `fdatasync`.
    pub fn event_log(&self) -> Arc<dyn EventLog> {
        self.log.clone()
    }

    /// The history of all workspaces. See [`SeriesStore`] for what becomes durable when.
    pub fn series_store(&self) -> Arc<dyn SeriesStore> {
        self.series.clone()
    }

    /// The settings of all workspaces.
    pub fn meta_store(&self) -> Arc<dyn MetaStore> {
        self.meta.clone()
    }

    /// The scoring snapshots of all workspaces.
    pub fn snapshot_store(&self) -> Arc<dyn SnapshotStore> {
        self.snapshots.clone()
    }

    /// Makes everything written so far durable, gives up this handle and waits for those who are still at it, so that the
    /// directory is free when this returns. History that was applied but not flushed is not written: the log holds it, and
    /// its consumer applies it again after the next start.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses, or when somebody holds the directory for more than a few seconds.
    pub async fn close(self) -> Result<(), PortError> {
        let Self { log, series, meta, snapshots, database } = self;
        drop((log, series, meta, snapshots));
        let synced = {
            let database = database.clone();
            database::blocking(move || database.sync()).await
        };
        let deadline = Instant::now() + CLOSING;
        let mut database = database;
        loop {
            match Arc::try_unwrap(database) {
                Ok(last) => {
                    // Dropping it joins fjall's threads, which blocks.
                    database::blocking(move || {
                        drop(last);
                        Ok(())
                    })
                    .await?;
                    return synced;
                }
                Err(shared) if Instant::now() >= deadline => {
                    let text = format!("{} others still use the data directory", Arc::strong_count(&shared) - 1);
                    return Err(PortError::new(ErrorKind::Unavailable, text));
                }
                Err(shared) => database = shared,
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
