//! The tables of the database, and batches that number their commits.

use fjall::{Keyspace, OwnedWriteBatch, UserKey, UserValue};

use super::commit_numbers::{WINDOW, key};
use super::mark::Numbers;

/// The tables: name of the keyspace, and the words for it in messages. The position is the code of
/// the table. fjall numbers keyspaces in the order of their creation, so the keyspace of code `c`
/// is in the folder `c + 1`.
pub(super) const TABLES: [(&str, &str); 11] = [
    ("logs", "list of event logs"),
    ("meta", "settings"),
    ("snapshots", "scoring snapshots"),
    ("history_heads", "history's cursors"),
    ("history_series", "history's list of series"),
    ("history_open", "history's open blocks"),
    ("history_blocks", "history's sealed blocks"),
    ("history_index", "history's index of blocks"),
    ("history_minutes", "history's rollups"),
    ("anomalies", "history's anomalies"),
    ("anomaly_times", "history's times of anomalies"),
];

/// The words for a table in messages.
pub(super) fn words(code: usize) -> &'static str {
    TABLES.get(code).map_or("unknown table", |(_, words)| words)
}

/// The folder of a table's keyspace.
pub(super) fn folder(code: usize) -> String {
    (code + 1).to_string()
}

/// A keyspace and its code.
#[derive(Clone)]
pub(crate) struct Table {
    code: usize,
    keyspace: Keyspace,
}

impl Table {
    pub(super) fn new(code: usize, keyspace: Keyspace) -> Self {
        Self { code, keyspace }
    }

    pub(super) fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    pub(super) fn code(&self) -> usize {
        self.code
    }
}

/// A batch of changes that knows which tables it changes.
pub(crate) struct WriteBatch {
    batch: OwnedWriteBatch,
    /// By the code of the table.
    touched: [Option<Table>; TABLES.len()],
}

impl WriteBatch {
    pub(super) fn new(batch: OwnedWriteBatch) -> Self {
        Self { batch, touched: Default::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    pub(crate) fn insert(&mut self, table: &Table, key: impl Into<UserKey>, value: impl Into<UserValue>) {
        self.touch(table);
        self.batch.insert(&table.keyspace, key, value);
    }

    pub(crate) fn remove(&mut self, table: &Table, key: impl Into<UserKey>) {
        self.touch(table);
        self.batch.remove(&table.keyspace, key);
    }

    fn touch(&mut self, table: &Table) {
        let touched = &mut self.touched[table.code];
        if touched.is_none() {
            *touched = Some(table.clone());
        }
    }

    /// Adds the number of this commit to every changed table, and counts it in `numbers`.
    pub(super) fn numbered(mut self, numbers: &mut Numbers) -> OwnedWriteBatch {
        for table in self.touched.into_iter().flatten() {
            let number = &mut numbers[table.code];
            *number += 1;
            self.batch.insert(&table.keyspace, key(*number), [table.code as u8]);
            self.batch.remove(&table.keyspace, key(number.saturating_sub(WINDOW)));
        }
        self.batch
    }
}

/// The numbers of a new table, for the batch that creates it.
pub(super) fn first_numbers(batch: &mut OwnedWriteBatch, table: &Table) {
    for number in 1..=WINDOW {
        batch.insert(&table.keyspace, key(number), [table.code as u8]);
    }
}
