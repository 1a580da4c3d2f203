//! The marks of a log: how far it went, kept outside the segments, in two files with the same
//! content. `MARK` lies next to the segments, and `ends/WORKSPACE` in the data directory. So an
//! older copy of the log's directory, with its own mark, ends before the other mark says.
//!
//! It also holds the last synced commits of the database, so that an older database is noticed.
//! A log that ends before its mark has lost its end. The mark is written after each durable append
//! but not synced, so it costs no disk access. It survives the end of the process. After a power
//! cut it may be an older one; it is never ahead of the log. The file has two slots that are
//! written in turn, so a torn write leaves the other one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::files::{self, Source, write_all_at};
use crate::database::LastCommits;
use earcon_model::Seq;

/// Name of the mark's file.
pub(super) const MARK: &str = "MARK";
/// The directory of the second marks, next to that of the logs.
pub(crate) const ENDS: &str = "ends";
const MAGIC: [u8; 8] = *b"EarconMk";
const VERSION: u32 = 1;
const FIXED: usize = 24;
/// Distance of the slots: a page, so that both are never lost with one page.
const SLOT: usize = 4_096;

/// The state of a log at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Rises with every write of the mark.
    pub(super) counter: u64,
    pub(super) log_id: u64,
    /// The oldest segment. Files of older ones are leftovers of a trim.
    pub(super) first_segment: u64,
    pub(super) first: Seq,
    /// The segment that was written last, and its durable length.
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) next: Seq,
    /// Commit time of the last event, milliseconds UTC.
    pub(super) time_ms: i64,
    pub(super) epoch: String,
    /// The database holds these commits at least.
    pub(super) database: Option<LastCommits>,
}

impl Mark {
    fn encode(&self) -> io::Result<Vec<u8>> {
        let body = postcard::to_stdvec(self).map_err(io::Error::other)?;
        let mut out = Vec::with_capacity(FIXED + body.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.extend_from_slice(&xxh3_64(&body).to_le_bytes());
        out.extend_from_slice(&body);
        if out.len() > SLOT { Err(io::Error::other("the mark is too long")) } else { Ok(out) }
    }

    fn decode(slot: &[u8]) -> Option<Self> {
        let fixed = slot.get(..FIXED)?;
        let length = u32::from_le_bytes(*fixed[12..].first_chunk()?) as usize;
        let sum = u64::from_le_bytes(*fixed[16..].first_chunk()?);
        let body = slot.get(FIXED..FIXED.checked_add(length)?)?;
        if fixed[..8] != MAGIC || fixed[8..12] != VERSION.to_le_bytes() || xxh3_64(body) != sum {
            return None;
        }
        postcard::from_bytes(body).ok()
    }

    /// The newer of the valid slots.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let slots = [bytes.get(..SLOT.min(bytes.len())), bytes.get(SLOT..)];
        slots.into_iter().flatten().filter_map(Self::decode).max_by_key(|mark| mark.counter)
    }

    /// Writes a file with this mark in both slots.
    pub(super) fn create(&self, path: &Path) -> io::Result<MarkFile> {
        let slot = self.encode()?;
        let mut bytes = vec![0; 2 * SLOT];
        bytes[..slot.len()].copy_from_slice(&slot);
        bytes[SLOT..SLOT + slot.len()].copy_from_slice(&slot);
        let file = files::create_whole(path, &bytes)?;
        Ok(MarkFile { file, path: path.to_owned(), written: Some(self.clone()), counter: self.counter })
    }
}

/// The path of the mark next to the segments.
pub(super) fn mark_path(dir: &Path) -> PathBuf {
    dir.join(MARK)
}

/// The path of the second mark of the log in `dir`.
pub(super) fn end_path(dir: &Path) -> PathBuf {
    let data = dir.parent().and_then(Path::parent).unwrap_or(dir);
    data.join(ENDS).join(dir.file_name().unwrap_or_default())
}

/// The next event of a log, by its second mark alone. 0 if that says nothing of the log.
pub(super) fn marked_end(dir: &Path, log_id: u64) -> Seq {
    let mark = StoredMark::load(&end_path(dir)).ok();
    mark.as_ref().and_then(StoredMark::valid).filter(|mark| mark.log_id == log_id).map_or(0, |mark| mark.next)
}

/// What the marks of all logs in a directory say of the database.
pub(crate) fn database_commits(logs: &Path) -> io::Result<Vec<LastCommits>> {
    commits_of(logs, mark_path)
}

/// What the second marks of all logs say of the database. `logs` is the directory of all logs.
pub(crate) fn database_commits_beside(logs: &Path) -> io::Result<Vec<LastCommits>> {
    let ends = end_path(&logs.join("any"));
    commits_of(ends.parent().unwrap_or(logs), Path::to_owned)
}

fn commits_of(folder: &Path, mark: impl Fn(&Path) -> PathBuf) -> io::Result<Vec<LastCommits>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if files::is_absent(&error) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        // A mark that cannot be read is found by the check of its log.
        if let Ok(StoredMark::Valid(mark)) = StoredMark::load(&mark(&entry?.path())) {
            found.extend(mark.database);
        }
    }
    Ok(found)
}

/// What the file of a mark holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoredMark {
    Valid(Mark),
    /// Neither slot is valid.
    Invalid,
    /// The file cannot be read, with the reason.
    Unreadable(String),
    Missing,
}

impl StoredMark {
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Mark::read(&bytes).map_or(Self::Invalid, Self::Valid)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Missing),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
            Err(error) => Ok(Self::Unreadable(error.to_string())),
        }
    }

    pub(super) fn valid(&self) -> Option<&Mark> {
        match self {
            Self::Valid(mark) => Some(mark),
            Self::Invalid | Self::Missing | Self::Unreadable(_) => None,
        }
    }
}

/// The open file of a mark.
#[derive(Debug)]
pub(super) struct MarkFile {
    file: File,
    path: PathBuf,
    /// The newest mark in the file. `None` after a failed write.
    written: Option<Mark>,
    counter: u64,
}

impl MarkFile {
    pub(super) fn open(path: &Path, mark: &Mark) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        if file.size()? < 2 * SLOT as u64 {
            return mark.create(path);
        }
        Ok(Self { file, path: path.to_owned(), written: Some(mark.clone()), counter: mark.counter })
    }

    /// Overwrites the older slot, without a sync.
    pub(super) fn write(&mut self, mut mark: Mark) -> io::Result<()> {
        mark.counter = self.counter + 1;
        let bytes = mark.encode()?;
        self.written = None;
        write_all_at(&self.file, &bytes, (mark.counter % 2) * SLOT as u64)?;
        self.counter = mark.counter;
        self.written = Some(mark);
        Ok(())
    }

    /// Writes the file again, durably, with a mark that is newer than those in it.
    fn again(&self, mark: Mark) -> io::Result<Self> {
        Mark { counter: self.counter + 1, ..mark }.create(&self.path)
    }

    /// The fault of the file, as a sentence for people.
    pub(super) fn problem(&self) -> Option<String> {
        let written = self.written.as_ref()?;
        let path = self.path.display();
        match files::is_gone(&self.file, &self.path) {
            Ok(true) => return Some(format!("{path} was removed or replaced while the server ran")),
            Ok(false) => {}
            Err(error) => return Some(format!("{path} cannot be examined: {error}")),
        }
        let mut bytes = vec![0; 2 * SLOT];
        match self.file.read_at(&mut bytes, 0) {
            Ok(count) if Mark::read(&bytes[..count]).as_ref() == Some(written) => None,
            Ok(_) => Some(format!("{path} was changed while the server ran")),
            Err(error) => Some(format!("{path} cannot be read: {error}")),
        }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        files::sync(&self.file, &self.path)
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// Both marks of a log, open for writing.
#[derive(Debug)]
pub(super) struct Marks {
    own: MarkFile,
    end: MarkFile,
}

impl Marks {
    /// Creates or replaces both files, durably. `dir` is the directory of the log.
    pub(super) fn create(mark: &Mark, dir: &Path) -> io::Result<Self> {
        let own = mark.create(&mark_path(dir))?;
        Ok(Self { own, end: create_end(mark, dir)? })
    }

    /// Opens both. `end` is what the second file holds; one that is not of this log is replaced.
    pub(super) fn open(dir: &Path, mark: &Mark, end: &StoredMark) -> io::Result<Self> {
        let own = MarkFile::open(&mark_path(dir), mark)?;
        let end = match end.valid().filter(|end| end.log_id == mark.log_id) {
            Some(end) => MarkFile::open(&end_path(dir), end)?,
            None => create_end(mark, dir)?,
        };
        Ok(Self { own, end })
    }

    /// Writes to both, without a sync.
    pub(super) fn write(&mut self, mark: Mark) -> io::Result<()> {
        let end = self.end.write(mark.clone());
        self.own.write(mark).and(end)
    }

    /// Makes both durable. A file that is gone or was changed is written again with `mark`.
    ///
    /// # Errors
    /// The path of the file, and why it cannot be written.
    pub(super) fn sync(&mut self, mark: Mark) -> Result<(), (PathBuf, io::Error)> {
        let named = |path: &Path| {
            let path = path.to_owned();
            move |error| (path, error)
        };
        let folder = self.end.path().parent();
        if let Some(folder) = folder.filter(|folder| !folder.exists()) {
            files::create_dir(folder).map_err(named(folder))?;
        }
        for file in [&mut self.own, &mut self.end] {
            let path = file.path().to_owned();
            if file.problem().is_some() {
                *file = file.again(mark.clone()).map_err(named(&path))?;
            } else {
                file.sync().map_err(named(&path))?;
            }
        }
        Ok(())
    }

    /// Makes the mark next to the segments durable.
    pub(super) fn sync_own(&self) -> io::Result<()> {
        self.own.sync()
    }

    /// The fault of one of the files, as a sentence for people.
    pub(super) fn problem(&self) -> Option<String> {
        self.own.problem().or_else(|| self.end.problem())
    }

    /// The mark next to the segments.
    pub(super) fn path(&self) -> &Path {
        self.own.path()
    }
}

fn create_end(mark: &Mark, dir: &Path) -> io::Result<MarkFile> {
    let path = end_path(dir);
    path.parent().map_or(Ok(()), files::create_dir)?;
    mark.create(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(next: Seq) -> Mark {
        Mark {
            counter: 0,
            log_id: 1,
            first_segment: 1,
            first: 1,
            segment: 2,
            offset: 800,
            next,
            time_ms: 5,
            epoch: "e".into(),
            database: None,
        }
    }

    #[test]
    fn newest_valid_slot_counts() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = mark(1).create(&mark_path(dir.path())).unwrap();
        for next in 2..=5 {
            file.write(mark(next)).unwrap();
        }
        let bytes = std::fs::read(dir.path().join(MARK)).unwrap();
        assert_eq!(Mark::read(&bytes).unwrap().next, 5);
        for slot in 0..2 {
            let mut damaged = bytes.clone();
            damaged[slot * SLOT + 30] ^= 4;
            assert!(Mark::read(&damaged).unwrap().next >= 4, "the other slot is one write older at most");
        }
        assert_eq!(Mark::read(&vec![0; 2 * SLOT]), None);
        assert_eq!(Mark::read(&bytes[..10]), None);
    }
}
