//! Checking and repairing a data directory that no server uses.

use std::path::{Path, PathBuf};

use crate::data_dir::{LOGS, OpenError};
use crate::database::{self, Database, Finding};
use crate::event_log::limits;
use crate::event_log::registry::{check_all, check_unregistered};
use crate::event_log::repair::{RepairContext, Repaired};
use crate::event_log::report::LogReport;
use crate::settings::EmbeddedSettings;
use earcon_ports::PortError;

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

/// Checks every file, checksum and record of the directory. Needs the space of the database's
/// journal for a copy.
///
/// # Errors
/// If the directory is in use, of another format, or cannot be read. Damage is no error here.
pub fn check(dir: &Path) -> Result<Report, OpenError> {
    let findings = database::check(dir)?;
    let logs = dir.join(LOGS);
    let states = if findings.is_empty() {
        check_all(&Database::open(dir, &EmbeddedSettings::default())?)
    } else {
        // A database that cannot be opened does not say which logs there should be.
        check_unregistered(&logs)
    };
    let states = states.map_err(damaged(dir))?;
    Ok(Report { logs: states.iter().map(|state| state.report(&logs)).collect(), database: findings })
}

/// Repairs the database, then all damaged logs. Keeps all whole records, and all whole events under
/// their sequence numbers. Records the missing events, keeps the damaged files, and begins a new
/// epoch in each damaged log.
///
/// # Errors
/// See [`OpenError`].
pub fn repair(dir: &Path, now_ms: i64) -> Result<Repairs, OpenError> {
    let findings = database::accept_loss(dir)?;
    let database = Database::open(dir, &EmbeddedSettings::default())?;
    let context = RepairContext { database: &database, limits: limits(&EmbeddedSettings::default()), now_ms };
    let logs = database.log_dir();
    let (mut repaired, mut failed) = (Vec::new(), None);
    for state in check_all(&database).map_err(damaged(dir))? {
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
        Some(error) => Err(damaged(dir)(error)),
        None => Ok(Repairs { database: findings, logs: repaired }),
    }
}

fn damaged(dir: &Path) -> impl Fn(PortError) -> OpenError {
    let path: PathBuf = dir.to_owned();
    move |error| OpenError::Damaged { path: path.clone(), reason: error.to_string() }
}
