//! One opening of fjall's database. Everything that reads keeps it open, so the database can be
//! closed and opened again inside the process as soon as nothing else reads.

use std::sync::Arc;
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

/// fjall's database and the keyspaces of all tables.
pub(super) struct Instance {
    keyspaces: [Keyspace; TABLES.len()],
    db: fjall::Database,
}

impl Instance {
    pub(super) fn new(db: fjall::Database, keyspaces: [Keyspace; TABLES.len()]) -> Arc<Self> {
        Arc::new(Self { keyspaces, db })
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
