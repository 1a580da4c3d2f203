//! Checks of the data directory before a database is opened in it.
//!
//! A directory is usable if it exists or can be created, belongs to Earcon, is not locked by
//! another process, and has the format of this build. A check claims it without a write.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::database::{Finding, is_mark};
use crate::event_log::damage::Damage;

/// The one layout that this build writes and reads. Raise it with every change that another build
/// could not read.
pub(super) const FORMAT: u32 = 1;
/// Begins the text of the FORMAT file. Builds before the first release wrote a bare number.
const FORMAT_PREFIX: &str = "earcon ";

/// Damages that the message of an error shows.
const SHOWN: usize = 3;
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

/// Why a data directory cannot be used. Every message names the directory and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the lock.
    #[error("data directory {path} is in use by another process{owner}; stop it, or choose another directory")]
    InUse {
        /// The directory.
        path: PathBuf,
        /// ` (process 123)`, or empty if the process is unknown.
        owner: String,
    },
    /// The path is not a directory.
    #[error("data directory {path} is not a directory; choose another path")]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Nothing in the directory is of Earcon, or it is not there.
    #[error("{path} holds no Earcon data; name the data directory with --data")]
    NoData {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds files, and none of Earcon.
    #[error(
        "{path} holds other files, such as {example}, and no Earcon data; name an empty directory or a new one with \
         --data, for example --data {}",
        path.join("earcon").display()
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// A file in it.
        example: String,
    },
    /// The process may not read a file.
    #[error("cannot read {path}: {source}; use the account that owns the data directory")]
    NotReadable {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The database and the logs are not of one installation.
    #[error(
        "data directory {path} mixes two installations: {reason}. Nothing was changed. Put back the db and db.mark \
         that belong to these logs. If they are lost, move db and db.mark out of the directory, and run \
         \"earcon doctor --data {path} --repair\": it keeps the logs, and begins with new settings"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What belongs to which, with counts.
        reason: String,
    },
    /// The database is right, and one of the logs is that of another installation.
    #[error(
        "data directory {path} has a foreign log: {reason}. Nothing was changed. Put back the directory of the log \
         that the database knows. If it is lost, move this one out of {path}/log, and run \"earcon doctor --data \
         {path} --repair\": the log begins again, and what history has stays"
    )]
    ForeignLog {
        /// The directory.
        path: PathBuf,
        /// What is where, with counts.
        reason: String,
    },
    /// Whole logs are in wrong directories.
    #[error(
        "logs in data directory {path} are not in their places: {}. Nothing was changed. Do that, and then run \
         \"earcon doctor --data {path}\"; a repair changes nothing before",
        places(damages)
    )]
    MisplacedLogs {
        /// The directory.
        path: PathBuf,
        /// What is where, and what to do; at least one.
        damages: Vec<Damage>,
    },
    /// There is no place for the copy that a check reads.
    #[error(
        "a check copies the journal of the database to {path}, and that failed: {source}; set TMPDIR to a directory with room"
    )]
    NoScratch {
        /// The place.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The directory cannot be created or written to.
    #[error(
        "data directory {path} cannot be written to: {source}; check its owner and permissions, and the space left"
    )]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Another build wrote the directory.
    #[error(
        "data directory {path} has format {found}, and this version reads only format \"earcon {supported}\"; \
         use the version that wrote it, or choose an empty directory"
    )]
    OtherFormat {
        /// The directory.
        path: PathBuf,
        /// The format that its FORMAT file names.
        found: String,
        /// The format this build reads.
        supported: u32,
    },
    /// Logs have lost events, or it is unknown whether they have.
    #[error(
        "the event log in data directory {path} is damaged: {}; \
         \"earcon doctor --data {path}\" shows all of it, \"earcon doctor --data {path} --repair\" keeps all \
         that is whole; or restore the directory from a backup",
        sentence(damages)
    )]
    DamagedLog {
        /// The directory.
        path: PathBuf,
        /// The damages, at least one.
        damages: Vec<Damage>,
    },
    /// The content of the directory cannot be decoded.
    #[error(
        "data directory {path} is damaged: {reason}; \"earcon doctor --data {path}\" lists the losses, \
         \"earcon doctor --data {path} --repair\" keeps the rest; or restore a backup, or choose another directory"
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// The damage.
        reason: String,
    },
}

impl OpenError {
    /// Whether another directory has to be configured.
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::NotOurs { .. })
    }

    /// Whether the system refused to read or write a file, which is no damage.
    pub fn is_io(&self) -> bool {
        matches!(self, Self::NotReadable { .. } | Self::NotWritable { .. } | Self::NoScratch { .. })
    }
}

fn places(damages: &[Damage]) -> String {
    damages.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The first damages, and how many there are. A loss of unknown extent is always among them.
fn sentence(damages: &[Damage]) -> String {
    let is_open = |damage: &&Damage| damage.missing.is_some_and(|missing| missing.is_open);
    let mut shown: Vec<&Damage> = damages.iter().take(SHOWN).collect();
    if let (Some(open), Some(last)) = (damages.iter().skip(SHOWN).find(is_open), shown.last_mut()) {
        *last = open;
    }
    let mut text = shown.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if damages.len() > SHOWN {
        text += &format!("; and {} more", damages.len() - SHOWN);
    }
    text
}

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
        refuse_unreadable(path)?;
        let lock = lock(path)?;
        let is_new = check_format(path, true)?;
        Ok(Self { path: path.to_owned(), _lock: Some(lock), is_new })
    }

    /// Claims a directory with data for a repair. The inner error is the damage of its FORMAT file.
    pub(super) fn claim_existing(path: &Path) -> Result<Result<Self, Finding>, OpenError> {
        Self::refuse_empty(path)?;
        let lock = lock(path)?;
        match check_format(path, false) {
            Ok(is_new) => Ok(Ok(Self { path: path.to_owned(), _lock: Some(lock), is_new })),
            Err(OpenError::Damaged { reason, .. }) => Ok(Err(Finding::new(path, reason))),
            Err(error) => Err(error),
        }
    }

    /// The same for a check: nothing is written. The damage of the FORMAT file is no obstacle.
    pub(super) fn look(path: &Path) -> Result<(Self, Option<Finding>), OpenError> {
        Self::refuse_empty(path)?;
        let lock = shared_lock(path)?;
        let (is_new, finding) = match check_format(path, false) {
            Ok(is_new) => (is_new, None),
            Err(OpenError::Damaged { reason, .. }) => (false, Some(Finding::new(path, reason))),
            Err(error) => return Err(error),
        };
        Ok((Self { path: path.to_owned(), _lock: lock, is_new }, finding))
    }

    fn refuse_empty(path: &Path) -> Result<(), OpenError> {
        refuse_unreadable(path)?;
        if [FORMAT_FILE, CREATING, MARK, "db", LOGS].iter().any(|name| path.join(name).exists()) {
            return Ok(());
        }
        Err(OpenError::NoData { path: path.to_owned() })
    }

    /// Whether this process has created it.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Writes the FORMAT file again, if it is lost and there is a database of this format.
    pub(super) fn restore_format(path: &Path) -> Result<(), OpenError> {
        let not_writable = |source| OpenError::NotWritable { path: path.to_owned(), source };
        let _lock = lock(path)?;
        write_format(&path.join(FORMAT_FILE)).map_err(not_writable)
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
    // The process id is only for the error message, and a full disk does not take it. The lock is
    // on the file, not on its content.
    let _unnamed =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id())).is_err();
    Ok(file)
}

/// Locks a directory for reading, without a write. `None` if there is no lock file.
fn shared_lock(path: &Path) -> Result<Option<File>, OpenError> {
    let name = path.join("LOCK");
    let mut file = match File::open(&name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OpenError::NotReadable { path: name, source }),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned(), owner: owner(&mut file) }),
        Err(TryLockError::Error(source)) => Err(OpenError::NotReadable { path: name, source }),
    }
}

/// Fails if the directory holds something and nothing of Earcon, such as a home directory. The
/// mount point of a fresh file system has a `lost+found`. A start that ended early leaves a lock
/// file or an unfinished FORMAT file.
fn refuse_other_files(path: &Path) -> Result<(), OpenError> {
    if [FORMAT_FILE, CREATING, MARK, "db/version", "log/DATABASE"].iter().any(|name| path.join(name).exists()) {
        return Ok(());
    }
    let ours = ["LOCK", "FORMAT.new", "db", LOGS, DAMAGED];
    let Ok(entries) = std::fs::read_dir(path) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_harmless = name == "lost+found" || ours.iter().any(|own| name == *own);
        // The demonstration keeps its data below that of a server.
        if !is_harmless && !entry.path().join(FORMAT_FILE).exists() {
            return Err(OpenError::NotOurs { path: path.to_owned(), example: name.to_string_lossy().into_owned() });
        }
    }
    Ok(())
}

/// Fails if the process may not read a file of the directory. That is no damage.
fn refuse_unreadable(path: &Path) -> Result<(), OpenError> {
    let refused = |path: &Path, source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied => Err(OpenError::NotReadable { path: path.to_owned(), source }),
        _ => Ok(()),
    };
    let mut waiting = vec![path.to_owned()];
    while let Some(folder) = waiting.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                refused(&folder, error)?;
                continue;
            }
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && entry.file_name() != DAMAGED => waiting.push(entry.path()),
                Ok(kind) if kind.is_file() => {
                    File::open(entry.path()).map(drop).or_else(|error| refused(&entry.path(), error))?;
                }
                Ok(_) => {}
                Err(error) => refused(&entry.path(), error)?,
            }
        }
    }
    Ok(())
}

fn owner(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text).map(|_| text.trim().parse::<u32>()) {
        Ok(Ok(pid)) => format!(" (process {pid})"),
        _ => String::new(),
    }
}

/// Compares the format, and writes it into a new directory. Returns whether it is a new one.
fn check_format(path: &Path, may_create: bool) -> Result<bool, OpenError> {
    let file = path.join(FORMAT_FILE);
    let not_writable = |source| OpenError::NotWritable { path: path.to_owned(), source };
    let damaged = |reason: &str| OpenError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        // The file is written before the database, so a database without it is not a new directory.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && !path.join(CREATING).exists()
                && ["db", MARK, LOGS].iter().any(|name| path.join(name).exists()) =>
        {
            return Err(damaged("it holds a database or logs, but no FORMAT file"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !may_create => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            begin_creation(path).and_then(|()| write_format(&file)).map_err(not_writable)?;
            return Ok(true);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(not_writable(error)),
        Err(error) => return Err(damaged(&format!("its FORMAT file cannot be read: {error}"))),
    };
    let text = text.trim();
    let other = |found: String| {
        // The marks hold the format too, with a checksum.
        if [path.join(MARK), path.join(LOGS).join(LOG_MARK)].iter().any(|mark| is_mark(mark)) {
            let shown = text.escape_default();
            return damaged(&format!("its FORMAT file reads \"{shown}\", but its marks are of format {FORMAT}"));
        }
        OpenError::OtherFormat { path: path.to_owned(), found, supported: FORMAT }
    };
    match text.strip_prefix(FORMAT_PREFIX).unwrap_or_default().parse::<u32>() {
        Ok(FORMAT) => Ok(false),
        Ok(number) => Err(other(number.to_string())),
        Err(_) if text.parse::<u32>().is_ok() => Err(other(format!("\"{text}\", of a build before the first release"))),
        Err(_) => Err(damaged(&format!("its FORMAT file does not read \"{FORMAT_PREFIX}<number>\""))),
    }
}

/// Says, durably, that the directory holds no acknowledged data yet.
fn begin_creation(path: &Path) -> io::Result<()> {
    File::create(path.join(CREATING))?.sync_all()?;
    File::open(path)?.sync_all()
}

/// Writes another file and renames it, so that a crash leaves a whole file or none.
fn write_format(file: &Path) -> io::Result<()> {
    let draft = file.with_extension("new");
    let mut out = File::create(&draft)?;
    writeln!(out, "{FORMAT_PREFIX}{FORMAT}")?;
    out.sync_all()?;
    std::fs::rename(&draft, file)
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
