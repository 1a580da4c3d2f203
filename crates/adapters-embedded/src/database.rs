//! The fjall database, its keyspaces, and two kinds of write: synced and buffered.
//!
//! Every read goes through a [`fjall::Snapshot`]. A plain `Keyspace::range` of fjall 3 can see a
//! batch while its items are applied one by one. A snapshot sees all of a batch or nothing.
//!
//! Each commit is numbered in every table that it changes (`commit_numbers`), and two marks hold
//! the last synced numbers (`marks`). `open` compares them, so that a lost commit is noticed.
//!
//! After a failed write, the database is only read, until it is opened again (`reopen`).

mod check;
mod commit_numbers;
mod current;
mod files_in_use;
mod inspect;
mod instance;
mod journal;
mod keyspace_files;
mod mark;
mod marks;
mod open;
mod reopen;
mod repair;
mod rewrite;
mod salvage;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;
mod undo;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fjall::PersistMode;

use crate::data_dir::DataDir;
use crate::disk::{self, Presence};
use crate::open_error::OpenError;
use crate::repairs::progress::{self, NOT_ENDED, PROGRESS};
use crate::settings::EmbeddedSettings;
#[cfg(test)]
pub(crate) use check::check;
pub(crate) use check::{Checked, check_all};
use current::Current;
use earcon_model::WorkspaceId;
use earcon_ports::{ErrorKind, PortError};
use files_in_use::FilesInUse;
pub use inspect::Finding;
pub use instance::DatabaseMemory;
#[cfg(test)]
pub(crate) use journal::{make_unreadable, read as written_bytes};
use mark::Numbers;
pub(crate) use mark::is_mark;
use marks::MarkFiles;
pub(crate) use marks::{LastCommits, SyncedCommits};
#[cfg(test)]
pub(crate) use repair::accept_loss;
pub(crate) use repair::{begin as begin_repair, end as end_repair};
pub(super) use snapshot::{Entry, Snapshot, unreadable};
pub(super) use table::{Table, WriteBatch};
use undo::Undo;

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
    current: Current,
    /// workspace → the identity of its log.
    pub(super) logs: Table,
    pub(super) meta: Table,
    pub(super) snapshots: Table,
    pub(super) history: HistoryTables,
    /// Locked during a commit, so that numbers reach the journal in order.
    commits: Mutex<Commits>,
    /// Of the same commits, for the marks of the logs.
    synced: Arc<SyncedCommits>,
    settings: EmbeddedSettings,
    presence: Presence,
    files: FilesInUse,
    /// Dropped after `current`: nothing else uses the files then.
    undo: Mutex<Undo>,
    #[cfg(test)]
    pub(super) fault: Mutex<Option<Fault>>,
    dir: DataDir,
}

/// Where the next commit fails.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing of it is written.
    BeforeTheWrite,
    /// All of it is in the journal, but the sync fails.
    AtTheSync,
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

/// Numbers of the last commits, and the files with the last synced ones.
#[derive(Debug)]
struct Commits {
    numbers: Numbers,
    marks: MarkFiles,
}

impl Database {
    /// Opens the database, and creates it if the directory is new.
    ///
    /// # Errors
    /// Damage is an error. Nothing is written to a damaged database.
    pub(super) fn open(path: &Path, settings: &EmbeddedSettings) -> Result<Self, OpenError> {
        let dir = DataDir::claim(path)?;
        if progress::is_begun(path) {
            let begun = Finding::new(path.join(PROGRESS), NOT_ENDED);
            return Err(open::damaged(path, &[begun]));
        }
        Self::open_claimed(dir, settings)
    }

    /// Opens the database of a directory whose repair has not ended.
    pub(super) fn open_to_repair(path: &Path) -> Result<Self, OpenError> {
        Self::open_claimed(DataDir::claim(path)?, &EmbeddedSettings::default())
    }

    fn open_claimed(dir: DataDir, settings: &EmbeddedSettings) -> Result<Self, OpenError> {
        let path = &dir.path().to_owned();
        let open::Opened { instance, numbers, marks, undo } = open::open(&dir, settings)?;
        let not_writable = |source| OpenError::NotWritable { path: path.to_owned(), source };
        let synced = Arc::new(SyncedCommits::default());
        synced.set(marks.identity(), numbers);
        let [logs, meta, snapshots, heads, series, open, blocks, index, minutes, anomalies, anomaly_times] =
            Table::all();
        Ok(Self {
            current: Current::new(instance),
            logs,
            meta,
            snapshots,
            history: HistoryTables { heads, series, open, blocks, index, minutes, anomalies, anomaly_times },
            commits: Mutex::new(Commits { numbers, marks }),
            synced,
            settings: settings.clone(),
            presence: Presence::of(path).map_err(not_writable)?,
            files: FilesInUse::of(&dir.database()).map_err(not_writable)?,
            undo: Mutex::new(undo),
            #[cfg(test)]
            fault: Mutex::default(),
            dir,
        })
    }

    /// Writes the marks again, durably. Called once the logs were found whole: a start that is
    /// refused changes nothing.
    pub(super) fn confirm(&self) -> std::io::Result<()> {
        self.keep_changes();
        let mut commits = self.commits();
        let numbers = commits.numbers;
        // A process that was killed may have left commits that are not on the disk. The marks must
        // not be ahead of them.
        let instance = self.current.writing().map_err(std::io::Error::other)?;
        self.persist(&instance).map_err(std::io::Error::other)?;
        // Both slots.
        commits.marks.write(&numbers)?;
        self.sync_marks(&mut commits.marks, &numbers)
    }

    /// Keeps what the opening changed.
    fn keep_changes(&self) {
        self.undo.lock().unwrap_or_else(PoisonError::into_inner).forget();
    }

    /// Whether this process has created the data directory.
    pub(super) fn is_new(&self) -> bool {
        self.dir.is_new()
    }

    /// The data directory.
    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The directory with a directory for each log.
    pub(super) fn log_dir(&self) -> PathBuf {
        self.dir.logs()
    }

    /// A view of everything committed so far, without later commits. Keep it for a short time: the
    /// database cannot be opened again meanwhile.
    ///
    /// # Errors
    /// `Unavailable` if the database could not be opened again after a failed write.
    pub(super) fn snapshot(&self) -> Result<Snapshot, PortError> {
        Ok(self.current.reading()?.snapshot())
    }

    /// Writes all of `batch`. After a failure nothing of it is visible, now or later, and nothing
    /// is written until the database was opened again.
    ///
    /// # Errors
    /// `StorageFull` or `Unavailable`.
    pub(super) fn commit(&self, batch: WriteBatch, durability: Durability) -> Result<(), PortError> {
        if batch.is_empty() {
            return Ok(());
        }
        // Writes to a directory that was removed are lost.
        self.presence.check().map_err(|reason| PortError::new(ErrorKind::Unavailable, reason))?;
        if let Some(problem) = self.files.problem() {
            return Err(PortError::new(ErrorKind::Unavailable, problem));
        }
        self.refuse_if_full()?;
        // Looked at before the lock: an attempt to open the database again holds the lock until all
        // reads have ended, and the caller may have one.
        drop(self.current.writing()?);
        self.keep_changes();
        let mut commits = self.commits();
        let instance = self.current.writing()?;
        // What is written behind a cut is lost with it.
        self.files.check_journal().map_err(|reason| PortError::new(ErrorKind::Unavailable, reason))?;
        let mode = match durability {
            Durability::Synced => PersistMode::SyncData,
            Durability::Buffered => PersistMode::Buffer,
        };
        let (mut numbers, bytes) = (commits.numbers, batch.bytes());
        instance
            .wait_for_threads(&batch.touched())
            .and_then(|()| self.injected_failure(false))
            .and_then(|()| {
                batch.numbered(&instance, commits.marks.identity(), &mut numbers).durability(Some(mode)).commit()
            })
            .and_then(|()| self.injected_failure(true))
            .map_err(|error| self.failed(error))?;
        commits.numbers = numbers;
        self.files.note_commit();
        instance.note_written(bytes);
        #[cfg(test)]
        if mode == PersistMode::SyncData {
            crate::event_log::files::power::synced_database(&self.dir.database());
        }
        if let Err(error) = instance.bound_memtables() {
            // The commit itself succeeded.
            self.current.fail(format!("writing a table file failed: {error}"));
        }
        // All tables share one journal, so earlier buffered commits are durable too. After a
        // buffered commit, the mark would be ahead of the journal after a power cut.
        if durability == Durability::Synced {
            self.synced.set(commits.marks.identity(), numbers);
            if let Err(error) = commits.marks.write(&numbers) {
                // The commit itself is durable. The next opening writes the mark again.
                self.current.fail(format!("writing the marks of the database failed: {error}"));
            }
        }
        Ok(())
    }

    /// Refuses writes after a failed one.
    fn failed(&self, error: fjall::Error) -> PortError {
        self.current.fail(format!("writing to the database failed: {error}"));
        storage("writing to the data directory failed", error)
    }

    fn commits(&self) -> MutexGuard<'_, Commits> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write that fails because the disk is full would break the database until a restart, so it
    /// is not tried.
    fn refuse_if_full(&self) -> Result<(), PortError> {
        let Ok(free) = disk::free_bytes(self.path()) else { return Ok(()) };
        if free >= self.settings.keep_free_bytes {
            return Ok(());
        }
        let text = format!(
            "the disk has {} MB left, and {} MB are kept free",
            free >> 20,
            self.settings.keep_free_bytes >> 20
        );
        Err(PortError::new(ErrorKind::StorageFull, text))
    }

    /// Memory of the database. `None` if it is not open.
    pub(super) fn memory(&self) -> Option<DatabaseMemory> {
        self.current.writing().ok().map(|instance| instance.memory())
    }

    /// Makes everything written so far durable, and writes a mark again that is gone.
    pub(super) fn sync(&self) -> Result<(), PortError> {
        let mut commits = self.commits();
        let numbers = commits.numbers;
        let instance = self.current.writing()?;
        self.persist(&instance)
            .and_then(|()| Ok(self.sync_marks(&mut commits.marks, &numbers)?))
            .map_err(|error| storage("syncing the data directory failed", error))?;
        self.synced.set(commits.marks.identity(), numbers);
        Ok(())
    }

    /// The last synced commits, as they change.
    pub(super) fn synced_commits(&self) -> Arc<SyncedCommits> {
        self.synced.clone()
    }

    /// Makes the journal durable.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "a test records the place"))]
    fn persist(&self, instance: &instance::Instance) -> fjall::Result<()> {
        instance.persist(PersistMode::SyncAll)?;
        #[cfg(test)]
        crate::event_log::files::power::synced_database(&self.dir.database());
        Ok(())
    }

    fn sync_marks(&self, marks: &mut MarkFiles, numbers: &Numbers) -> std::io::Result<()> {
        // Not in the directory of another installation.
        self.presence.check().map_err(std::io::Error::other)?;
        if marks.are_gone(&self.dir)? {
            *marks = MarkFiles::create(&self.dir, marks.identity(), numbers)?;
            return Ok(());
        }
        marks.write(numbers)?;
        marks.sync(&self.dir)
    }

    #[cfg(test)]
    fn injected_failure(&self, is_written: bool) -> Result<(), fjall::Error> {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match fault.take_if(|fault| is_written == (*fault == Fault::AtTheSync)) {
            Some(_) => Err(fjall::Error::Io(std::io::Error::other("injected"))),
            None => Ok(()),
        }
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "its twin in tests needs both")]
    fn injected_failure(&self, _is_written: bool) -> Result<(), fjall::Error> {
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
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))
            if error.kind() == std::io::ErrorKind::StorageFull =>
        {
            ErrorKind::StorageFull
        }
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
