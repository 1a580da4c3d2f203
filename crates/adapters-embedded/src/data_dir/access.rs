//! Whether a directory holds other files, and whether this process may use those of Earcon.

use std::fs::FileType;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::{CREATING, DAMAGED, FORMAT_FILE, LOGS, MARK};
use crate::event_log::mark::ENDS;
use crate::open_error::OpenError;
use crate::repairs::progress::{PROGRESS, RECORD};

/// What `mkfs` puts into the root of a file system. Only root may enter it.
const LOST: &str = "lost+found";

/// Fails if the directory holds something and nothing of Earcon, such as a home directory. The
/// mount point of a fresh file system has a `lost+found`. A start that ended early leaves a lock
/// file or an unfinished FORMAT file.
pub(super) fn refuse_other_files(path: &Path) -> Result<(), OpenError> {
    if [FORMAT_FILE, CREATING, MARK, "db/version", "log/DATABASE"].iter().any(|name| path.join(name).exists()) {
        return Ok(());
    }
    let ours = ["LOCK", "FORMAT.new", "db", LOGS, ENDS, DAMAGED, PROGRESS];
    let Ok(entries) = std::fs::read_dir(path) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_harmless = name == LOST || ours.iter().any(|own| name == *own);
        // The demonstration keeps its data below that of a server.
        if !is_harmless && !entry.path().join(FORMAT_FILE).exists() {
            return Err(OpenError::NotOurs { path: path.to_owned(), example: name.to_string_lossy().into_owned() });
        }
    }
    Ok(())
}

/// What a process does with a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
}

impl Use {
    fn access(self) -> Access {
        match self {
            Self::Read => Access::READ_OK,
            Self::Write => Access::READ_OK | Access::WRITE_OK,
        }
    }
}

/// Fails if the process may not read a file of the directory, or not write it if it has to, and if
/// something in it is neither a file nor a directory. That is no damage.
pub(super) fn refuse_forbidden(path: &Path, wanted: Use) -> Result<(), OpenError> {
    let mut waiting = vec![path.to_owned()];
    while let Some(folder) = waiting.pop() {
        check(&folder, wanted, true)?;
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                refused(&folder, Use::Read, true, error)?;
                continue;
            }
        };
        for entry in entries.flatten() {
            let (name, inner) = (entry.file_name(), entry.path());
            match entry.file_type() {
                // Damaged files of a repair, and directories that are not of this installation.
                Ok(kind) if kind.is_dir() && (name == DAMAGED || name == LOST || inner.join(FORMAT_FILE).exists()) => {}
                Ok(kind) if kind.is_dir() => waiting.push(inner),
                // A record of a repair is for people.
                Ok(_) if name.to_string_lossy().starts_with(RECORD) => {}
                Ok(kind) if kind.is_file() => check(&inner, wanted, false)?,
                // A directory may be on another file system.
                Ok(kind) if kind.is_symlink() && inner.is_dir() => {}
                Ok(kind) => return Err(not_plain(inner, kind)),
                Err(error) => refused(&inner, Use::Read, false, error)?,
            }
        }
    }
    Ok(())
}

/// Files are moved, replaced and compared by their names, so each has to be there itself.
fn not_plain(path: PathBuf, kind: FileType) -> OpenError {
    let what = match std::fs::read_link(&path) {
        Ok(target) if kind.is_symlink() => format!("a symbolic link to {}", target.display()),
        _ if kind.is_symlink() => "a symbolic link".to_owned(),
        _ => "a device, a pipe or a socket".to_owned(),
    };
    OpenError::NotPlain { path, what }
}

fn check(path: &Path, wanted: Use, is_dir: bool) -> Result<(), OpenError> {
    let may = |wanted: Use| rustix::fs::access(path, wanted.access()).map_err(io::Error::from);
    may(Use::Read).or_else(|error| refused(path, Use::Read, is_dir, error))?;
    may(wanted).or_else(|error| refused(path, wanted, is_dir, error))
}

/// Only missing rights count. What else is wrong with a file is found when it is read.
fn refused(path: &Path, wanted: Use, is_dir: bool, source: io::Error) -> Result<(), OpenError> {
    if !matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) {
        return Ok(());
    }
    let verb = if wanted == Use::Read { "read" } else { "write" };
    let advice = advice(path, is_dir, &source);
    Err(OpenError::NotPermitted { path: path.to_owned(), verb, source, advice })
}

/// How a person gives the process the rights that it lacks.
fn advice(path: &Path, is_dir: bool, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
        return "mount the file system for writing".to_owned();
    }
    let rights = if is_dir { "u+rwx" } else { "u+rw" };
    match std::fs::metadata(path).map(|metadata| metadata.uid()) {
        Ok(owner) if owner == rustix::process::geteuid().as_raw() => {
            format!("run: chmod {rights} {}", path.display())
        }
        Ok(owner) => format!("use the account that owns the data directory; the owner here is user {owner}"),
        Err(_) => "use the account that owns the data directory".to_owned(),
    }
}
