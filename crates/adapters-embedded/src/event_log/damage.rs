//! What can be wrong with a log, in sentences.

use std::fmt;
use std::path::PathBuf;

use earcon_model::{Seq, rfc3339};
use serde::{Deserialize, Serialize};

/// Consecutive sequence numbers whose events are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The first of them.
    pub first: Seq,
    /// The last of them that is known. `None` if not even the first is certain.
    pub last: Option<Seq>,
    /// Whether later ones may be lost too. How many is unknown.
    pub is_open: bool,
    /// Whether retention may have removed them instead. Then it is unknown whether they are lost.
    pub or_removed: bool,
    /// Commit time of the last event before, milliseconds UTC. `None` if it is unknown.
    pub after_ms: Option<i64>,
    /// Commit time of the first event behind, milliseconds UTC. `None` if it is unknown.
    pub before_ms: Option<i64>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.last, self.is_open) {
            (None, _) => write!(f, "sequence numbers {} to unknown", self.first)?,
            (Some(last), true) => write!(f, "sequence numbers {} to unknown, at least to {last}", self.first)?,
            (Some(last), false) if last == self.first => write!(f, "sequence number {last}")?,
            (Some(last), false) => write!(f, "sequence numbers {} to {last}", self.first)?,
        }
        match (self.after_ms, self.before_ms) {
            (Some(from), Some(to)) => write!(f, " ({} to {})", Utc(from), Utc(to))?,
            (Some(from), None) => write!(f, " (after {})", Utc(from))?,
            (None, Some(to)) => write!(f, " (before {})", Utc(to))?,
            (None, None) => {}
        }
        f.write_str(if self.or_removed { ", or retention removed them" } else { "" })
    }
}

/// One damage of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file or directory.
    pub path: PathBuf,
    /// Where in the file, bytes. `None` if all of it is meant.
    pub offset: Option<u64>,
    /// A description of the damage.
    pub what: String,
    /// The events that are lost with it.
    pub missing: Option<Missing>,
    /// Whole frames behind the damage in the same file.
    pub frames_behind: u64,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(offset) = self.offset {
            write!(f, ", offset {offset}")?;
        }
        write!(f, ": {}", self.what)?;
        if let Some(missing) = &self.missing {
            write!(f, ", missing: {missing}")?;
        }
        match self.frames_behind {
            0 => Ok(()),
            1 => f.write_str(", 1 valid frame behind it"),
            count => write!(f, ", {count} valid frames behind it"),
        }
    }
}

/// A time in milliseconds UTC, as ISO 8601 with seconds.
pub(crate) struct Utc(pub(crate) i64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rfc3339(self.0.div_euclid(1_000).saturating_mul(1_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_one_sentence_with_place_and_loss() {
        let after_ms = Some(1_767_225_600_000);
        let missing =
            Missing { first: 4_711, last: Some(5_020), is_open: false, or_removed: false, after_ms, before_ms: None };
        let damage = Damage {
            path: "/d/log/w/00000000000000000001.seg".into(),
            offset: Some(4_096),
            what: "512 bytes are no valid frames".into(),
            missing: Some(missing),
            frames_behind: 12,
        };
        assert_eq!(
            damage.to_string(),
            "/d/log/w/00000000000000000001.seg, offset 4096: 512 bytes are no valid frames, missing: sequence \
             numbers 4711 to 5020 (after 2026-01-01T00:00:00Z), 12 valid frames behind it"
        );
    }

    #[test]
    fn loss_of_unknown_extent_says_so() {
        let mut missing =
            Missing { first: 7, last: None, is_open: true, or_removed: false, after_ms: None, before_ms: None };
        assert_eq!(missing.to_string(), "sequence numbers 7 to unknown");
        missing.last = Some(9);
        assert_eq!(missing.to_string(), "sequence numbers 7 to unknown, at least to 9");
    }

    #[test]
    fn times_are_dates() {
        assert_eq!(Utc(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Utc(951_782_400_000).to_string(), "2000-02-29T00:00:00Z");
        assert_eq!(Utc(1_795_982_406_431).to_string(), "2026-11-29T20:00:06Z");
    }
}
