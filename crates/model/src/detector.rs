//! Which detector scores a KPI, and which one is tried out beside it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::Labels;

/// A detector with its settings under a name: one revision of an entry. It never changes; another choice is another revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectorEntry {
    /// What people call it: 1 to 63 of `a-z`, `0-9`, `-` and `_`, beginning with a letter or digit.
    pub name: String,
    /// Counts from 1.
    pub revision: u32,
    /// The algorithm with its version, for example `tail-rank-1`.
    pub detector: String,
    /// What differs from what is usual with that algorithm, by name of the option.
    pub options: BTreeMap<String, f64>,
}

impl DetectorEntry {
    /// What an anomaly found by it names as its detector: `tail-rank-1/calm@3`.
    pub fn label(&self) -> String {
        format!("{}/{}@{}", self.detector, self.name, self.revision)
    }
}

impl fmt::Display for DetectorEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.revision)
    }
}

/// What scores: the detector of the configuration, or an entry.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum DetectorRef {
    /// As configured.
    #[default]
    Configured,
    /// An entry, whole: whoever reads it needs nothing else.
    Entry(Box<DetectorEntry>),
}

/// The name of what is configured, among the names of entries.
pub const CONFIGURED: &str = "default";

/// What [`is_name`] asks of a name.
pub const NAME_RULE: &str =
    "must be 1 to 63 of a-z, 0-9, - and _, begin with a letter or digit, and not be \"default\"";

/// Whether an entry or an experiment may be called this.
pub fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    begins && name.len() <= 63 && name.chars().all(legal) && name != CONFIGURED
}

impl fmt::Display for DetectorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DetectorRef::Configured => f.write_str(CONFIGURED),
            DetectorRef::Entry(entry) => entry.fmt(f),
        }
    }
}

/// What scores a KPI, and what is fed the same samples beside it without anybody being told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DetectorSlots {
    /// Whose anomalies are told.
    pub live: DetectorRef,
    /// Whose anomalies are only counted.
    pub shadow: Option<DetectorRef>,
}

/// What a detector has learned of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainedSeries {
    /// The series.
    pub labels: Labels,
    /// Timestamp of the newest sample it has learned from, milliseconds UTC.
    pub last_timestamp_ms: i64,
    /// The detector's own bytes.
    pub state: Vec<u8>,
}
