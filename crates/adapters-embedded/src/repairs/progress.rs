//! What a repair has found, in a file that is there from its first change to its last. A repair
//! that was stopped goes on with it, so it loses nothing from the list of losses. The repair of the
//! database and that of a log use the same file, each in its own directory.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::steps::step;
use crate::event_log::damage::Utc;
use crate::event_log::files;

/// The name of the file.
pub(crate) const PROGRESS: &str = "REPAIRING";
/// How the names of records for people begin.
pub(crate) const RECORD: &str = "REPAIRED-";
/// What a check says of the file.
pub(crate) const NOT_ENDED: &str = "a repair did not end; it has to be run again";
/// Length of the checksum at the beginning.
const SUM: usize = 8;

/// The part of a plan that differs between database and logs.
pub(crate) trait Losses: Default + Serialize + DeserializeOwned {
    /// The losses, for the record that people read. Begins after the list of damages.
    fn text(&self) -> String;
}

/// The plan of a repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress<L> {
    /// When the repair began, milliseconds UTC.
    pub(crate) began_ms: i64,
    /// The damages, as sentences.
    pub(crate) damages: Vec<String>,
    pub(crate) losses: L,
}

impl<L: Losses> Progress<L> {
    /// An empty plan.
    pub(crate) fn new(began_ms: i64) -> Self {
        Self { began_ms, damages: Vec::new(), losses: L::default() }
    }

    /// The plan of a repair that was stopped, or a new one.
    pub(crate) fn load(dir: &Path, now_ms: i64) -> Self {
        Self::stored(dir).unwrap_or_else(|| Self::new(now_ms))
    }

    /// The plan of a repair that was stopped. `None` if there is none, or if it is damaged.
    pub(crate) fn stored(dir: &Path) -> Option<Self> {
        std::fs::read(dir.join(PROGRESS)).ok().and_then(|bytes| Self::decode(&bytes))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (sum, body) = bytes.split_first_chunk::<SUM>()?;
        if u64::from_le_bytes(*sum) != xxh3_64(body) {
            return None;
        }
        postcard::from_bytes(body).ok()
    }

    pub(crate) fn save(&self, dir: &Path) -> io::Result<()> {
        step()?;
        let body = postcard::to_stdvec(self).map_err(io::Error::other)?;
        let mut bytes = xxh3_64(&body).to_le_bytes().to_vec();
        bytes.extend_from_slice(&body);
        files::create_whole(&dir.join(PROGRESS), &bytes).map(drop)
    }

    /// Adds damages that are not listed yet.
    pub(crate) fn add_damages(&mut self, damages: impl IntoIterator<Item = String>) {
        for damage in damages {
            if !self.damages.contains(&damage) {
                self.damages.push(damage);
            }
        }
    }

    /// The record for people in the directory of the plan.
    pub(crate) fn record(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{RECORD}{}.txt", Utc(self.began_ms).to_string().replace(':', "")))
    }

    /// Writes the record for people, which ends with `rest`, and removes the plan. Returns the
    /// path of the record.
    pub(crate) fn end(&self, dir: &Path, rest: &str) -> io::Result<PathBuf> {
        let path = self.record(dir);
        step()?;
        files::create_whole(&path, (self.text() + rest).as_bytes())?;
        remove(dir)?;
        Ok(path)
    }

    fn text(&self) -> String {
        let mut text = format!("Repaired at {}.\n\nDamages found:\n", Utc(self.began_ms));
        self.damages.iter().for_each(|damage| text += &format!("  {damage}\n"));
        text + &self.losses.text()
    }
}

/// Whether a repair has begun and not ended.
pub(crate) fn is_begun(dir: &Path) -> bool {
    dir.join(PROGRESS).exists()
}

/// The records for people of the repairs of a directory, the oldest first.
pub(crate) fn records(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let is_record = |name: &str| name.starts_with(RECORD);
    let mut found: Vec<PathBuf> =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(is_record)).map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// Removes the plan: the repair has ended.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    step()?;
    std::fs::remove_file(dir.join(PROGRESS))?;
    files::sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
    struct Lost(Vec<u64>);

    impl Losses for Lost {
        fn text(&self) -> String {
            format!("Lost: {:?}\n", self.0)
        }
    }

    #[test]
    fn plan_is_read_back_and_a_damaged_one_begins_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut plan: Progress<Lost> = Progress::load(dir.path(), 5);
        plan.add_damages(["a".to_owned(), "a".to_owned()]);
        assert_eq!(plan.damages.len(), 1);
        plan.losses.0.push(40);
        plan.save(dir.path()).unwrap();
        assert_eq!(Progress::load(dir.path(), 6), plan);
        std::fs::write(dir.path().join(PROGRESS), "half").unwrap();
        assert_eq!(Progress::<Lost>::load(dir.path(), 6).began_ms, 6);
        assert!(is_begun(dir.path()) && Progress::<Lost>::stored(dir.path()).is_none());
        let record = plan.end(dir.path(), "Rest.\n").unwrap();
        assert!(!is_begun(dir.path()));
        let text = std::fs::read_to_string(record).unwrap();
        assert!(text.contains("  a\n") && text.ends_with("Lost: [40]\nRest.\n"), "{text}");
    }
}
