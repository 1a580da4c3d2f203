//! The fjall database, its keyspaces, and two kinds of write: synced and buffered.
//!
//! Every read goes through a [`fjall::Snapshot`]. A plain `Keyspace::range` of fjall 3 can see a
//! batch while its items are applied one by one. A snapshot sees all of a batch or nothing.
//!
//! Each commit is numbered in every table that it changes (`commit_numbers`), and `db.mark` holds
//! the last synced numbers. `open` compares them, so that a lost commit is noticed.

mod check;
mod commit_numbers;
mod inspect;
mod journal;
mod keyspace_files;
mod mark;
mod open;
mod repair;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fjall::PersistMode;

use crate::data_dir::{DataDir, LOGS, OpenError};
use crate::disk;
use crate::settings::EmbeddedSettings;
pub(crate) use check::check;
use earcon_model::WorkspaceId;
use earcon_ports::{ErrorKind, PortError};
pub use inspect::Finding;
use mark::{MarkFile, Numbers};
pub(crate) use repair::accept_loss;
pub(super) use snapshot::{Entry, Snapshot, unreadable};
pub(super) use table::{Table, WriteBatch};

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
    pub(super) logs: Table,
    pub(super) meta: Table,
    pub(super) snapshots: Table,
    pub(super) history: HistoryTables,
    /// Set after a failed write. The content of the journal after the last good write is then
    /// unknown, so nothing may be added to it.
    broken: AtomicBool,
    /// Locked during a commit, so that numbers reach the journal in order.
    commits: Mutex<Commits>,
    keep_free_bytes: u64,
    #[cfg(test)]
    pub(super) fail_next_commit: AtomicBool,
    dir: DataDir,
}

/// The keyspaces of the series store.
pub(super) struct HistoryTables {
    /// workspace → cursor and size.
    pub(super) heads: Table,
    /// workspace, series → KPI and labels.
    pub(super) series: Table,
    /// workspace, series, first timestamp → the small blocks at the end of a series.
    pub(super) open: Table,
    /// workspace, series, first timestamp → sealed blocks.
    pub(super) blocks: Table,
    /// The same key → extent, size and hourly buckets of the sealed block.
    pub(super) index: Table,
    /// The same key → the sealed block's buckets of one minute.
    pub(super) minutes: Table,
    /// workspace, opening time descending, identifier → anomaly.
    pub(super) anomalies: Table,
    /// workspace, identifier → opening time.
    pub(super) anomaly_times: Table,
}

/// Numbers of the last commits, and the file with the last synced ones.
#[derive(Debug)]
struct Commits {
    numbers: Numbers,
    mark: MarkFile,
}

impl Database {
    /// Opens the database, and creates it if the directory is new.
    ///
    /// # Errors
    /// Damage is an error. Nothing is written to a damaged database.
    pub(super) fn open(path: &Path, settings: &EmbeddedSettings) -> Result<Self, OpenError> {
        let dir = DataDir::claim(path)?;
        let open::Opened { db, tables, numbers, mark } = open::open(&dir, settings)?;
        let [logs, meta, snapshots, heads, series, open, blocks, index, minutes, anomalies, anomaly_times] = tables;
        Ok(Self {
            logs,
            meta,
            snapshots,
            history: HistoryTables { heads, series, open, blocks, index, minutes, anomalies, anomaly_times },
            commits: Mutex::new(Commits { numbers, mark }),
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
        self.dir.path().join(LOGS)
    }

    /// A view of everything committed so far, without later commits.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.db.snapshot())
    }

    pub(super) fn batch(&self) -> WriteBatch {
        WriteBatch::new(self.db.batch())
    }

    /// Writes all of `batch`. After a failure this process shows none of it and writes nothing
    /// more.
    pub(super) fn commit(&self, batch: WriteBatch, durability: Durability) -> Result<(), PortError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.refuse_if_full()?;
        let mut commits = self.commits();
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
        let mut numbers = commits.numbers;
        let batch = batch.numbered(&mut numbers);
        self.injected_failure()
            .and_then(|()| batch.durability(Some(mode)).commit())
            .and_then(|()| {
                commits.numbers = numbers;
                match durability {
                    // All tables share one journal, so earlier buffered commits are durable too.
                    Durability::Synced => Ok(commits.mark.write(&numbers)?),
                    // The mark may not be ahead of the journal after a power cut.
                    Durability::Buffered => Ok(()),
                }
            })
            .inspect_err(|_| self.broken.store(true, Ordering::Release))
            .map_err(|error| storage("writing to the data directory failed", error))
    }

    fn commits(&self) -> MutexGuard<'_, Commits> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut commits = self.commits();
        let numbers = commits.numbers;
        self.db
            .persist(PersistMode::SyncAll)
            .and_then(|()| Ok(commits.mark.write(&numbers).and_then(|()| commits.mark.sync())?))
            .map_err(|error| storage("syncing the data directory failed", error))
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

/// Converts a failed write into an error of the port.
fn storage(context: &'static str, error: fjall::Error) -> PortError {
    let kind = match &error {
        fjall::Error::Io(_) | fjall::Error::Storage(fjall::LsmError::Io(_)) => ErrorKind::Unavailable,
        other => snapshot::kind(other),
    };
    PortError::caused(kind, context, error)
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
