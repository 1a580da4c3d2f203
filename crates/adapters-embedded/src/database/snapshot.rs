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
            ErrorKind::Corrupt => write!(f, ": {}; `earcon doctor` names the damaged file", defect(&self.error)),
            _ => Ok(()),
        }
    }
}

/// Converts a failed read into an error of the port, for `map_err`.
pub(crate) fn unreadable(error: ReadError) -> PortError {
    match kind(&error.error) {
        // The sentence says all that helps. The store's own error is a line of code.
        ErrorKind::Corrupt => PortError::new(ErrorKind::Corrupt, error.to_string()),
        kind => PortError::caused(kind, error.to_string(), error.error),
    }
}

/// An error of the store in words.
pub(super) fn described(error: &fjall::Error) -> String {
    match (kind(error), error) {
        (ErrorKind::Corrupt, _) => defect(error).to_owned(),
        (_, fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))) => error.to_string(),
        (_, fjall::Error::Poisoned) => "a write to it has failed".to_owned(),
        _ => "it is locked".to_owned(),
    }
}

/// The defect of the files behind a table, in words.
fn defect(error: &fjall::Error) -> &'static str {
    use fjall::LsmError;
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(LsmError::Io(error)) => match error.kind() {
            io::ErrorKind::NotFound => "a file is missing",
            io::ErrorKind::UnexpectedEof => "a file ends too early",
            _ => "a file has other bytes than were written",
        },
        fjall::Error::Storage(LsmError::ChecksumMismatch { .. }) => "the checksum of a block is wrong",
        _ => "a block is not valid",
    }
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
