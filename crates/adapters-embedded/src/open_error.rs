//! Why a data directory cannot be used, in sentences that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::event_log::damage::Damage;

/// Damages that the message of an error shows.
const SHOWN: usize = 3;

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
    /// The process may not read or write a file.
    #[error("cannot {verb} {path}: {source}; {advice}")]
    NotPermitted {
        /// The file or directory.
        path: PathBuf,
        /// `read` or `write`.
        verb: &'static str,
        /// The error of the operating system.
        source: io::Error,
        /// What to do.
        advice: String,
    },
    /// Something in the directory is neither a file nor a directory.
    #[error(
        "{path} is {what}, and the data directory holds plain files only. Put the file itself in its place. If it is \
         lost, remove this one: then \"earcon doctor\" names what is lost with it"
    )]
    NotPlain {
        /// The file.
        path: PathBuf,
        /// Its kind, with an article.
        what: String,
    },
    /// The database and the logs are not of one installation.
    #[error(
        "data directory {path} mixes two installations: {reason}. Nothing was changed. Put back the db and db.mark \
         that belong to these logs. If they are lost, move db and db.mark out of the directory, and run \
         \"earcon doctor --data {path} --repair\": it keeps the logs, and begins with new settings. Are some logs the foreign \
         part? Then move these and log/DATABASE out instead, and repair: the settings are kept"
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
        /// The logs and their places, with counts.
        reason: String,
    },
    /// Whole logs are in wrong directories.
    #[error(
        "logs in data directory {path} are not in their places: {}. {}",
        places(damages),
        after_misplaced(path, *is_begun)
    )]
    MisplacedLogs {
        /// The directory.
        path: PathBuf,
        /// Whether a repair has begun and not ended.
        is_begun: bool,
        /// Each log, its place, and how to put it right; at least one.
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
    /// A repair has not mended a part.
    #[error(
        "data directory {path} is damaged in a way that a repair does not mend: {reason}. Move {part} out of the \
         directory, keep it, and run \"earcon doctor --data {path} --repair\": {then}. Or restore a backup",
        then = after_a_move(path, part)
    )]
    NotMended {
        /// The directory.
        path: PathBuf,
        /// The damage that is left.
        reason: String,
        /// What to move away.
        part: PathBuf,
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

    /// Whether a file cannot be written because its file system is mounted read-only.
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::NotPermitted { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem)
    }

    /// Whether the system refused to read or write a file, which is no damage.
    pub fn is_io(&self) -> bool {
        matches!(self, Self::NotPermitted { .. } | Self::NotWritable { .. } | Self::NoScratch { .. })
    }
}

/// What a repair does after a part was moved away.
fn after_a_move(path: &Path, part: &Path) -> &'static str {
    if part == path.join("db") {
        "it keeps the logs, and begins with new settings"
    } else {
        "the log begins again, and what history has stays"
    }
}

/// The changes so far, and the advice for the time when the logs are in their places.
fn after_misplaced(path: &Path, is_begun: bool) -> String {
    let path = path.display();
    if is_begun {
        format!(
            "A repair has begun, and it changed none of these logs. Do that, and then run \"earcon doctor --data {path} \
             --repair\" again: the repair goes on"
        )
    } else {
        format!(
            "Nothing was changed. Do that, and then run \"earcon doctor --data {path}\"; a repair changes nothing before"
        )
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
