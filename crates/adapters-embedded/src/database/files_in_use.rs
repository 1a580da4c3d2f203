//! Whether the files of the database are where they were, while fjall uses them.
//!
//! fjall does not notice that a file was removed: it goes on with open descriptors and with memory,
//! and what it writes is lost when the process ends. Its own threads create and delete journals
//! and table files, so a look that finds a file missing is repeated before it counts.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::inspect::Layout;
use super::instance::Instance;
use super::keyspace_files;
use crate::disk::{self, Identity, compare};

/// So often a file must be missing in turn.
const LOOKS: usize = 4;
/// Between two looks at a missing file.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The files of an open database.
pub(super) struct FilesInUse {
    layout: Layout,
    /// The folders of fjall: they are there as long as the database is open.
    folders: Vec<(PathBuf, Identity)>,
    /// The journals at the last look.
    journals: Mutex<BTreeMap<u64, PathBuf>>,
    problem: Mutex<Option<String>>,
}

impl FilesInUse {
    /// Remembers the folders of the database in `root`, which is open.
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let layout = Layout::new(root);
        let mut folders = vec![layout.root.clone(), layout.keyspaces()];
        for entry in std::fs::read_dir(layout.keyspaces())? {
            let folder = entry?.path();
            folders.extend([folder.clone(), keyspace_files::tables(&folder)]);
        }
        let known = |folder: PathBuf| disk::identity(&folder).map(|identity| (folder, identity));
        let folders = folders.into_iter().filter(|folder| folder.exists()).map(known).collect::<Result<_, _>>()?;
        let journals = Mutex::new(layout.journals()?);
        Ok(Self { layout, folders, journals, problem: Mutex::default() })
    }

    /// The problem that the last look has found.
    pub(super) fn problem(&self) -> Option<String> {
        lock(&self.problem).clone()
    }

    /// Looks for files that are missing or cannot be read, as a sentence for people. Blocks.
    pub(super) fn look(&self, instance: &Instance) -> Option<String> {
        let mut found = self.look_once(instance).err();
        for _ in 1..LOOKS {
            if found.is_none() {
                break;
            }
            std::thread::sleep(LOOK_EVERY);
            found = self.look_once(instance).err();
        }
        lock(&self.problem).clone_from(&found);
        found
    }

    fn look_once(&self, instance: &Instance) -> Result<(), String> {
        for (folder, opened) in &self.folders {
            compare(folder, disk::identity(folder), Some(*opened))?;
            disk::may_read(folder)?;
        }
        for (folder, _) in self.folders.iter().filter(|(folder, _)| self.is_keyspace(folder)) {
            look_at_tables(folder)?;
        }
        self.look_at_journals(instance)
    }

    fn is_keyspace(&self, folder: &Path) -> bool {
        folder.parent() == Some(&self.layout.keyspaces())
    }

    fn look_at_journals(&self, instance: &Instance) -> Result<(), String> {
        let expected = instance.journals();
        let found = self.layout.journals().map_err(|error| unreadable(&self.layout.root, &error))?;
        found.values().try_for_each(|journal| disk::may_read(journal))?;
        let mut known = lock(&self.journals);
        if found.len() >= expected {
            *known = found;
            return Ok(());
        }
        let missing = known.iter().rev().find(|(number, _)| !found.contains_key(number));
        let missing = missing.map_or_else(|| self.layout.root.join("*.jnl"), |(_, path)| path.clone());
        Err(format!("{} was removed while the server ran", missing.display()))
    }
}

/// Looks whether the files that the keyspace lists are there.
fn look_at_tables(folder: &Path) -> Result<(), String> {
    let current = keyspace_files::current(folder);
    std::fs::metadata(&current).map_err(|error| unreadable(&current, &error))?;
    let defect = |(path, damage): keyspace_files::Defect| format!("{}: {damage}", path.display());
    for file in keyspace_files::table_files(folder).map_err(defect)? {
        let path = keyspace_files::path_of(&keyspace_files::tables(folder), file);
        match std::fs::metadata(&path) {
            Ok(_) => disk::may_read(&path)?,
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("{} was removed while the server ran", path.display()),
        _ => format!("{} cannot be read: {error}", path.display()),
    }
}

/// A panic under a lock leaves a whole value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
