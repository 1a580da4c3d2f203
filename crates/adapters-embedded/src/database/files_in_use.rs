//! Whether the files of the database are where they were, and whole, while fjall uses them.
//!
//! fjall does not notice that a file was removed or cut: it goes on with open descriptors and with
//! memory, and what it writes is lost when the process ends. Its own threads create and delete
//! journals and table files, so a look that finds a file missing is repeated before it counts.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::inspect::Layout;
use super::instance::Instance;
use super::keyspace_files;
use crate::disk::{self, Identity, compare, not_cut};

/// So often a file must be missing in turn.
const LOOKS: usize = 4;
/// Between two looks at a missing file.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The files of an open database.
pub(super) struct FilesInUse {
    layout: Layout,
    /// The folders of fjall: they are there as long as the database is open.
    folders: Vec<(PathBuf, Identity)>,
    /// The journals at the last look, and the bytes that each had at least.
    journals: Mutex<BTreeMap<u64, (PathBuf, u64)>>,
    /// The table files at the last look, and their lengths in bytes. They never change.
    tables: Mutex<BTreeMap<PathBuf, u64>>,
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
        let (journals, tables) = (Mutex::default(), Mutex::default());
        let files = Self { layout, folders, journals, tables, problem: Mutex::default() };
        files.opened_again()?;
        Ok(files)
    }

    /// Remembers the files that are there now. fjall cuts journals behind their last batch when it
    /// opens them.
    pub(super) fn opened_again(&self) -> io::Result<()> {
        let journals = self.layout.journals()?.into_iter();
        *lock(&self.journals) = journals.map(|(number, path)| (number, with_length(path))).collect();
        let mut tables = BTreeMap::new();
        for (folder, _) in self.folders.iter().filter(|(folder, _)| self.is_keyspace(folder)) {
            // The first look names a list that cannot be read.
            let files = keyspace_files::table_files(folder).unwrap_or_default().into_iter();
            tables
                .extend(files.map(|file| with_length(keyspace_files::path_of(&keyspace_files::tables(folder), file))));
        }
        *lock(&self.tables) = tables;
        Ok(())
    }

    /// Fails if the journal that is written was cut since the last commit. Costs one system call.
    pub(super) fn check_journal(&self) -> Result<(), String> {
        lock(&self.journals).values().next_back().map_or(Ok(()), |(path, bytes)| not_cut(path, *bytes))
    }

    /// Remembers how long the journal is after a commit. Costs one system call.
    pub(super) fn note_commit(&self) {
        if let Some((path, bytes)) = lock(&self.journals).values_mut().next_back() {
            *bytes = disk::length(path).max(*bytes);
        }
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
            self.look_at_tables(folder)?;
        }
        self.look_at_journals(instance)
    }

    fn is_keyspace(&self, folder: &Path) -> bool {
        folder.parent() == Some(&self.layout.keyspaces())
    }

    /// Looks whether the files that the keyspace lists are there, and as long as they were.
    fn look_at_tables(&self, folder: &Path) -> Result<(), String> {
        let current = keyspace_files::current(folder);
        std::fs::metadata(&current).map_err(|error| unreadable(&current, &error))?;
        let defect = |(path, damage): keyspace_files::Defect| format!("{}: {damage}", path.display());
        let place = keyspace_files::tables(folder);
        let mut present = BTreeMap::new();
        for file in keyspace_files::table_files(folder).map_err(defect)? {
            let path = keyspace_files::path_of(&place, file);
            let found = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
            disk::may_read(&path)?;
            let known = lock(&self.tables).get(&path).copied();
            not_cut(&path, known.unwrap_or(0))?;
            present.insert(path, known.unwrap_or(found.len()));
        }
        let mut tables = lock(&self.tables);
        tables.retain(|path, _| path.parent() != Some(&place));
        tables.extend(present);
        Ok(())
    }

    fn look_at_journals(&self, instance: &Instance) -> Result<(), String> {
        let expected = instance.journals();
        let found = self.layout.journals().map_err(|error| unreadable(&self.layout.root, &error))?;
        found.values().try_for_each(|journal| disk::may_read(journal))?;
        let mut known = lock(&self.journals);
        for (number, path) in &found {
            known.get(number).map_or(Ok(()), |(_, bytes)| not_cut(path, *bytes))?;
        }
        if found.len() >= expected {
            *known = found.into_iter().map(|(number, path)| (number, with_length(path))).collect();
            return Ok(());
        }
        let missing = known.iter().rev().find(|(number, _)| !found.contains_key(number));
        let missing = missing.map_or_else(|| self.layout.root.join("*.jnl"), |(_, (path, _))| path.clone());
        Err(format!("{} was removed while the server ran", missing.display()))
    }
}

/// A file and its length, bytes.
fn with_length(path: PathBuf) -> (PathBuf, u64) {
    let bytes = disk::length(&path);
    (path, bytes)
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
