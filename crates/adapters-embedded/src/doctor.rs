//! Checking and repairing a data directory that no server uses.

use std::path::Path;

use crate::data_dir::LOGS;
pub use crate::data_dir::OpenError;
use crate::database::{self, Checked, Database, Finding};
use crate::event_log::limits;
use crate::event_log::registry::{State, check_all, check_with, unusable};
use crate::event_log::repair::{RepairContext, Repaired};
use crate::event_log::report::LogReport;
use crate::settings::EmbeddedSettings;

/// The state of a data directory.
#[derive(Debug)]
pub struct Report {
    /// The logs, by workspace.
    pub logs: Vec<LogReport>,
    /// Damages of the database with settings, history and snapshots.
    pub database: Vec<Finding>,
}

impl Report {
    /// Whether nothing is damaged.
    pub fn is_clean(&self) -> bool {
        self.database.is_empty() && self.logs.iter().all(|log| log.damages.is_empty())
    }

    /// Whether database and logs are not of one installation. A repair refuses that.
    pub fn is_foreign(&self) -> bool {
        self.database.iter().any(|finding| finding.is_foreign) || self.logs.iter().any(|log| log.is_foreign)
    }
}

/// What a repair has done.
#[derive(Debug)]
pub struct Repairs {
    /// The damages of the database, and how many records of each table were kept. Empty if it was
    /// whole.
    pub database: Vec<Finding>,
    /// The logs that were damaged.
    pub logs: Vec<Repaired>,
}

/// Checks every file, checksum and record of the directory, and writes nothing into it. Needs the
/// space of the database's journal for a copy, in the directory for temporary files.
///
/// # Errors
/// If there are no data, or the directory is in use, of another format, or cannot be read. Damage
/// is no error here.
pub fn check(dir: &Path) -> Result<Report, OpenError> {
    let Checked { findings, logs: records, .. } = database::check_all(dir)?;
    let logs = dir.join(LOGS);
    let is_whole = findings.is_empty() && records.is_some();
    // The list of another installation says nothing about these logs.
    let records = records.filter(|_| findings.iter().all(|finding| !finding.is_foreign)).unwrap_or_default();
    let states = check_with(&logs, &records, is_whole).map_err(|error| unusable(dir, error))?;
    Ok(Report { logs: states.iter().map(|state| state.report(&logs)).collect(), database: findings })
}

/// Repairs the database, then all damaged logs. Keeps all whole records, and all whole events under
/// their sequence numbers. Records the missing events, keeps the damaged files, and begins a new
/// epoch in each damaged log.
///
/// # Errors
/// See [`OpenError`]. A mixture of two installations is refused before anything is changed.
pub fn repair(dir: &Path, now_ms: i64) -> Result<Repairs, OpenError> {
    let report = check(dir)?;
    if report.is_foreign() {
        return Err(mixture(dir, &report));
    }
    let findings = database::accept_loss(dir)?;
    let database = Database::open(dir, &EmbeddedSettings::default())?;
    let context = RepairContext { database: &database, limits: limits(&EmbeddedSettings::default()), now_ms };
    let logs = database.log_dir();
    let (mut repaired, mut failed) = (Vec::new(), None);
    for state in check_all(&database).map_err(|error| unusable(dir, error))? {
        if state.damages(&logs).is_empty() {
            continue;
        }
        match context.repair(state) {
            Ok(done) => repaired.extend(done),
            // The other logs are repaired nevertheless.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) => Err(unusable(dir, error)),
        None => Ok(Repairs { database: findings, logs: repaired }),
    }
}

/// Says which parts are of different installations, and what the logs hold.
fn mixture(dir: &Path, report: &Report) -> OpenError {
    let database = report.database.iter().filter(|finding| finding.is_foreign).map(Finding::to_string);
    let logs = report.logs.iter().map(|log| match log.damages.first() {
        Some(damage) if log.is_foreign => damage.to_string(),
        _ => format!("the log of {} has {} events in {} segments", log.workspace, log.events, log.segments),
    });
    let reason = database.chain(logs).collect::<Vec<_>>().join("; ");
    OpenError::Foreign { path: dir.to_owned(), reason }
}

impl State {
    /// Whether another log is in the place of this one.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self, Self::Checked(check) if check.is_foreign())
    }
}

#[cfg(test)]
mod tests;
