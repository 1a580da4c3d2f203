//! The stored forms: the record `version`, and the records of accounts.

use std::collections::{BTreeMap, VecDeque};

use earcon_identity::audit::AuditEntry;
use earcon_identity::record::{Record, RecordKey};
use earcon_model::OrganisationId;
use earcon_ports::{ErrorKind, PortError};
use serde::{Deserialize, Serialize};

use super::plan::PlannedWrite;

/// The key of the record that orders all changes.
pub(super) const VERSION_KEY: &str = "version";
/// Changes whose records it names.
const RECENT: usize = 64;
/// The version of these forms. Others are refused.
const FORMAT: u32 = 1;

/// The newest change, and the names of the records of the last ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionRecord {
    pub(super) format: u32,
    pub(super) version: u64,
    /// What the newest change writes.
    pub(super) writes: Vec<Write>,
    /// Its audit lines.
    pub(super) audit: Vec<(OrganisationId, AuditEntry)>,
    pub(super) recent: VecDeque<Recent>,
}

/// A record that a change writes, or removes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Write {
    pub(super) key: String,
    pub(super) record: Option<Record>,
}

/// The records of a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recent {
    pub(super) version: u64,
    pub(super) keys: Vec<String>,
}

/// A record with the version of its last change. Without a record it marks one that was removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredRecord {
    pub(super) version: u64,
    pub(super) at_ms: i64,
    pub(super) record: Option<Record>,
}

impl Default for VersionRecord {
    fn default() -> Self {
        Self { format: FORMAT, version: 0, writes: Vec::new(), audit: Vec::new(), recent: VecDeque::new() }
    }
}

impl VersionRecord {
    /// The change after this one.
    pub(super) fn next(
        &self,
        writes: Vec<PlannedWrite>,
        touched: &[RecordKey],
        audit: BTreeMap<OrganisationId, AuditEntry>,
    ) -> Self {
        let writes: Vec<Write> = writes
            .into_iter()
            .map(|write| match write {
                PlannedWrite::Put(record) => Write { key: record.key().text(), record: Some(record) },
                PlannedWrite::Remove(key) => Write { key: key.text(), record: None },
            })
            .collect();
        let version = self.version + 1;
        let keys = writes.iter().map(|write| write.key.clone()).chain(touched.iter().map(RecordKey::text)).collect();
        let mut recent = self.recent.clone();
        recent.push_back(Recent { version, keys });
        while recent.len() > RECENT {
            recent.pop_front();
        }
        Self { version, writes, audit: audit.into_iter().collect(), recent, ..Self::default() }
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, PortError> {
        let record: Self = serde_json::from_slice(value).map_err(|error| unreadable(VERSION_KEY, &error))?;
        if record.format != FORMAT {
            let text = format!("the accounts have the format {}, this program knows {FORMAT}", record.format);
            return Err(PortError::new(ErrorKind::Corrupt, text));
        }
        Ok(record)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, PortError> {
        serde_json::to_vec(self).map_err(|error| PortError::new(ErrorKind::Invalid, error.to_string()))
    }

    /// The records that changed after `version`, without repetition. `None` if not all are known.
    pub(super) fn keys_after(&self, version: u64) -> Option<Vec<String>> {
        let newer: Vec<&Recent> = self.recent.iter().filter(|recent| recent.version > version).collect();
        if version > self.version || newer.len() as u64 != self.version - version {
            return None;
        }
        let mut keys: Vec<String> = newer.iter().flat_map(|recent| recent.keys.iter().cloned()).collect();
        keys.sort_unstable();
        keys.dedup();
        Some(keys)
    }
}

impl Write {
    pub(super) fn parsed(&self) -> Result<RecordKey, PortError> {
        let text = || format!("the accounts name a record {} that this program does not know", self.key);
        RecordKey::parse(&self.key).ok_or_else(|| PortError::new(ErrorKind::Corrupt, text()))
    }
}

impl StoredRecord {
    pub(super) fn decode(key: &str, value: &[u8]) -> Result<Self, PortError> {
        let read: Self = serde_json::from_slice(value).map_err(|error| unreadable(key, &error))?;
        // A record under another name would be found by no one, or by the wrong one.
        if read.record.as_ref().is_some_and(|record| record.key().text() != key) {
            return Err(PortError::new(ErrorKind::Corrupt, format!("the record {key} of the accounts is another one")));
        }
        Ok(read)
    }

    pub(super) fn encode(&self, key: &str) -> Result<Vec<u8>, PortError> {
        let invalid = |error| PortError::caused(ErrorKind::Invalid, format!("the record {key}"), error);
        serde_json::to_vec(self).map_err(invalid)
    }
}

fn unreadable(key: &str, error: &serde_json::Error) -> PortError {
    PortError::new(ErrorKind::Corrupt, format!("the record {key} of the accounts cannot be read: {error}"))
}
