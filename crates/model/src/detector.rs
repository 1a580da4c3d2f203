//! The live detector of a KPI and its shadow.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::Labels;

/// A detector with its settings under a name: one revision of an entry. A revision never changes;
/// other settings are a new revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectorEntry {
    /// Its name: 1 to 63 of `a-z`, `0-9`, `-` and `_`, beginning with a letter or digit.
    pub name: String,
    /// The number of the revision, from 1.
    pub revision: u32,
    /// The algorithm with its version, for example `season-reach-1`.
    pub detector: String,
    /// Options that differ from the algorithm's defaults, by name.
    pub options: BTreeMap<String, f64>,
}

impl DetectorEntry {
    /// The detector that its anomalies state: `season-reach-1/calm@3`.
    pub fn label(&self) -> String {
        format!("{}/{}@{}", self.detector, self.name, self.revision)
    }
}

impl fmt::Display for DetectorEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.revision)
    }
}

/// A reference to a detector: the configured one, or an entry.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum DetectorRef {
    /// The detector of the configuration.
    #[default]
    Configured,
    /// A copy of the whole entry, so that no lookup is needed.
    Entry(Box<DetectorEntry>),
}

/// The name of the configured detector. No entry may have it.
pub const CONFIGURED: &str = "default";

/// The rule that [`is_name`] checks, for messages.
pub const NAME_RULE: &str =
    "must be 1 to 63 of a-z, 0-9, - and _, begin with a letter or digit, and not be \"default\"";

/// Whether an entry or an experiment may have this name.
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

/// The detectors of a KPI. Both get the same samples; only the live one alerts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DetectorSlots {
    /// Its anomalies are published and may alert.
    pub live: DetectorRef,
    /// Its anomalies are only counted.
    pub shadow: Option<DetectorRef>,
}

/// The state of a detector for one series, learned from history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainedSeries {
    /// The series.
    pub labels: Labels,
    /// Timestamp of the newest learned sample, milliseconds UTC.
    pub last_timestamp_ms: i64,
    /// The state in the detector's own encoding.
    pub state: Vec<u8>,
}
