//! The chain: heads, the next record, and the check.

use std::fmt;

use earcon_model::OrganisationId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::{AuditEntry, AuditRecord, FORMAT, NotARecord};

/// The SHA-256 of a line. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of a line.
    pub fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).into())
    }

    /// Reads 64 hexadecimal digits in small letters.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| b"0123456789abcdef".iter().position(|known| *known == byte).map(|at| at as u8);
        if text.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a hash has 64 hexadecimal digits"))
    }
}

/// The end of a chain. Keep one elsewhere, and a cut tail shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The number of the last record; 0 for an empty chain.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// The newest version of the accounts that a record names; 0 without one. A writer that repeats
    /// itself finds out that its record is there.
    pub changes: u64,
}

impl Head {
    /// The head at a line that was read.
    ///
    /// # Errors
    /// [`NotARecord`].
    pub fn at(line: &str) -> Result<Self, NotARecord> {
        let record = AuditRecord::read(line)?;
        Ok(Self { seq: record.seq, hash: Hash::of(line.as_bytes()), changes: record.changes })
    }

    /// The head of the empty chain of an organisation. It differs between organisations, so that
    /// two chains cannot be exchanged.
    pub fn empty(organisation: &OrganisationId) -> Self {
        Self { seq: 0, hash: Hash::of(format!("earcon audit {organisation}").as_bytes()), changes: 0 }
    }

    /// The next record and the head after it. Texts of the entry are bounded.
    pub fn next(&self, organisation: &OrganisationId, entry: AuditEntry) -> (AuditRecord, Self) {
        let (organisation, entry) = (organisation.clone(), entry.bounded());
        let changes = self.changes.max(entry.change.unwrap_or(0));
        let record =
            AuditRecord { format: FORMAT, organisation, seq: self.seq + 1, previous: self.hash, changes, entry };
        let head = Self { seq: record.seq, hash: Hash::of(record.line().as_bytes()), changes };
        (record, head)
    }
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit log of {organisation} is broken at record {seq}: {what}")]
pub struct Broken {
    /// The organisation.
    pub organisation: OrganisationId,
    /// The first record that does not follow from the one before it. Those before it are whole.
    pub seq: u64,
    /// What is wrong there.
    pub what: What,
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// The line cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// It belongs to another organisation.
    #[error("it belongs to {0}")]
    Foreign(OrganisationId),
    /// It has another number: records before it are missing, or it is one too many.
    #[error("it has the number {0}")]
    Number(u64),
    /// The record before it was changed, or it was.
    #[error("it does not follow the record before it, or that one was changed")]
    Previous,
    /// The log ends before the head that was kept elsewhere.
    #[error("the log ends before it")]
    Missing,
    /// The last record is another one than the head that was kept elsewhere says.
    #[error("it is another record than the one that was anchored")]
    OtherHead,
}

/// Checks lines that follow `start`, in order. `anchors` are heads that were kept elsewhere, in
/// order; those before `start` say nothing.
///
/// A change of one record shows at the record after it, or at an anchor, because the hash of a line
/// is in the next one.
///
/// # Errors
/// [`Broken`] with the first record that is wrong.
pub fn verify<'a>(
    organisation: &OrganisationId,
    start: Head,
    lines: impl IntoIterator<Item = &'a str>,
    anchors: &[Head],
) -> Result<Head, Broken> {
    let broken = |seq, what| Err(Broken { organisation: organisation.clone(), seq, what });
    let mut head = start;
    let mut anchors = anchors.iter().filter(|anchor| anchor.seq >= start.seq).peekable();
    let mut anchored = |head: &Head| loop {
        match anchors.peek() {
            Some(anchor) if anchor.seq == head.seq && anchor.hash != head.hash => return Some(What::OtherHead),
            Some(anchor) if anchor.seq <= head.seq => anchors.next(),
            _ => return None,
        };
    };
    if let Some(what) = anchored(&head) {
        return broken(head.seq, what);
    }
    for line in lines {
        let seq = head.seq + 1;
        let record = match AuditRecord::read(line) {
            Ok(record) => record,
            Err(error) => return broken(seq, What::Unreadable(error.to_string())),
        };
        if record.organisation != *organisation {
            return broken(seq, What::Foreign(record.organisation));
        }
        if record.seq != seq {
            return broken(seq, What::Number(record.seq));
        }
        if record.previous != head.hash {
            return broken(seq, What::Previous);
        }
        head = Head { seq, hash: Hash::of(line.as_bytes()), changes: record.changes };
        if let Some(what) = anchored(&head) {
            return broken(seq, what);
        }
    }
    match anchors.peek() {
        Some(_) => broken(head.seq + 1, What::Missing),
        None => Ok(head),
    }
}
