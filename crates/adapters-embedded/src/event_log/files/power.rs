//! What would be on the disk after a power cut, in tests: only bytes that were synced.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The content of each file at its last sync.
type Synced = HashMap<PathBuf, Vec<u8>>;

/// The files below each directory that is watched.
static WATCHED: Mutex<Option<HashMap<PathBuf, Synced>>> = Mutex::new(None);

fn watched() -> MutexGuard<'static, Option<HashMap<PathBuf, Synced>>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers syncs of files below `dir` from now on.
pub(crate) fn watch(dir: &Path) {
    watched().get_or_insert_default().insert(dir.to_owned(), HashMap::new());
}

/// Records a sync.
pub(crate) fn synced(path: &Path, file: &File) {
    let mut watched = watched();
    let dirs = watched.get_or_insert_default();
    let Some((_, files)) = dirs.iter_mut().find(|(dir, _)| path.starts_with(dir)) else { return };
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    super::Source::read_at(file, &mut bytes, 0).unwrap();
    files.insert(path.to_owned(), bytes);
}

/// Records a sync of the database in `root`: its journals are durable then, without unused space.
pub(crate) fn synced_database(root: &Path) {
    let mut watched = watched();
    let dirs = watched.get_or_insert_default();
    let Some((_, files)) = dirs.iter_mut().find(|(dir, _)| root.starts_with(dir)) else { return };
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut File::open(&path).unwrap(), &mut bytes).unwrap();
            bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
            files.insert(path, bytes);
        }
    }
}

/// Writes the files below `dir` as a power cut would leave them.
pub(crate) fn cut(dir: &Path, into: &Path) {
    for (path, bytes) in &watched().get_or_insert_default()[dir] {
        let target = into.join(path.strip_prefix(dir).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, bytes).unwrap();
    }
}
