//! Keys and small records of the series store.
//!
//! Keys sort like their parts: numbers are big endian with the sign bit flipped.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::database::{corrupt, prefix};
use earcon_model::{AnomalyId, KpiName, Labels, Seq, SeriesId, WorkspaceId};
use earcon_ports::{ErrorKind, PortError};

const VERSION: u8 = 1;

/// workspace → progress and size of its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Head {
    /// The last event whose effects are durable.
    pub(super) cursor: Seq,
    /// Bytes of all blocks, rollups and anomalies, without the overhead and savings of the
    /// database.
    pub(super) bytes: u64,
}

/// workspace, series → KPI and labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeriesRecord {
    pub(super) kpi: KpiName,
    pub(super) labels: Labels,
}

/// Properties of a sealed block that are read without decoding it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct IndexEntry {
    /// Timestamp of the last row. The key has that of the first.
    pub(super) last_ms: i64,
    /// Bytes of the block, its index entry and its rollups.
    pub(super) bytes: u64,
    /// Whether minute buckets are stored. They are left out if they save little.
    pub(super) has_minutes: bool,
    /// Encoded hour buckets, unless they save little.
    pub(super) hours: Option<Vec<u8>>,
}

/// A version byte and the record.
pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, PortError> {
    postcard::to_extend(record, vec![VERSION])
        .map_err(|error| PortError::caused(ErrorKind::Invalid, "a record of the history cannot be encoded", error))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PortError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| corrupt("a record of the history")),
        _ => Err(corrupt("a record of the history")),
    }
}

/// Keys of one workspace.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: Vec<u8>,
}

impl Keys {
    pub(super) fn new(workspace: &WorkspaceId) -> Self {
        Self { prefix: prefix(workspace) }
    }

    pub(super) fn all(&self) -> &[u8] {
        &self.prefix
    }

    pub(super) fn series(&self, series: SeriesId) -> Vec<u8> {
        self.with(&[&series.to_bytes()])
    }

    pub(super) fn block(&self, series: SeriesId, first_ms: i64) -> Vec<u8> {
        self.with(&[&series.to_bytes(), &ascending(first_ms)])
    }

    /// Latest opened first, ties in order of identifier.
    pub(super) fn anomaly(&self, opened_at_ms: i64, id: AnomalyId) -> Vec<u8> {
        self.with(&[&ascending(!opened_at_ms), id.0.as_bytes()])
    }

    /// Not after the key of any anomaly opened at `opened_at_ms`, and after those of all opened
    /// later.
    pub(super) fn anomalies_from(&self, opened_at_ms: i64) -> Vec<u8> {
        self.with(&[&ascending(!opened_at_ms)])
    }

    pub(super) fn anomaly_time(&self, id: AnomalyId) -> Vec<u8> {
        self.with(&[id.0.as_bytes()])
    }

    fn with(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + 24);
        key.extend_from_slice(&self.prefix);
        parts.iter().for_each(|part| key.extend_from_slice(part));
        key
    }
}

/// Eight bytes that sort like the numbers.
fn ascending(number: i64) -> [u8; 8] {
    (number ^ i64::MIN).to_be_bytes()
}

/// The first timestamp from the key of a block.
pub(super) fn first_of(key: &[u8]) -> Result<i64, PortError> {
    key.last_chunk().map(|bytes| i64::from_be_bytes(*bytes) ^ i64::MIN).ok_or_else(|| corrupt("the key of a block"))
}

/// The series from the key of a block.
pub(super) fn series_of(key: &[u8]) -> Result<SeriesId, PortError> {
    let end = key.len().checked_sub(8);
    let bytes = end.and_then(|end| key[..end].last_chunk()).ok_or_else(|| corrupt("the key of a block"))?;
    Ok(SeriesId(u128::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_like_times_and_decode_to_their_parts() {
        let keys = Keys::new(&WorkspaceId::new("w").unwrap());
        let times = [i64::MIN, -5, 0, 7, i64::MAX];
        let blocks = times.map(|time| keys.block(SeriesId(9), time));
        assert!(blocks.is_sorted());
        assert_eq!(blocks.each_ref().map(|key| first_of(key).unwrap()), times);
        assert_eq!(series_of(&blocks[0]).unwrap(), SeriesId(9));
        let anomalies = times.map(|time| keys.anomaly(time, AnomalyId(uuid::Uuid::nil())));
        assert!(anomalies.iter().rev().is_sorted());
    }
}
