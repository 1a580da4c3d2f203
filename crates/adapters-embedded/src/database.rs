//! The fjall database, its keyspaces, and two kinds of write: synced and buffered.
//!
//! Every read goes through a [`fjall::Snapshot`]. A plain `Keyspace::range` of fjall 3 can see a
//! batch while its items are applied one by one. A snapshot sees all of a batch or nothing.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use fjall::{Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Snapshot};

use crate::data_dir::{DataDir, OpenError};
use crate::disk;
use crate::settings::EmbeddedSettings;
use earcon_model::WorkspaceId;
use earcon_ports::{ErrorKind, PortError};

/// Bytes that a keyspace collects in memory before it writes a table.
const MEMTABLE_BYTES: u64 = 16 << 20;

/// When a write must be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Before the call returns. `fdatasync` includes the metadata needed to read the journal back.
    Synced,
    /// Survives the end of the process at once. Survives a power cut after the next synced write.
    Buffered,
}

/// The open database. Fields drop in order, so the lock on the directory is released last.
pub(super) struct Database {
    db: fjall::Database,
    /// workspace → the identity of its log.
    pub(super) logs: Keyspace,
    pub(super) meta: Keyspace,
    pub(super) snapshots: Keyspace,
    pub(super) history: HistoryTables,
    /// Set after a failed write. The content of the journal after the last good write is then
    /// unknown, so nothing may be added to it.
    broken: AtomicBool,
    keep_free_bytes: u64,
    #[cfg(test)]
    pub(super) fail_next_commit: AtomicBool,
    dir: DataDir,
}

/// The keyspaces of the series store.
pub(super) struct HistoryTables {
    /// workspace → cursor and size.
    pub(super) heads: Keyspace,
    /// workspace, series → KPI and labels.
    pub(super) series: Keyspace,
    /// workspace, series, first timestamp → the small blocks at the end of a series.
    pub(super) open: Keyspace,
    /// workspace, series, first timestamp → sealed blocks.
    pub(super) blocks: Keyspace,
    /// The same key → extent, size and hourly buckets of the sealed block.
    pub(super) index: Keyspace,
    /// The same key → the sealed block's buckets of one minute.
    pub(super) minutes: Keyspace,
    /// workspace, opening time descending, identifier → anomaly.
    pub(super) anomalies: Keyspace,
    /// workspace, identifier → opening time.
    pub(super) anomaly_times: Keyspace,
}

impl Database {
    pub(super) fn open(path: &Path, settings: &EmbeddedSettings) -> Result<Self, OpenError> {
        let dir = DataDir::claim(path)?;
        let explain = |error: fjall::Error| explain(dir.path(), error);
        let db = fjall::Database::builder(dir.database())
            .cache_size(settings.cache_bytes)
            .max_journaling_size(settings.journal_bytes.max(64 << 20))
            .open()
            .map_err(explain)?;
        let table = |name: &str| {
            db.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)).map_err(explain)
        };
        Ok(Self {
            logs: table("logs")?,
            meta: table("meta")?,
            snapshots: table("snapshots")?,
            history: HistoryTables {
                heads: table("history_heads")?,
                series: table("history_series")?,
                open: table("history_open")?,
                blocks: table("history_blocks")?,
                index: table("history_index")?,
                minutes: table("history_minutes")?,
                anomalies: table("anomalies")?,
                anomaly_times: table("anomaly_times")?,
            },
            db,
            broken: AtomicBool::new(false),
            keep_free_bytes: settings.keep_free_bytes,
            #[cfg(test)]
            fail_next_commit: AtomicBool::new(false),
            dir,
        })
    }

    /// The data directory.
    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The directory with a directory for each log.
    pub(super) fn log_dir(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// All keyspaces, with their names.
    pub(super) fn tables(&self) -> [(&'static str, &Keyspace); 11] {
        let history = &self.history;
        [
            ("logs", &self.logs),
            ("meta", &self.meta),
            ("snapshots", &self.snapshots),
            ("history_heads", &history.heads),
            ("history_series", &history.series),
            ("history_open", &history.open),
            ("history_blocks", &history.blocks),
            ("history_index", &history.index),
            ("history_minutes", &history.minutes),
            ("anomalies", &history.anomalies),
            ("anomaly_times", &history.anomaly_times),
        ]
    }

    /// A view of everything committed so far, without later commits.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.db.snapshot()
    }

    pub(super) fn batch(&self) -> OwnedWriteBatch {
        self.db.batch()
    }

    /// Writes all of `batch`. After a failure this process shows none of it and writes nothing
    /// more.
    pub(super) fn commit(&self, batch: OwnedWriteBatch, durability: Durability) -> Result<(), PortError> {
        self.refuse_if_full()?;
        if self.broken.load(Ordering::Acquire) {
            return Err(PortError::new(
                ErrorKind::Unavailable,
                "the store refuses writes since one failed; check the disk and restart",
            ));
        }
        let mode = match durability {
            Durability::Synced => PersistMode::SyncData,
            Durability::Buffered => PersistMode::Buffer,
        };
        self.injected_failure()
            .and_then(|()| batch.durability(Some(mode)).commit())
            .inspect_err(|_| self.broken.store(true, Ordering::Release))
            .map_err(|error| storage("writing to the data directory failed", error))
    }

    /// A write that fails because the disk is full would break the database until a restart, so it
    /// is not tried.
    fn refuse_if_full(&self) -> Result<(), PortError> {
        let Ok(free) = disk::free_bytes(self.path()) else { return Ok(()) };
        if free >= self.keep_free_bytes {
            return Ok(());
        }
        let text = format!("the disk has {} MB left, and {} MB are kept free", free >> 20, self.keep_free_bytes >> 20);
        Err(PortError::new(ErrorKind::StorageFull, text))
    }

    /// Makes everything written so far durable.
    pub(super) fn sync(&self) -> Result<(), PortError> {
        self.db.persist(PersistMode::SyncAll).map_err(|error| storage("syncing the data directory failed", error))
    }

    #[cfg(test)]
    fn injected_failure(&self) -> Result<(), fjall::Error> {
        if self.fail_next_commit.swap(false, Ordering::AcqRel) {
            return Err(fjall::Error::Io(std::io::Error::other("injected")));
        }
        Ok(())
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "its twin in tests needs both")]
    fn injected_failure(&self) -> Result<(), fjall::Error> {
        Ok(())
    }
}

/// The key prefix of a workspace: its identifier, which contains no zero byte, and a zero byte.
pub(super) fn prefix(workspace: &WorkspaceId) -> Vec<u8> {
    let mut key = Vec::with_capacity(workspace.as_str().len() + 32);
    key.extend_from_slice(workspace.as_str().as_bytes());
    key.push(0);
    key
}

/// Converts a failure of fjall into an error of the port.
pub(super) fn storage(context: &'static str, error: fjall::Error) -> PortError {
    let kind = match &error {
        fjall::Error::Io(_) | fjall::Error::Poisoned | fjall::Error::Locked => ErrorKind::Unavailable,
        fjall::Error::Storage(fjall::LsmError::Io(_)) => ErrorKind::Unavailable,
        _ => ErrorKind::Corrupt,
    };
    PortError::caused(kind, context, error)
}

/// For `map_err` on reads.
pub(super) fn unreadable(error: fjall::Error) -> PortError {
    storage("reading from the data directory failed", error)
}

/// The error for stored data that cannot be decoded.
pub(super) fn corrupt(what: &'static str) -> PortError {
    PortError::new(ErrorKind::Corrupt, format!("{what} in the data directory cannot be decoded"))
}

/// Runs `work` on a thread that may block. The work finishes even if the caller stops waiting.
pub(super) async fn blocking<T, F>(work: F) -> Result<T, PortError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, PortError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(PortError::caused(ErrorKind::Unavailable, "a storage thread ended early", error)),
    }
}

fn explain(path: &Path, error: fjall::Error) -> OpenError {
    let path = path.to_owned();
    match error {
        fjall::Error::Io(source) => OpenError::NotWritable { path, source },
        fjall::Error::Locked => OpenError::InUse { path, owner: String::new() },
        other => OpenError::Damaged { path, reason: other.to_string() },
    }
}
