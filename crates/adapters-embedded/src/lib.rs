//! All storage ports over one data directory. This is the default; it needs no other service.
//!
//! The event logs are segment files of their own (module `event_log`). One fjall database (an LSM
//! tree with a write-ahead journal) holds the history, the settings and the scoring snapshots of
//! every workspace.
//!
//! Deliberately absent: background threads of this crate (fjall has its own for compaction), and a
//! cache of data that fjall caches already.

mod account_store;
mod audit_log;
mod data_dir;
mod database;
mod disk;
pub mod doctor;
mod event_log;
mod meta_store;
mod open_error;
mod records;
mod repairs;
mod series_store;
mod settings;
mod snapshot_store;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use account_store::EmbeddedAccounts;
use audit_log::EmbeddedAudit;
use database::Database;
pub use database::{DatabaseMemory, Finding};
pub use disk::Disk;
use event_log::EmbeddedLog;
pub use event_log::damage::{Damage, Missing};
pub use event_log::repair::Repaired;
pub use event_log::report::LogReport;
use meta_store::EmbeddedMeta;
pub use open_error::OpenError;
use records::Records;
use series_store::EmbeddedSeries;
pub use settings::EmbeddedSettings;
use snapshot_store::EmbeddedSnapshots;

use earcon_ports::{AccountStore, AuditLog, ErrorKind, EventLog, MetaStore, PortError, SeriesStore, SnapshotStore};

/// Longest wait of `close` for other users of the directory.
const CLOSING: Duration = Duration::from_secs(5);

/// Opens the database of settings, history and snapshots again after a failed write, and watches
/// the segments of the logs.
#[derive(Clone)]
pub struct Keeper {
    database: Weak<Database>,
    damage: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

impl Keeper {
    /// Looks whether the database takes writes. If it does not, and the disk works, the database is
    /// opened again. Call it from time to time, on a thread that may block.
    ///
    /// Returns why writes are refused, as a sentence for people.
    pub fn tend(&self) -> Option<String> {
        self.database.upgrade()?.tend()
    }

    /// Looks for segments of logs that were removed or cut, and returns damage that reads have
    /// found, as a sentence for people. Events in such a segment cannot be read. Blocks.
    pub fn log_damage(&self) -> Option<String> {
        (self.damage)()
    }

    /// Memory of the database. `None` while it is not open for writing.
    pub fn memory(&self) -> Option<DatabaseMemory> {
        self.database.upgrade()?.memory()
    }
}

/// The ports over one data directory.
///
/// The directory stays locked until this value and every port handed out are dropped.
pub struct EmbeddedStore {
    database: Arc<Database>,
    log: Arc<EmbeddedLog>,
    series: Arc<EmbeddedSeries>,
    records: Arc<Records>,
    snapshots: Arc<EmbeddedSnapshots>,
}

impl EmbeddedStore {
    /// Opens `dir`, and creates it if it is missing. Blocks while the journal is replayed.
    ///
    /// # Errors
    /// See [`OpenError`]. Each error names the directory and says what to do.
    pub fn open(dir: &Path, settings: &EmbeddedSettings) -> Result<Self, OpenError> {
        let database = Arc::new(Database::open(dir, settings)?);
        let log = Arc::new(EmbeddedLog::open(database.clone(), settings)?);
        database.confirm().map_err(|source| OpenError::NotWritable { path: dir.to_owned(), source })?;
        Ok(Self {
            log,
            series: Arc::new(EmbeddedSeries::new(database.clone())),
            records: Records::new(database.clone()),
            snapshots: Arc::new(EmbeddedSnapshots::new(database.clone())),
            database,
        })
    }

    /// Whether the directory was new.
    pub fn is_new(&self) -> bool {
        self.database.is_new()
    }

    /// The disk under the directory.
    ///
    /// # Errors
    /// If the directory was removed since it was opened.
    pub fn disk(&self) -> std::io::Result<Disk> {
        Disk::of(self.database.path(), self.log.files_in_use())
    }

    /// Repairs the database while the process runs. It does not keep the directory in use.
    pub fn keeper(&self) -> Keeper {
        Keeper { database: Arc::downgrade(&self.database), damage: Arc::new(self.log.damage()) }
    }

    /// The logs of all workspaces. An append is one `fdatasync`.
    pub fn event_log(&self) -> Arc<dyn EventLog> {
        self.log.clone()
    }

    /// The history of all workspaces. [`SeriesStore`] says when it becomes durable.
    pub fn series_store(&self) -> Arc<dyn SeriesStore> {
        self.series.clone()
    }

    /// The settings of all workspaces.
    pub fn meta_store(&self) -> Arc<dyn MetaStore> {
        Arc::new(EmbeddedMeta::new(self.records.clone()))
    }

    /// The accounts of the installation.
    pub fn account_store(&self) -> Arc<dyn AccountStore> {
        Arc::new(EmbeddedAccounts::new(self.records.clone()))
    }

    /// The audit logs of all organisations.
    pub fn audit_log(&self) -> Arc<dyn AuditLog> {
        Arc::new(EmbeddedAudit::new(self.records.clone()))
    }

    /// The scoring snapshots of all workspaces.
    pub fn snapshot_store(&self) -> Arc<dyn SnapshotStore> {
        self.snapshots.clone()
    }

    /// Makes everything written so far durable, drops this handle and waits for the other users of
    /// the directory, so that it is free when this returns. Applied but unflushed history is not
    /// written: the log holds it, and its consumer applies it again after the next start.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses the write, or when the directory is still in use after a
    /// few seconds.
    pub async fn close(self) -> Result<(), PortError> {
        let Self { log, series, records, snapshots, database } = self;
        let marked = log.record_ends().await;
        drop((log, series, records, snapshots));
        // A full disk takes no record of the logs' ends. Their marks have them.
        let marked = marked.or_else(|error| if error.kind == ErrorKind::StorageFull { Ok(()) } else { Err(error) });
        let synced = {
            let database = database.clone();
            database::blocking(move || database.sync()).await.and(marked)
        };
        let deadline = Instant::now() + CLOSING;
        let mut database = database;
        loop {
            match Arc::try_unwrap(database) {
                Ok(last) => {
                    // Dropping the database joins fjall's threads, which blocks.
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
