//! Reads at one moment, whose errors name the table.

use std::fmt;
use std::io;
use std::ops::RangeBounds;
use std::sync::Arc;

use fjall::{Guard, KvPair, Readable, UserKey, UserValue};

use super::commit_numbers::AFTER_NUMBERS;
use super::instance::Instance;
use super::table::{Table, folder, words};
use earcon_ports::{ErrorKind, PortError};

/// A view of everything committed so far, without later commits.
pub(crate) struct Snapshot {
    view: fjall::Snapshot,
    /// Kept open; dropped last.
    instance: Arc<Instance>,
}

/// A failed read.
#[derive(Debug)]
pub(crate) struct ReadError {
    table: usize,
    error: fjall::Error,
}

impl Snapshot {
    pub(super) fn new(instance: Arc<Instance>, view: fjall::Snapshot) -> Self {
        Self { view, instance }
    }

    pub(crate) fn get(&self, table: Table, key: impl AsRef<[u8]>) -> Result<Option<UserValue>, ReadError> {
        self.view.get(self.instance.keyspace(table), key).map_err(|error| ReadError { table: table.code(), error })
    }

    pub(crate) fn size_of(&self, table: Table, key: impl AsRef<[u8]>) -> Result<Option<u32>, ReadError> {
        self.view.size_of(self.instance.keyspace(table), key).map_err(|error| ReadError { table: table.code(), error })
    }

    /// The records of the whole table, without the numbers of its commits.
    pub(crate) fn iter(&self, table: Table) -> Entries {
        self.range(table, AFTER_NUMBERS..)
    }

    pub(crate) fn range<K: AsRef<[u8]>>(&self, table: Table, range: impl RangeBounds<K>) -> Entries {
        self.entries(table, self.view.range(self.instance.keyspace(table), range))
    }

    pub(crate) fn prefix(&self, table: Table, prefix: impl AsRef<[u8]>) -> Entries {
        self.entries(table, self.view.prefix(self.instance.keyspace(table), prefix))
    }

    fn entries(&self, table: Table, iter: fjall::Iter) -> Entries {
        Entries { table: table.code(), iter, _instance: self.instance.clone() }
    }
}

/// Records in the order of their keys.
pub(crate) struct Entries {
    table: usize,
    iter: fjall::Iter,
    /// Kept open; dropped last.
    _instance: Arc<Instance>,
}

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let guard = self.iter.next()?;
        Some(Entry { table: self.table, guard })
    }
}

impl DoubleEndedIterator for Entries {
    fn next_back(&mut self) -> Option<Entry> {
        let guard = self.iter.next_back()?;
        Some(Entry { table: self.table, guard })
    }
}

/// A record that is read when it is asked for.
pub(crate) struct Entry {
    table: usize,
    guard: Guard,
}

impl Entry {
    pub(crate) fn into_inner(self) -> Result<KvPair, ReadError> {
        self.guard.into_inner().map_err(|error| ReadError { table: self.table, error })
    }

    pub(crate) fn key(self) -> Result<UserKey, ReadError> {
        self.guard.key().map_err(|error| ReadError { table: self.table, error })
    }

    pub(crate) fn value(self) -> Result<UserValue, ReadError> {
        self.guard.value().map_err(|error| ReadError { table: self.table, error })
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, folder) = (words(self.table), folder(self.table));
        write!(f, "reading the {words} failed, in db/keyspaces/{folder} of the data directory")?;
        match kind(&self.error) {
            ErrorKind::Corrupt => write!(f, "; `earcon doctor` names the damaged file"),
            _ => Ok(()),
        }
    }
}

/// Converts a failed read into an error of the port, for `map_err`.
pub(crate) fn unreadable(error: ReadError) -> PortError {
    PortError::caused(kind(&error.error), error.to_string(), error.error)
}

/// Whether the data are damaged, or the disk or the store does not answer.
pub(super) fn kind(error: &fjall::Error) -> ErrorKind {
    match error {
        fjall::Error::Poisoned | fjall::Error::Locked => ErrorKind::Unavailable,
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => match error.kind() {
            // A file ends before the record, is missing, or has other bytes.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound | io::ErrorKind::InvalidData => ErrorKind::Corrupt,
            _ => ErrorKind::Unavailable,
        },
        _ => ErrorKind::Corrupt,
    }
}
