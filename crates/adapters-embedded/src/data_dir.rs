//! Checks of the data directory before a database is opened in it.
//!
//! A directory is usable if it exists or can be created, belongs to Earcon, is not locked by
//! another process, and has the format of this build. A check claims it without a write.

mod access;
mod format;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use self::access::{Use, refuse_forbidden, refuse_other_files};
use self::format::{check_format, write_format};
use crate::database::Finding;
use crate::open_error::OpenError;

/// The one layout that this build writes and reads. Raise it with every change that another build
/// could not read.
pub(super) const FORMAT: u32 = 1;
/// The directory with a directory for each log.
pub(super) const LOGS: &str = "log";
/// The database's mark, and the file that is there during its creation.
const MARK: &str = "db.mark";
const CREATING: &str = "db.creating";
/// The database's mark among the logs.
const LOG_MARK: &str = "DATABASE";
const FORMAT_FILE: &str = "FORMAT";
/// Where repairs keep damaged files.
const DAMAGED: &str = "damaged";

/// A data directory that only this process may use. Dropping the value releases it.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    /// Holds the advisory lock. The system releases it when the process ends, also after a crash.
    /// `None` for a check of a directory without a lock file.
    _lock: Option<File>,
    is_new: bool,
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
        refuse_other_files(path)?;
        refuse_forbidden(path, Use::Write)?;
        let lock = lock(path)?;
        let is_new = check_format(path, true)?;
        Ok(Self { path: path.to_owned(), _lock: Some(lock), is_new })
    }

    /// Claims a directory with data for a repair. The damage of its FORMAT file is no obstacle.
    pub(super) fn claim_existing(path: &Path) -> Result<(Self, Option<Finding>), OpenError> {
        Self::refuse_empty(path, Use::Write)?;
        let lock = lock(path)?;
        Self::examine(path, Some(lock))
    }

    /// The same for a check: nothing is written.
    pub(super) fn look(path: &Path) -> Result<(Self, Option<Finding>), OpenError> {
        Self::refuse_empty(path, Use::Read)?;
        let lock = shared_lock(path)?;
        Self::examine(path, lock)
    }

    /// Why a start could not write to the directory. `None` if it could.
    pub(super) fn not_writable(path: &Path) -> Option<OpenError> {
        refuse_forbidden(path, Use::Write).err()
    }

    fn examine(path: &Path, lock: Option<File>) -> Result<(Self, Option<Finding>), OpenError> {
        let (is_new, finding) = match check_format(path, false) {
            Ok(is_new) => (is_new, None),
            Err(OpenError::Damaged { reason, .. }) => (false, Some(Finding::new(path, reason))),
            Err(error) => return Err(error),
        };
        Ok((Self { path: path.to_owned(), _lock: lock, is_new }, finding))
    }

    fn refuse_empty(path: &Path, wanted: Use) -> Result<(), OpenError> {
        refuse_forbidden(path, wanted)?;
        if [FORMAT_FILE, CREATING, MARK, "db", LOGS].iter().any(|name| path.join(name).exists()) {
            return Ok(());
        }
        Err(OpenError::NoData { path: path.to_owned() })
    }

    /// Whether this process has created it.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Writes the FORMAT file again.
    pub(super) fn restore_format(&self) -> io::Result<()> {
        let file = self.path.join(FORMAT_FILE);
        if file.is_dir() {
            std::fs::remove_dir(&file)?;
        }
        write_format(&file)?;
        File::open(&self.path)?.sync_all()
    }

    /// The directory of the database.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join("db")
    }

    /// The file with the last commit numbers of the database.
    pub(super) fn mark(&self) -> PathBuf {
        self.path.join(MARK)
    }

    /// The directory with a directory for each log.
    pub(super) fn logs(&self) -> PathBuf {
        self.path.join(LOGS)
    }

    /// The same numbers, among the logs. No workspace has this name.
    pub(super) fn log_mark(&self) -> PathBuf {
        self.logs().join(LOG_MARK)
    }

    /// The file that is there while the database is being created.
    pub(super) fn creating(&self) -> PathBuf {
        self.path.join(CREATING)
    }

    /// Removes [`Self::creating`], durably: with the file, the database would be created again.
    pub(super) fn end_creation(&self) -> io::Result<()> {
        std::fs::remove_file(self.creating())?;
        File::open(&self.path)?.sync_all()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Refuses a directory with the name of the lock file. It can be locked, and the file cannot be
/// made.
fn refuse_no_file(name: &Path) -> Result<(), OpenError> {
    if !name.is_dir() {
        return Ok(());
    }
    let source = io::ErrorKind::IsADirectory.into();
    let advice = format!("the lock is a file; remove the directory: rmdir {}", name.display());
    Err(OpenError::NotPermitted { path: name.to_owned(), verb: "lock", source, advice })
}

fn lock(path: &Path) -> Result<File, OpenError> {
    refuse_no_file(&path.join("LOCK"))?;
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
    // The process id is only for the error message, and a full disk does not take it. The lock is
    // on the file, not on its content.
    let _unnamed =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id())).is_err();
    Ok(file)
}

/// Locks a directory for reading, without a write. `None` if there is no lock file.
fn shared_lock(path: &Path) -> Result<Option<File>, OpenError> {
    let name = path.join("LOCK");
    refuse_no_file(&name)?;
    let mut file = match File::open(&name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(not_lockable(&name, source)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned(), owner: owner(&mut file) }),
        Err(TryLockError::Error(source)) => Err(not_lockable(&name, source)),
    }
}

fn not_lockable(path: &Path, source: io::Error) -> OpenError {
    let advice = "check whether it is a file".to_owned();
    OpenError::NotPermitted { path: path.to_owned(), verb: "lock", source, advice }
}

fn owner(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text).map(|_| text.trim().parse::<u32>()) {
        Ok(Ok(pid)) => format!(" (process {pid})"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_in_use_is_named_and_free_after_the_drop() {
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
    fn directory_in_the_place_of_the_lock_is_named_by_start_and_check() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::claim(dir.path()).unwrap());
        let lock = dir.path().join("LOCK");
        std::fs::remove_file(&lock).unwrap();
        std::fs::create_dir(&lock).unwrap();
        let refusals =
            [DataDir::claim(dir.path()).unwrap_err(), DataDir::look(dir.path()).unwrap_err()].map(|e| e.to_string());
        for text in refusals {
            assert!(text.contains(&format!("remove the directory: rmdir {}", lock.display())), "{text}");
        }
        std::fs::remove_dir(&lock).unwrap();
        DataDir::claim(dir.path()).unwrap();
    }

    #[test]
    fn directory_of_another_format_is_refused_and_left_unchanged() {
        for (text, format) in [
            ("1\n", "\"1\", of a build before the first release"),
            ("3\n", "\"3\", of a build before the first release"),
            ("earcon 0\n", "0"),
            ("earcon 2\n", "2"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("FORMAT");
            std::fs::write(&file, text).unwrap();
            let refusal = DataDir::claim(dir.path()).unwrap_err();
            assert!(matches!(refusal, OpenError::OtherFormat { supported: FORMAT, .. }), "{refusal}");
            let sentence = refusal.to_string();
            assert!(sentence.contains(&dir.path().display().to_string()), "{sentence}");
            assert!(
                sentence.contains(&format!("has format {format}, and this version reads only format \"earcon 1\"")),
                "{sentence}"
            );
            assert!(sentence.contains("choose an empty directory"), "{sentence}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn directory_of_this_format_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::claim(dir.path()).unwrap());
        assert_eq!(std::fs::read_to_string(dir.path().join("FORMAT")).unwrap(), "earcon 1\n");
        DataDir::claim(dir.path()).unwrap();
    }

    #[test]
    fn database_without_a_format_file_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("db")).unwrap();
        assert!(matches!(DataDir::claim(dir.path()), Err(OpenError::Damaged { .. })));
        assert!(!dir.path().join("FORMAT").exists());
    }

    #[test]
    fn unreadable_format_file_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("FORMAT"), [0xff, 0xfe]).unwrap();
        assert!(matches!(DataDir::claim(dir.path()), Err(OpenError::Damaged { .. })));
    }

    #[test]
    fn format_file_without_a_number_is_damage() {
        for text in ["yes", "", "earcon ", "earcon one"] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("FORMAT"), text).unwrap();
            assert!(matches!(DataDir::claim(dir.path()), Err(OpenError::Damaged { .. })), "{text:?}");
        }
    }

    #[test]
    fn directory_with_other_files_is_refused_and_left_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        let refusal = DataDir::claim(dir.path()).unwrap_err();
        assert!(refusal.is_configuration(), "{refusal}");
        let (text, path) = (refusal.to_string(), dir.path().display());
        for part in [format!("{path}"), "letter.txt".into(), format!("--data {path}/earcon")] {
            assert!(text.contains(&part), "{text}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        DataDir::claim(&dir.path().join("earcon")).unwrap();
    }

    #[test]
    fn mount_point_and_directory_with_the_data_of_the_demonstration_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("lost+found")).unwrap();
        drop(DataDir::claim(&dir.path().join("demo")).unwrap());
        DataDir::claim(dir.path()).unwrap();
    }

    #[test]
    fn file_and_path_below_a_file_are_refused_as_directories() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(DataDir::claim(&file), Err(OpenError::NotADirectory { .. })));
        assert!(matches!(DataDir::claim(&file.join("below")), Err(OpenError::NotADirectory { .. })));
    }

    #[test]
    fn directory_without_write_permission_is_named() {
        // Not even root can create directories in /proc.
        let refusal = DataDir::claim(Path::new("/proc/earcon-test")).unwrap_err();
        assert!(matches!(refusal, OpenError::NotWritable { .. }), "{refusal}");
    }
}
