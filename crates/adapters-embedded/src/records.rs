//! Records by key in spaces, changed by compare-and-set. Settings of a workspace are one space, and
//! the accounts are another. A deleted record leaves a tombstone with its revision, so that
//! revisions never repeat.
//!
//! Key: name of the space, zero, key. Value: `version u8 | revision u64 | live u8 | value`.

use std::sync::{Mutex, PoisonError};

use super::database::{Database, Durability, WriteBatch, corrupt, unreadable};
use earcon_ports::{ErrorKind, MetaRecord, PortError, Revision};
use std::sync::Arc;

const VERSION: u8 = 1;
/// Longest key accepted, bytes.
const MAX_KEY: usize = 1_024;
/// The first byte of spaces that are no workspace. No name of a workspace starts with it.
pub(super) const RESERVED: u8 = b'~';

/// The records of all spaces.
pub(super) struct Records {
    pub(super) database: Arc<Database>,
    /// Held from the comparison to the commit, for all spaces: records change rarely.
    pub(super) writing: Mutex<()>,
}

/// The beginning of all keys of a space that is no workspace.
pub(super) fn reserved(name: &str) -> Vec<u8> {
    let mut space = vec![RESERVED];
    space.extend_from_slice(name.as_bytes());
    space.push(0);
    space
}

impl Records {
    pub(super) fn new(database: Arc<Database>) -> Arc<Self> {
        Arc::new(Self { database, writing: Mutex::new(()) })
    }

    /// The record under `key` in `space`.
    pub(super) fn get(&self, space: &[u8], key: &str) -> Result<Option<MetaRecord>, PortError> {
        let (revision, value) = self.current(&full_key(space, key)?)?;
        Ok(value.map(|value| MetaRecord { key: key.to_owned(), revision, value }))
    }

    /// At most `limit` records of `space` whose key starts with `prefix` and is above `after`.
    pub(super) fn list(
        &self,
        space: &[u8],
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MetaRecord>, PortError> {
        let wanted = [space, prefix.as_bytes()].concat();
        let start = match after {
            Some(after) => wanted.clone().max([space, after.as_bytes(), &[0]].concat()),
            None => wanted.clone(),
        };
        let mut records = Vec::new();
        let mut entries = self.database.snapshot()?.range(self.database.meta, start..);
        while records.len() < limit
            && let Some(entry) = entries.next()
        {
            let (key, stored) = entry.into_inner().map_err(unreadable)?;
            if !key.starts_with(&wanted) {
                break;
            }
            let (revision, Some(value)) = decode(&stored)? else { continue };
            let key = std::str::from_utf8(&key[space.len()..]).map_err(|_| corrupt("the key of a record"))?.to_owned();
            records.push(MetaRecord { key, revision, value });
        }
        Ok(records)
    }

    /// Writes a record if its revision is `expected`. Returns the new revision.
    pub(super) fn put(
        &self,
        space: &[u8],
        key: &str,
        expected: Revision,
        value: Vec<u8>,
    ) -> Result<Revision, PortError> {
        self.change(full_key(space, key)?, expected, Some(value))
    }

    /// Removes a record if its revision is `expected`.
    pub(super) fn delete(&self, space: &[u8], key: &str, expected: Revision) -> Result<(), PortError> {
        let key = full_key(space, key)?;
        if expected == 0 {
            return Err(PortError::new(ErrorKind::Invalid, "a record that does not exist cannot be deleted"));
        }
        self.change(key, expected, None).map(|_| ())
    }

    /// Revision and value under a full key. A tombstone has a revision but no value.
    fn current(&self, key: &[u8]) -> Result<(Revision, Option<Vec<u8>>), PortError> {
        match self.database.snapshot()?.get(self.database.meta, key).map_err(unreadable)? {
            Some(stored) => decode(&stored),
            None => Ok((0, None)),
        }
    }

    fn change(&self, key: Vec<u8>, expected: Revision, value: Option<Vec<u8>>) -> Result<Revision, PortError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (stored, live) = self.current(&key)?;
        let visible = if live.is_some() { stored } else { 0 };
        if visible != expected {
            let text = format!("the record is at revision {visible}, not at {expected}");
            return Err(PortError::new(ErrorKind::Conflict, text));
        }
        let revision = stored + 1;
        let mut batch = WriteBatch::default();
        batch.insert(self.database.meta, key, encode(revision, value.as_deref()));
        self.database.commit(batch, Durability::Synced)?;
        Ok(revision)
    }
}

/// The whole key of a record.
pub(super) fn full_key(space: &[u8], key: &str) -> Result<Vec<u8>, PortError> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(PortError::new(ErrorKind::Invalid, format!("a key has 1 to {MAX_KEY} bytes, not {}", key.len())));
    }
    Ok([space, key.as_bytes()].concat())
}

pub(super) fn encode(revision: Revision, value: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&revision.to_le_bytes());
    bytes.push(u8::from(value.is_some()));
    bytes.extend_from_slice(value.unwrap_or_default());
    bytes
}

pub(super) fn decode(stored: &[u8]) -> Result<(Revision, Option<Vec<u8>>), PortError> {
    let (Some((&VERSION, rest)), true) = (stored.split_first(), stored.len() >= 10) else {
        return Err(corrupt("a record"));
    };
    let (revision, rest) = rest.split_first_chunk().ok_or_else(|| corrupt("a record"))?;
    let live = rest[0] == 1;
    Ok((Revision::from_le_bytes(*revision), live.then(|| rest[1..].to_vec())))
}
