//! One opening of fjall's database. Everything that reads keeps it open, so the database can be
//! closed and opened again inside the process as soon as nothing else reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fjall::{AbstractTree, Keyspace, OwnedWriteBatch, PersistMode};

use super::snapshot::Snapshot;
use super::table::{TABLES, Table};

/// A commit waits before it writes while a table has so many memtables to flush, or so many runs to
/// compact. fjall waits too, a little later, but without an end if its threads have stopped. That
/// would keep the database from being closed.
const SEALED_MEMTABLES: usize = 2;
const RUNS: usize = 25;
/// Between two looks at a table that lags behind.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The memtables of all tables together are written to table files from this size on, bytes. fjall
/// bounds each of them alone. A table with few writes would keep its memory for hours otherwise.
const MEMTABLES_BYTES: u64 = 24 << 20;

/// After so many written bytes, old versions of the tables are released.
const RELEASED_AFTER_BYTES: u64 = 4 << 20;
/// fjall looks for versions that no snapshot needs each time so many snapshots have ended. Until
/// then it keeps every memtable and every table file that it has replaced. There is no other way to
/// make it look. Opening and closing a snapshot takes about a tenth of a microsecond.
const SNAPSHOTS_UNTIL_FJALL_LOOKS: usize = 10_000;

/// Memory of the database, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseMemory {
    /// Records that are not in table files: at most 24 MiB and a commit, and those that are being
    /// written to table files now.
    pub memtables: u64,
    /// Blocks read from disk, at most [`cache_bytes`](crate::EmbeddedSettings::cache_bytes).
    pub cache: u64,
}

/// fjall's database and the keyspaces of all tables.
pub(super) struct Instance {
    keyspaces: [Keyspace; TABLES.len()],
    db: fjall::Database,
    /// Bytes that were written since old versions were released.
    written: AtomicU64,
}

impl Instance {
    pub(super) fn new(db: fjall::Database, keyspaces: [Keyspace; TABLES.len()]) -> Arc<Self> {
        Arc::new(Self { keyspaces, db, written: AtomicU64::new(0) })
    }

    pub(super) fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table.code()]
    }

    pub(super) fn batch(&self, capacity: usize) -> OwnedWriteBatch {
        OwnedWriteBatch::with_capacity(self.db.clone(), capacity)
    }

    /// A view of everything committed so far, without later commits.
    pub(super) fn snapshot(self: &Arc<Self>) -> Snapshot {
        Snapshot::new(self.clone(), self.db.snapshot())
    }

    pub(super) fn persist(&self, mode: PersistMode) -> fjall::Result<()> {
        self.db.persist(mode)
    }

    /// Whether fjall still accepts writes. It stops after a failed write, also of its own threads.
    pub(super) fn check(&self) -> fjall::Result<()> {
        self.db.persist(PersistMode::Buffer)
    }

    /// How many journals the database has on the disk.
    pub(super) fn journals(&self) -> usize {
        self.db.journal_count()
    }

    /// Begins to write the largest memtable to a table file, if all together are too large.
    pub(super) fn bound_memtables(&self) -> fjall::Result<()> {
        let sizes = self.keyspaces.iter().map(|keyspace| keyspace.tree.active_memtable().size());
        if sizes.sum::<u64>() <= MEMTABLES_BYTES {
            return Ok(());
        }
        let largest = self.keyspaces.iter().max_by_key(|keyspace| keyspace.tree.active_memtable().size());
        largest.map_or(Ok(()), |keyspace| keyspace.rotate_memtable().map(drop))
    }

    /// Counts written bytes, and releases old versions of the tables now and then. The next flush
    /// or compaction of a table forgets them.
    pub(super) fn note_written(&self, bytes: u64) {
        if self.written.fetch_add(bytes, Ordering::Relaxed) + bytes >= RELEASED_AFTER_BYTES {
            self.written.store(0, Ordering::Relaxed);
            (0..SNAPSHOTS_UNTIL_FJALL_LOOKS).for_each(|_| drop(self.db.snapshot()));
        }
    }

    /// Versions of all tables that are kept although newer ones exist.
    #[cfg(test)]
    pub(super) fn old_versions(&self) -> usize {
        self.keyspaces.iter().map(|keyspace| keyspace.tree.version_free_list_len()).sum()
    }

    pub(super) fn memory(&self) -> DatabaseMemory {
        let memtables = self.keyspaces.iter().map(|keyspace| keyspace.tree.active_memtable().size()).sum();
        DatabaseMemory { memtables, cache: self.db.cache_size() }
    }

    /// Waits until fjall's threads have caught up with the writes to `tables`.
    pub(super) fn wait_for_threads(&self, tables: &[Table]) -> fjall::Result<()> {
        let lags = |table: &Table| {
            let tree = &self.keyspace(*table).tree;
            tree.sealed_memtable_count() >= SEALED_MEMTABLES || tree.l0_run_count() >= RUNS
        };
        while tables.iter().any(lags) {
            self.check()?;
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}
