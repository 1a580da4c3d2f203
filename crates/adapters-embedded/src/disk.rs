//! The disk under the data directory: its free space, and whether the directory is still there.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, fs, io};

use rustix::fs::Access;

use crate::data_dir::LOGS;

/// The parts of a data directory that are there as long as it is used.
const PARTS: [&str; 9] = ["", "FORMAT", "LOCK", "db", "db/version", "db/keyspaces", "db.mark", LOGS, "log/DATABASE"];
/// Files of logs that one measurement looks at. The next one goes on behind them.
const FILES_AT_ONCE: usize = 64;

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// A file or a directory of a log that has to stay where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileInUse {
    pub(super) path: PathBuf,
    /// It has at least so many bytes.
    pub(super) bytes: u64,
    /// The log of the file: a new one may be where a deleted one was.
    pub(super) log_id: u64,
}

/// A data directory in use, for measurements.
#[derive(Debug, Clone)]
pub struct Disk {
    directory: PathBuf,
    /// Each part when the directory was opened, and its length if it is a file, bytes.
    opened: Vec<(PathBuf, Identity, u64)>,
    logs: Arc<Logs>,
}

/// The files of logs: they come and go while the directory is used.
struct Logs {
    in_use: Box<dyn Fn() -> Vec<FileInUse> + Send + Sync>,
    /// Each file when it was seen first, and its log.
    seen: Mutex<HashMap<PathBuf, (u64, Identity)>>,
    turn: AtomicUsize,
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").finish_non_exhaustive()
    }
}

impl Logs {
    /// Compares some of the files with what they were.
    fn check(&self) -> Result<(), String> {
        let files = (self.in_use)();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() > files.len() {
            seen.retain(|path, _| files.iter().any(|file| file.path == *path));
        }
        let count = files.len().min(FILES_AT_ONCE);
        let begin = self.turn.fetch_add(count, Ordering::Relaxed);
        for file in files.iter().cycle().skip(begin % files.len().max(1)).take(count) {
            let path = &file.path;
            let opened = seen.get(path).filter(|(log_id, _)| *log_id == file.log_id).map(|(_, identity)| *identity);
            let compared = match (identity(path), opened) {
                (Ok(found), None) => {
                    seen.insert(path.clone(), (file.log_id, found));
                    Ok(())
                }
                (found, opened) => compare(path, found, opened),
            };
            let checked = compared.and_then(|()| file.check_length()).and_then(|()| may_write(path));
            // A segment that is no longer written may be deleted, and so may its log.
            let is_used = |used: &FileInUse| used.path == *path && used.log_id == file.log_id;
            if checked.is_err() && (self.in_use)().iter().any(is_used) {
                return checked;
            }
        }
        Ok(())
    }
}

impl FileInUse {
    fn check_length(&self) -> Result<(), String> {
        not_cut(&self.path, self.bytes)
    }
}

/// Fails if a file has fewer than `bytes` bytes, with a sentence for people.
pub(super) fn not_cut(path: &Path, bytes: u64) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(found) if found.len() < bytes && found.is_file() => Err(format!(
            "{} was cut to {} bytes while the server ran, and {bytes} were on the disk",
            path.display(),
            found.len()
        )),
        // Whether it is there is the question of others.
        _ => Ok(()),
    }
}

/// The length of a file, bytes. 0 if it is a directory, or cannot be examined.
pub(super) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| if found.is_file() { found.len() } else { 0 })
}

pub(super) fn compare(path: &Path, found: io::Result<Identity>, opened: Option<Identity>) -> Result<(), String> {
    match found {
        Ok(found) if Some(found) == opened => Ok(()),
        Ok(_) => Err(format!("{} was replaced while the server ran", path.display())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(format!("{} was removed while the server ran", path.display()))
        }
        Err(error) => Err(format!("{} cannot be examined: {error}", path.display())),
    }
}

/// Fails if the process may no longer read a file or directory, with a sentence for people.
pub(super) fn may_read(path: &Path) -> Result<(), String> {
    may(path, Access::READ_OK, "read")
}

fn may_write(path: &Path) -> Result<(), String> {
    may(path, Access::READ_OK | Access::WRITE_OK, "read and written")
}

fn may(path: &Path, access: Access, verb: &str) -> Result<(), String> {
    match rustix::fs::access(path, access).map_err(io::Error::from) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(format!("{} cannot be {verb}: {error}; give the server's account its rights back", path.display()))
        }
        // Whether it is there is the question of others.
        _ => Ok(()),
    }
}

/// Parts of a data directory as they were when it was opened.
#[derive(Debug)]
pub(super) struct Presence(Vec<(PathBuf, Identity)>);

impl Presence {
    /// Remembers the directory and the folder of its database.
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        let part = |path: PathBuf| identity(&path).map(|identity| (path, identity));
        [directory.to_owned(), directory.join("db")].map(part).into_iter().collect::<Result<_, _>>().map(Self)
    }

    /// Fails if a part is gone or is another one now, with a sentence for people. Costs two system
    /// calls.
    pub(super) fn check(&self) -> Result<(), String> {
        self.0.iter().try_for_each(|(path, opened)| compare(path, identity(path), Some(*opened)))
    }
}

impl Disk {
    /// Remembers which directory was opened. Call it after its parts were created. `in_use` returns
    /// the files of logs that must stay where they are.
    pub(super) fn of(
        directory: &Path,
        in_use: impl Fn() -> Vec<FileInUse> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let part = |name: &&str| {
            let path = if name.is_empty() { directory.to_owned() } else { directory.join(name) };
            identity(&path).map(|identity| {
                let bytes = length(&path);
                (path, identity, bytes)
            })
        };
        let opened = PARTS.iter().map(part).collect::<Result<_, _>>()?;
        let logs = Logs { in_use: Box::new(in_use), seen: Mutex::default(), turn: AtomicUsize::default() };
        Ok(Self { directory: directory.to_owned(), opened, logs: Arc::new(logs) })
    }

    /// Bytes that the process can still write. May block.
    ///
    /// # Errors
    /// A sentence for people if the directory, or a part of it, is gone or is another one now: what
    /// the process writes would then be lost when it ends.
    pub fn free_bytes(&self) -> Result<u64, String> {
        for (path, opened, bytes) in &self.opened {
            compare(path, identity(path), Some(*opened))?;
            not_cut(path, *bytes)?;
            may_read(path)?;
        }
        self.logs.check()?;
        free_bytes(&self.directory)
            .map_err(|error| format!("the free space of {} cannot be read: {error}", self.directory.display()))
    }
}

/// Bytes that an unprivileged process can still write on the file system of `path`.
pub(super) fn free_bytes(path: &Path) -> io::Result<u64> {
    let status = rustix::fs::statvfs(path)?;
    Ok(status.f_bavail.saturating_mul(status.f_frsize))
}

pub(super) fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("FORMAT"), "earcon 1\n").unwrap();
        fs::write(directory.path().join("LOCK"), "").unwrap();
        fs::create_dir_all(directory.path().join("db/keyspaces")).unwrap();
        fs::write(directory.path().join("db/version"), "3").unwrap();
        fs::write(directory.path().join("db.mark"), "").unwrap();
        fs::create_dir(directory.path().join(LOGS)).unwrap();
        fs::write(directory.path().join("log/DATABASE"), "").unwrap();
        directory
    }

    #[test]
    fn free_space_is_measured() {
        let directory = directory();
        assert!(Disk::of(directory.path(), Vec::new).unwrap().free_bytes().unwrap() > 0);
    }

    #[test]
    fn removed_and_replaced_parts_are_named() {
        let directory = directory();
        let disk = Disk::of(directory.path(), Vec::new).unwrap();
        let db = directory.path().join("db");
        fs::rename(&db, directory.path().join("moved")).unwrap();
        let removed = disk.free_bytes().unwrap_err();
        assert!(removed.contains(&db.display().to_string()) && removed.contains("removed"), "{removed}");
        fs::create_dir(&db).unwrap();
        let replaced = disk.free_bytes().unwrap_err();
        assert!(replaced.contains("replaced"), "{replaced}");
        fs::remove_dir(&db).unwrap();
        fs::rename(directory.path().join("moved"), &db).unwrap();
        assert!(disk.free_bytes().is_ok(), "the same directory came back");
        fs::remove_file(db.join("version")).unwrap();
        let emptied = disk.free_bytes().unwrap_err();
        assert!(emptied.contains("db/version"), "{emptied}");
        let path = directory.path().to_owned();
        drop(directory);
        let gone = disk.free_bytes().unwrap_err();
        assert!(gone.starts_with(&path.display().to_string()) && gone.contains("removed"), "{gone}");
    }

    #[test]
    fn moved_and_replaced_files_of_logs_are_named() {
        let directory = directory();
        let files: Vec<PathBuf> = (0..100).map(|number| directory.path().join(LOGS).join(number.to_string())).collect();
        files.iter().for_each(|file| fs::write(file, "").unwrap());
        let used = |path: &PathBuf| FileInUse { path: path.clone(), bytes: 0, log_id: 1 };
        let in_use = Arc::new(Mutex::new(files.iter().map(used).collect::<Vec<_>>()));
        let used = in_use.clone();
        let disk = Disk::of(directory.path(), move || used.lock().unwrap().clone()).unwrap();
        let problem = || (0..2).find_map(|_| disk.free_bytes().err());
        assert_eq!(problem(), None);
        for file in [&files[0], &files[99]] {
            fs::rename(file, directory.path().join("aside")).unwrap();
            let removed = problem().unwrap();
            assert!(removed.contains(&file.display().to_string()) && removed.contains("removed"), "{removed}");
            fs::write(file, "").unwrap();
            assert!(problem().unwrap().contains("replaced"));
            fs::rename(directory.path().join("aside"), file).unwrap();
            assert_eq!(problem(), None);
        }
        fs::remove_file(&files[7]).unwrap();
        fs::write(files[7].with_extension("other"), "").unwrap();
        fs::write(&files[7], "").unwrap();
        in_use.lock().unwrap()[7].log_id = 2;
        assert_eq!(problem(), None, "a new log may be where a deleted one was");
        fs::remove_file(&files[5]).unwrap();
        in_use.lock().unwrap().remove(5);
        assert_eq!(problem(), None, "a file that is not used may be deleted");
    }

    #[test]
    fn part_that_was_cut_is_named() {
        let directory = directory();
        let mark = directory.path().join("db.mark");
        fs::write(&mark, [7; 100]).unwrap();
        let disk = Disk::of(directory.path(), Vec::new).unwrap();
        assert!(disk.free_bytes().is_ok());
        fs::File::options().write(true).open(&mark).unwrap().set_len(50).unwrap();
        let cut = disk.free_bytes().unwrap_err();
        assert!(cut.contains(&mark.display().to_string()) && cut.contains("cut to 50 bytes"), "{cut}");
    }

    #[test]
    fn file_that_was_cut_is_named_until_it_is_whole() {
        let directory = directory();
        let path = directory.path().join(LOGS).join("1.seg");
        fs::write(&path, [7; 100]).unwrap();
        let file = FileInUse { path: path.clone(), bytes: 80, log_id: 1 };
        let disk = Disk::of(directory.path(), move || vec![file.clone()]).unwrap();
        assert!(disk.free_bytes().is_ok());
        let set_len = |length| fs::File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
        set_len(80);
        assert!(disk.free_bytes().is_ok(), "only space that was not used went");
        set_len(79);
        let cut = disk.free_bytes().unwrap_err();
        assert!(cut.contains(&path.display().to_string()) && cut.contains("cut to 79 bytes"), "{cut}");
    }
}
