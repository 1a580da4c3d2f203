//! The data directory before any database is opened in it: does it exist, is it ours, is it free, can we read its format.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The layout this build writes; it reads the older ones too. Raise it when an older build could not read the directory
/// any more. 2: logs hold counters, ends of series and backfilled samples. 3: verdicts, and how rare what an
/// anomaly states as its reason is.
const FORMAT: u32 = 3;

/// Why a data directory cannot be used. Every message names the directory and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the lock.
    #[error("data directory {path} is in use by another process{owner}; stop it, or choose another directory")]
    InUse {
        /// The directory.
        path: PathBuf,
        /// ` (process 123)`, or nothing when it is not known.
        owner: String,
    },
    /// The path names something else.
    #[error("data directory {path} is not a directory; choose another path")]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// The directory cannot be created or written to.
    #[error(
        "data directory {path} cannot be written to: {source}; check its owner and permissions, and the space left"
    )]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A newer build wrote the directory.
    #[error("data directory {path} has format {found}, and this version reads up to {supported}; use a newer version")]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// What its FORMAT file says.
        found: u32,
        /// The newest format this build reads.
        supported: u32,
    },
    /// What is in the directory cannot be understood.
    #[error("data directory {path} is damaged: {reason}; restore it from a backup, or choose another directory")]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
}

/// A data directory that this process, and no other, may use for as long as the value lives.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    /// Holds the advisory lock; the system releases it when the process ends, however it ends.
    _lock: File,
}

impl DataDir {
    pub(super) fn claim(path: &Path) -> Result<Self, OpenError> {
        if path.exists() && !path.is_dir() {
            return Err(OpenError::NotADirectory { path: path.to_owned() });
        }
        let not_writable = |source| OpenError::NotWritable { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                OpenError::NotADirectory { path: path.to_owned() }
            }
            _ => not_writable(error),
        })?;
        let lock = lock(path)?;
        check_format(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where the database lives.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join("db")
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let not_writable = |source| OpenError::NotWritable { path: path.to_owned(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.join("LOCK"))
        .map_err(not_writable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::InUse { path: path.to_owned(), owner: owner(&mut file) });
        }
        Err(TryLockError::Error(source)) => return Err(not_writable(source)),
    }
    // For the message above only: the lock is the file's, not its content's.
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", std::process::id()))
        .map_err(not_writable)?;
    Ok(file)
}

fn owner(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text).map(|_| text.trim().parse::<u32>()) {
        Ok(Ok(pid)) => format!(" (process {pid})"),
        _ => String::new(),
    }
}

fn check_format(path: &Path) -> Result<(), OpenError> {
    let file = path.join("FORMAT");
    let not_writable = |source| OpenError::NotWritable { path: path.to_owned(), source };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return write_format(&file).map_err(not_writable),
        Err(error) => return Err(not_writable(error)),
    };
    match text.trim().parse::<u32>() {
        Ok(found) if found > FORMAT => Err(OpenError::NewerFormat { path: path.to_owned(), found, supported: FORMAT }),
        // From now on there may be something in it that an older build cannot read.
        Ok(found) if found < FORMAT => write_format(&file).map_err(not_writable),
        Ok(_) => Ok(()),
        Err(_) => Err(OpenError::Damaged { path: path.to_owned(), reason: "its FORMAT file holds no number".into() }),
    }
}

/// Written beside and renamed, so that a crash leaves a whole file or none.
fn write_format(file: &Path) -> io::Result<()> {
    let draft = file.with_extension("new");
    let mut out = File::create(&draft)?;
    writeln!(out, "{FORMAT}")?;
    out.sync_all()?;
    std::fs::rename(&draft, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_in_use_says_so_and_is_free_again_after_the_drop() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::claim(dir.path()).unwrap();
        let refusal = DataDir::claim(dir.path()).unwrap_err();
        let text = refusal.to_string();
        assert!(matches!(refusal, OpenError::InUse { .. }));
        assert!(text.contains(&dir.path().display().to_string()) && text.contains("stop it"), "{text}");
        assert!(text.contains(&std::process::id().to_string()), "{text}");
        drop(held);
        DataDir::claim(dir.path()).unwrap();
    }

    #[test]
    fn a_newer_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::claim(dir.path()).unwrap());
        std::fs::write(dir.path().join("FORMAT"), "7\n").unwrap();
        let refusal = DataDir::claim(dir.path()).unwrap_err();
        assert!(matches!(refusal, OpenError::NewerFormat { found: 7, supported: FORMAT, .. }), "{refusal}");
    }

    #[test]
    fn an_older_format_becomes_the_present_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("FORMAT"), "1\n").unwrap();
        drop(DataDir::claim(dir.path()).unwrap());
        assert_eq!(std::fs::read_to_string(dir.path().join("FORMAT")).unwrap(), format!("{FORMAT}\n"));
    }

    #[test]
    fn a_format_file_without_a_number_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("FORMAT"), "yes").unwrap();
        assert!(matches!(DataDir::claim(dir.path()), Err(OpenError::Damaged { .. })));
    }

    #[test]
    fn a_file_is_not_a_directory_and_neither_is_a_path_below_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(DataDir::claim(&file), Err(OpenError::NotADirectory { .. })));
        assert!(matches!(DataDir::claim(&file.join("below")), Err(OpenError::NotADirectory { .. })));
    }

    #[test]
    fn a_place_that_cannot_be_written_to_says_so() {
        // Nobody, not even root, makes directories in /proc.
        let refusal = DataDir::claim(Path::new("/proc/earcon-test")).unwrap_err();
        assert!(matches!(refusal, OpenError::NotWritable { .. }), "{refusal}");
    }
}
