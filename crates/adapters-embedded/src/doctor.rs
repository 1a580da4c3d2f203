//! Checking and repairing a data directory that no server uses.

mod repairing;

use std::path::{Path, PathBuf};

pub use self::repairing::repair;
use crate::data_dir::{DataDir, LOGS};
use crate::database::{self, Checked, Finding};
use crate::event_log::damage::Damage;
use crate::event_log::registry::unusable;
use crate::event_log::repair::Repaired;
use crate::event_log::report::LogReport;
use crate::event_log::states::{Checks, State, check_with};
pub use crate::open_error::OpenError;
pub use crate::repairs::directory::Unfinished;
use crate::repairs::progress;

/// The state of a data directory.
#[derive(Debug)]
pub struct Report {
    /// The logs, by workspace. Those in wrong places are not among them.
    pub logs: Vec<LogReport>,
    /// Whole logs in wrong directories, and what to do. A repair changes nothing before that.
    pub misplaced: Vec<Damage>,
    /// Damages of the database with settings, history and snapshots.
    pub database: Vec<Finding>,
    /// What a repair that did not end has found and lost so far.
    pub unfinished: Option<Unfinished>,
    /// Why a start with the rights of this process fails although nothing is damaged: it may not
    /// write a file.
    pub not_writable: Option<OpenError>,
    /// The records of earlier repairs of this directory, the newest last.
    pub records: Vec<PathBuf>,
}

impl Report {
    /// Whether nothing is damaged.
    pub fn is_clean(&self) -> bool {
        self.database.is_empty() && self.misplaced.is_empty() && self.logs.iter().all(|log| log.damages.is_empty())
    }

    /// Why a repair is refused: parts of another installation, or logs in wrong places. The message
    /// says what to do.
    pub fn refusal(&self, dir: &Path) -> Option<OpenError> {
        let path = dir.to_owned();
        if self.has_foreign_database() {
            return Some(OpenError::Foreign { path, reason: self.mixture() });
        }
        if !self.misplaced.is_empty() {
            return Some(OpenError::MisplacedLogs {
                path,
                is_begun: self.unfinished.is_some(),
                damages: self.misplaced.clone(),
            });
        }
        // A damaged database does not tell which of two logs of a workspace is the present one.
        let has_foreign_log = self.database.is_empty() && self.logs.iter().any(|log| log.is_foreign);
        has_foreign_log.then(|| OpenError::ForeignLog { path, reason: self.mixture() })
    }

    fn has_foreign_database(&self) -> bool {
        self.database.iter().any(|finding| finding.is_foreign)
    }

    /// Which parts are of different installations, and what the logs hold.
    fn mixture(&self) -> String {
        let database = self.database.iter().filter(|finding| finding.is_foreign).map(Finding::to_string);
        let logs = self.logs.iter().map(|log| match log.damages.first() {
            Some(damage) if log.is_foreign => damage.to_string(),
            _ => format!("the log of {} has {} events in {} segments", log.workspace, log.events, log.segments),
        });
        database.chain(logs).collect::<Vec<_>>().join("; ")
    }
}

/// What a repair has done.
#[derive(Debug)]
pub struct Repairs {
    /// The damages of the database, and how many records of each table were kept. Empty if it was
    /// whole.
    pub database: Vec<Finding>,
    /// The record of the repair, for people, with all losses. `None` if nothing was damaged.
    pub record: Option<PathBuf>,
    /// The logs that were damaged.
    pub logs: Vec<Repaired>,
    /// Workspaces that were deleted, and that an older database still had. The rest is deleted.
    pub deleted: Vec<String>,
    /// What may be lost, or may have come back although it was deleted, as sentences without a full
    /// stop.
    pub doubts: Vec<String>,
}

/// Checks every file, checksum and record of the directory, and writes nothing into it. Needs the
/// space of the database's journal for a copy, in the directory for temporary files.
///
/// # Errors
/// If there are no data, or the directory is in use, of another format, or cannot be read. Damage
/// is no error here.
pub fn check(dir: &Path) -> Result<Report, OpenError> {
    let Checked { findings, logs: records, cursors } = database::check_all(dir)?;
    let logs = dir.join(LOGS);
    let is_whole = findings.is_empty() && records.is_some();
    // The list of another installation says nothing about these logs.
    let records = records.filter(|_| findings.iter().all(|finding| !finding.is_foreign)).unwrap_or_default();
    let Checks { misplaced, states } =
        check_with(&logs, &records, &cursors, is_whole).map_err(|error| unusable(dir, error))?;
    let logs = states.iter().map(|state| state.report(&logs)).collect();
    let (unfinished, records) = (Unfinished::load(dir), progress::records(dir));
    let not_writable = DataDir::not_writable(dir);
    Ok(Report { logs, misplaced, database: findings, unfinished, not_writable, records })
}

impl State {
    /// Whether another log is in the place of this one.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self, Self::Checked(check) if check.is_foreign())
    }
}

#[cfg(test)]
mod tests;
