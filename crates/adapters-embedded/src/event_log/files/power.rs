//! What would be on the disk after a power cut, in tests.
//!
//! A file has the bytes of its last sync. A directory has the names of its last sync, or newer
//! ones: a file system may keep names earlier than it is asked to. So there are two extremes.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which names a directory has after the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Those of its last sync.
    Synced,
    /// All that it had.
    Present,
}

/// Device and inode.
type Identity = (u64, u64);

/// The syncs below a directory.
#[derive(Default)]
struct Synced {
    contents: HashMap<Identity, Vec<u8>>,
    names: HashMap<PathBuf, Vec<(OsString, Identity)>>,
    /// Journals of the database, without the unused space at their ends.
    journals: HashMap<PathBuf, Vec<u8>>,
}

/// The directories that are watched.
static WATCHED: Mutex<Option<HashMap<PathBuf, Synced>>> = Mutex::new(None);

/// Data directories below which one sync fails, and how many succeed before.
static FAILING: Mutex<Vec<(PathBuf, u64)>> = Mutex::new(Vec::new());

/// Lets the sync after `count` others below `dir` fail, once.
pub(crate) fn fail_after(dir: &Path, count: u64) {
    FAILING.lock().unwrap_or_else(PoisonError::into_inner).push((dir.to_owned(), count));
}

/// Whether that sync is still to come. It does not come any more.
pub(crate) fn stop_failing(dir: &Path) -> bool {
    let mut failing = FAILING.lock().unwrap_or_else(PoisonError::into_inner);
    let before = failing.len();
    failing.retain(|(path, _)| path != dir);
    failing.len() < before
}

/// Fails in the place of a sync of `path`.
pub(super) fn may_sync(path: &Path) -> std::io::Result<()> {
    let mut failing = FAILING.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(at) = failing.iter().position(|(dir, _)| path.starts_with(dir)) else { return Ok(()) };
    match &mut failing[at].1 {
        0 => {
            failing.remove(at);
            Err(std::io::Error::other("injected"))
        }
        left => {
            *left -= 1;
            Ok(())
        }
    }
}

fn watched() -> MutexGuard<'static, Option<HashMap<PathBuf, Synced>>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// The names in a directory now.
fn names_in(path: &Path) -> Vec<(OsString, Identity)> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    // Another thread may remove one.
    let named = entries.filter_map(|entry| Some((entry.file_name(), identity(&entry.metadata().ok()?))));
    named.collect()
}

fn record(path: &Path, change: impl FnOnce(&mut Synced)) {
    let mut watched = watched();
    let dirs = watched.get_or_insert_default();
    if let Some((_, synced)) = dirs.iter_mut().find(|(dir, _)| path.starts_with(dir)) {
        change(synced);
    }
}

/// Remembers syncs of files below `dir` from now on.
pub(crate) fn watch(dir: &Path) {
    watched().get_or_insert_default().insert(dir.to_owned(), Synced::default());
}

/// Records a sync of a file.
pub(crate) fn synced(path: &Path, file: &File) {
    record(path, |synced| {
        let metadata = file.metadata().unwrap();
        let mut bytes = vec![0; metadata.len() as usize];
        super::Source::read_at(file, &mut bytes, 0).unwrap();
        synced.contents.insert(identity(&metadata), bytes);
    });
}

/// Records a sync of a directory.
pub(crate) fn synced_dir(path: &Path) {
    record(path, |synced| {
        synced.names.insert(path.to_owned(), names_in(path));
    });
}

/// Records a sync of the database in `root`: its journals are durable then.
pub(crate) fn synced_database(root: &Path) {
    record(root, |synced| {
        for entry in std::fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "jnl") {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut File::open(&path).unwrap(), &mut bytes).unwrap();
                bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
                synced.journals.insert(path, bytes);
            }
        }
    });
}

/// Writes `parts` of `dir`, which are files and directories, and the journals of the database as a
/// power cut would leave them.
pub(crate) fn cut(dir: &Path, into: &Path, parts: &[&str], names: Names) {
    let watched = watched();
    let synced = &watched.as_ref().unwrap()[dir];
    synced.write(dir, into, names, &|name| parts.iter().any(|part| name == *part));
    for (path, bytes) in &synced.journals {
        std::fs::write(into.join(path.strip_prefix(dir).unwrap()), bytes).unwrap();
    }
}

impl Synced {
    fn write(&self, dir: &Path, into: &Path, names: Names, wanted: &dyn Fn(&OsString) -> bool) {
        let found = match names {
            Names::Synced => self.names.get(dir).cloned().unwrap_or_default(),
            Names::Present => names_in(dir),
        };
        for (name, identity) in found.into_iter().filter(|(name, _)| wanted(name)) {
            let (path, target) = (dir.join(&name), into.join(&name));
            if path.is_dir() {
                std::fs::create_dir_all(&target).unwrap();
                self.write(&path, &target, names, &|_| true);
            } else {
                std::fs::write(target, self.contents.get(&identity).map_or(&[][..], Vec::as_slice)).unwrap();
            }
        }
    }
}
