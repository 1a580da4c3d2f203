//! What a repair has found, in a file that is there from its first change to its last. A repair
//! that was stopped goes on with it, so it loses nothing from the list of losses.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::super::damage::{Missing, Utc};
use super::super::files;
use super::steps::step;
use earcon_model::Seq;

/// The name of the file in the directory of a log.
pub(in super::super) const PROGRESS: &str = "REPAIRING";
/// Length of the checksum at the beginning.
const SUM: usize = 8;

/// The plan of a repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// When the repair began, milliseconds UTC.
    pub(super) began_ms: i64,
    /// The damages, as sentences.
    pub(super) damages: Vec<String>,
    /// The events that are lost.
    pub(super) missing: Vec<Missing>,
    /// The sequence number that the log goes on with, once it is known.
    pub(super) next: Option<Seq>,
}

impl Progress {
    /// The plan of a repair that was stopped, or a new one.
    pub(super) fn load(dir: &Path, now_ms: i64) -> Self {
        let new = Self { began_ms: now_ms, damages: Vec::new(), missing: Vec::new(), next: None };
        std::fs::read(dir.join(PROGRESS)).ok().and_then(|bytes| Self::decode(&bytes)).unwrap_or(new)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (sum, body) = bytes.split_first_chunk::<SUM>()?;
        if u64::from_le_bytes(*sum) != xxh3_64(body) {
            return None;
        }
        postcard::from_bytes(body).ok()
    }

    pub(super) fn save(&self, dir: &Path) -> io::Result<()> {
        step()?;
        let body = postcard::to_stdvec(self).map_err(io::Error::other)?;
        let mut bytes = xxh3_64(&body).to_le_bytes().to_vec();
        bytes.extend_from_slice(&body);
        files::create_whole(&dir.join(PROGRESS), &bytes).map(drop)
    }

    pub(super) fn remove(dir: &Path) -> io::Result<()> {
        step()?;
        std::fs::remove_file(dir.join(PROGRESS))?;
        files::sync_dir(dir)
    }

    /// Adds damages that are not listed yet.
    pub(super) fn add_damages(&mut self, damages: impl IntoIterator<Item = String>) {
        for damage in damages {
            if !self.damages.contains(&damage) {
                self.damages.push(damage);
            }
        }
    }

    /// Adds losses that are not part of a listed one.
    pub(super) fn add_missing(&mut self, missing: impl IntoIterator<Item = Missing>) {
        for new in missing {
            let covers = |old: &Missing| old.first <= new.first && old.last >= new.last && old.is_open >= new.is_open;
            if !self.missing.iter().any(covers) {
                self.missing.push(new);
            }
        }
        self.missing.sort_by_key(|missing| missing.first);
    }

    /// The record for people, without the place of the original files.
    pub(super) fn text(&self) -> String {
        let mut text = format!("Repaired at {}.\n\nDamages found:\n", Utc(self.began_ms));
        self.damages.iter().for_each(|damage| text += &format!("  {damage}\n"));
        text += "\nEvents that are lost:\n";
        self.missing.iter().for_each(|missing| text += &format!("  {missing}\n"));
        if self.missing.is_empty() {
            text += "  none\n";
        }
        if let Some(next) = self.next {
            text += &format!("\nThe log goes on with sequence number {next}.\n");
        }
        text
    }

    /// The path of the record for people.
    pub(super) fn record_path(&self, dir: &Path) -> PathBuf {
        dir.join(format!("REPAIRED-{}.txt", Utc(self.began_ms).to_string().replace(':', "")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_is_read_back_and_a_damaged_one_begins_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut plan = Progress::load(dir.path(), 5);
        let missing = |first, last| Missing { first, last, is_open: last.is_none(), after_ms: None, before_ms: None };
        plan.add_missing([missing(9, None), missing(3, Some(5)), missing(4, Some(5)), missing(9, None)]);
        plan.add_damages(["a".to_owned(), "a".to_owned()]);
        assert_eq!((plan.missing.len(), plan.damages.len()), (2, 1));
        plan.next = Some(40);
        plan.save(dir.path()).unwrap();
        assert_eq!(Progress::load(dir.path(), 6), plan);
        std::fs::write(dir.path().join(PROGRESS), "half").unwrap();
        assert_eq!(Progress::load(dir.path(), 6).began_ms, 6);
    }
}
