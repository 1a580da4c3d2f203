//! The tables of the database, and batches that number their commits.

use fjall::{OwnedWriteBatch, UserKey, UserValue};

use super::commit_numbers::{WINDOW, key, value};
use super::instance::Instance;
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

/// Whether a table is a part of history. Such tables are read again from the log.
pub(super) fn is_history(code: usize) -> bool {
    code >= 3
}

/// The folder of a table's keyspace.
pub(super) fn folder(code: usize) -> String {
    (code + 1).to_string()
}

/// One of the tables. It stays valid while the database is opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table {
    code: usize,
}

impl Table {
    /// All tables in the order of their codes.
    pub(super) fn all() -> [Self; TABLES.len()] {
        std::array::from_fn(|code| Self { code })
    }

    /// The list of event logs.
    pub(super) fn of_logs() -> Self {
        Self { code: 0 }
    }

    /// The cursors of history.
    pub(crate) fn of_heads() -> Self {
        Self { code: 3 }
    }

    /// The scoring snapshots.
    pub(super) fn of_snapshots() -> Self {
        Self { code: 2 }
    }

    pub(super) fn code(self) -> usize {
        self.code
    }
}

/// Changes that become visible together. They are in memory until the commit.
#[derive(Default)]
pub(crate) struct WriteBatch {
    /// A change without a value removes the key.
    changes: Vec<(Table, UserKey, Option<UserValue>)>,
}

impl WriteBatch {
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn insert(&mut self, table: Table, key: impl Into<UserKey>, value: impl Into<UserValue>) {
        self.changes.push((table, key.into(), Some(value.into())));
    }

    pub(crate) fn remove(&mut self, table: Table, key: impl Into<UserKey>) {
        self.changes.push((table, key.into(), None));
    }

    /// Bytes of all keys and values.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = |(_, key, value): &(Table, UserKey, Option<UserValue>)| {
            key.len() + value.as_ref().map_or(0, |value| value.len())
        };
        self.changes.iter().map(bytes).sum::<usize>() as u64
    }

    /// The tables that the batch changes.
    pub(super) fn touched(&self) -> Vec<Table> {
        let mut is_touched = [false; TABLES.len()];
        self.changes.iter().for_each(|(table, ..)| is_touched[table.code] = true);
        Table::all().into_iter().filter(|table| is_touched[table.code]).collect()
    }

    /// The batch for fjall. Adds the number of this commit to every changed table, and counts it in
    /// `numbers`.
    pub(super) fn numbered(self, instance: &Instance, identity: u64, numbers: &mut Numbers) -> OwnedWriteBatch {
        let touched = self.touched();
        let mut batch = instance.batch(self.changes.len() + 2 * touched.len());
        for (table, key, value) in self.changes {
            match value {
                Some(value) => batch.insert(instance.keyspace(table), key, value),
                None => batch.remove(instance.keyspace(table), key),
            }
        }
        for table in touched {
            let number = &mut numbers[table.code];
            *number += 1;
            batch.insert(instance.keyspace(table), key(*number), value(table.code, identity));
            batch.remove(instance.keyspace(table), key(number.saturating_sub(WINDOW)));
        }
        batch
    }
}

/// The numbers of a new database up to `last`, for the batch that creates it.
pub(super) fn first_numbers(instance: &Instance, identity: u64, last: &Numbers) -> OwnedWriteBatch {
    let mut batch = instance.batch(0);
    for table in Table::all() {
        let last = last[table.code];
        for number in last.saturating_sub(WINDOW) + 1..=last {
            batch.insert(instance.keyspace(table), key(number), value(table.code, identity));
        }
    }
    batch
}
