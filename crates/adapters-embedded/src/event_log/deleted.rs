//! Logs that were deleted with their workspaces. An older copy of such a log, or an older database
//! with its record, must not bring the workspace back without a word.
//!
//! The list is in the file `log/DELETED` and in the database, so an older copy of one of the two is
//! noticed. It only grows: an entry is about fifty bytes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::files;
use crate::database::{Database, WriteBatch, corrupt, unreadable};
use earcon_ports::PortError;

/// The file among the logs. No workspace has this name.
const FILE: &str = "DELETED";
const VERSION: u8 = 1;
/// Length of the checksum at the beginning of the file.
const SUM: usize = 8;
/// The keys of the records in the database. No workspace's name begins with a zero byte.
pub(crate) const KEYS: &[u8] = b"\0deleted";

/// A log that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeletedLog {
    pub(super) workspace: String,
    pub(super) log_id: u64,
    /// Commit time of its last event, milliseconds UTC; `i64::MIN` without events.
    pub(super) last_ms: i64,
}

impl DeletedLog {
    /// Adds its record to a commit of the database.
    pub(super) fn record(&self, database: &Database, batch: &mut WriteBatch) -> Result<(), PortError> {
        let value = postcard::to_stdvec(&(VERSION, self)).map_err(|_| corrupt("the record of a deleted log"))?;
        batch.insert(database.logs, [KEYS, &self.log_id.to_be_bytes()].concat(), value);
        Ok(())
    }
}

/// All logs that were deleted, by the number of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DeletedLogs(BTreeMap<u64, DeletedLog>);

impl DeletedLogs {
    /// Reads the file. One that is missing or damaged is empty: the database holds the same.
    pub(super) fn read(logs: &Path) -> io::Result<Self> {
        match std::fs::read(path(logs)) {
            Ok(bytes) => Ok(Self::decode(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
            Err(_) => Ok(Self::default()),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (sum, body) = bytes.split_first_chunk::<SUM>()?;
        if u64::from_le_bytes(*sum) != xxh3_64(body) {
            return None;
        }
        let (version, list): (u8, Vec<DeletedLog>) = postcard::from_bytes(body).ok()?;
        (version == VERSION).then(|| list.into_iter().collect())
    }

    /// Writes the file durably.
    pub(super) fn save(&self, logs: &Path) -> io::Result<()> {
        let list: Vec<&DeletedLog> = self.0.values().collect();
        let body = postcard::to_stdvec(&(VERSION, list)).map_err(io::Error::other)?;
        files::create_whole(&path(logs), &[&xxh3_64(&body).to_le_bytes()[..], &body].concat()).map(drop)
    }

    /// The list in the database.
    pub(super) fn of_database(database: &Database) -> Result<Self, PortError> {
        let mut found = Self::default();
        for entry in database.snapshot()?.prefix(database.logs, KEYS) {
            let (_, value) = entry.into_inner().map_err(unreadable)?;
            found.extend([decode_record(&value)?]);
        }
        Ok(found)
    }

    /// The list from values of the database's records.
    pub(super) fn of_records<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Self, PortError> {
        values.map(decode_record).collect()
    }

    pub(super) fn get(&self, log_id: u64) -> Option<&DeletedLog> {
        self.0.get(&log_id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &DeletedLog> {
        self.0.values()
    }
}

impl FromIterator<DeletedLog> for DeletedLogs {
    fn from_iter<I: IntoIterator<Item = DeletedLog>>(list: I) -> Self {
        Self(list.into_iter().map(|deleted| (deleted.log_id, deleted)).collect())
    }
}

impl Extend<DeletedLog> for DeletedLogs {
    fn extend<I: IntoIterator<Item = DeletedLog>>(&mut self, list: I) {
        self.0.extend(list.into_iter().map(|deleted| (deleted.log_id, deleted)));
    }
}

fn path(logs: &Path) -> PathBuf {
    logs.join(FILE)
}

fn decode_record(value: &[u8]) -> Result<DeletedLog, PortError> {
    match postcard::from_bytes::<(u8, DeletedLog)>(value) {
        Ok((VERSION, deleted)) => Ok(deleted),
        _ => Err(corrupt("the record of a deleted log")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_read_back_and_a_damaged_one_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(DeletedLogs::read(dir.path()).unwrap(), DeletedLogs::default());
        let deleted = |log_id| DeletedLog { workspace: "w".into(), log_id, last_ms: 5 };
        let list: DeletedLogs = [deleted(7), deleted(9), deleted(7)].into_iter().collect();
        list.save(dir.path()).unwrap();
        assert_eq!(DeletedLogs::read(dir.path()).unwrap(), list);
        let mut bytes = std::fs::read(path(dir.path())).unwrap();
        bytes[SUM + 3] ^= 1;
        std::fs::write(path(dir.path()), bytes).unwrap();
        assert_eq!(DeletedLogs::read(dir.path()).unwrap(), DeletedLogs::default());
    }
}
