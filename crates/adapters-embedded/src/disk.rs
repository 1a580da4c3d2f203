//! The disk under the data directory: its free space, and whether the directory is still there.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::data_dir::LOGS;

/// The parts of a data directory that are there as long as it is used.
const PARTS: [&str; 4] = ["", "FORMAT", "db", LOGS];

/// A data directory in use, for measurements.
#[derive(Debug, Clone)]
pub struct Disk {
    directory: PathBuf,
    /// Each part with its device and inode when the directory was opened.
    opened: Vec<(PathBuf, (u64, u64))>,
}

impl Disk {
    /// Remembers which directory was opened. Call it after its parts were created.
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        let part = |name: &&str| {
            let path = if name.is_empty() { directory.to_owned() } else { directory.join(name) };
            identity(&path).map(|identity| (path, identity))
        };
        Ok(Self { directory: directory.to_owned(), opened: PARTS.iter().map(part).collect::<Result<_, _>>()? })
    }

    /// Bytes that the process can still write. May block.
    ///
    /// # Errors
    /// A sentence for people if the directory, or a part of it, is gone or is another one now: what
    /// the process writes would then be lost when it ends.
    pub fn free_bytes(&self) -> Result<u64, String> {
        for (path, opened) in &self.opened {
            match identity(path) {
                Ok(found) if found == *opened => {}
                Ok(_) => return Err(format!("{} was replaced while the server ran", path.display())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(format!("{} was removed while the server ran", path.display()));
                }
                Err(error) => return Err(format!("{} cannot be examined: {error}", path.display())),
            }
        }
        free_bytes(&self.directory)
            .map_err(|error| format!("the free space of {} cannot be read: {error}", self.directory.display()))
    }
}

/// Bytes that an unprivileged process can still write on the file system of `path`.
pub(super) fn free_bytes(path: &Path) -> io::Result<u64> {
    let status = rustix::fs::statvfs(path)?;
    Ok(status.f_bavail.saturating_mul(status.f_frsize))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("FORMAT"), "earcon 1\n").unwrap();
        fs::create_dir(directory.path().join("db")).unwrap();
        fs::create_dir(directory.path().join(LOGS)).unwrap();
        directory
    }

    #[test]
    fn free_space_is_measured() {
        let directory = directory();
        assert!(Disk::of(directory.path()).unwrap().free_bytes().unwrap() > 0);
    }

    #[test]
    fn removed_and_replaced_parts_are_named() {
        let directory = directory();
        let disk = Disk::of(directory.path()).unwrap();
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
        let path = directory.path().to_owned();
        drop(directory);
        let gone = disk.free_bytes().unwrap_err();
        assert!(gone.starts_with(&path.display().to_string()) && gone.contains("removed"), "{gone}");
    }
}
