//! Checking and repairing a data directory that no server uses.

use std::path::{Path, PathBuf};

use fjall::Readable;

use crate::data_dir::OpenError;
use crate::database::Database;
use crate::event_log::limits;
use crate::event_log::registry::{State, check_all};
use crate::event_log::repair::{RepairContext, Repaired};
use crate::event_log::report::LogReport;
use crate::series_store;
use crate::settings::EmbeddedSettings;
use earcon_ports::PortError;

/// What was found in a data directory.
#[derive(Debug)]
pub struct Report {
    /// The logs, by workspace.
    pub logs: Vec<LogReport>,
    /// Records of the database that could be read.
    pub records: u64,
    /// Damages of the database. A repair does not change them.
    pub database: Vec<String>,
}

impl Report {
    /// Whether nothing is damaged.
    pub fn is_clean(&self) -> bool {
        self.database.is_empty() && self.logs.iter().all(|log| log.damages.is_empty())
    }
}

/// Checks the directory without changing the logs. Opening the database replays its journal.
///
/// # Errors
/// See [`OpenError`]. A damaged log is no error here.
pub fn check(dir: &Path) -> Result<Report, OpenError> {
    let database = open(dir)?;
    report(&database)
}

/// Repairs all damaged logs. Keeps all whole events under their sequence numbers, records what is
/// missing, keeps the damaged files, and begins a new epoch in each of these logs.
///
/// # Errors
/// See [`OpenError`].
pub fn repair(dir: &Path, now_ms: i64) -> Result<Vec<Repaired>, OpenError> {
    let database = open(dir)?;
    let context = RepairContext { database: &database, limits: limits(&EmbeddedSettings::default()), now_ms };
    let logs = database.log_dir();
    let mut repaired = Vec::new();
    for state in check_all(&database).map_err(damaged(dir))? {
        let damages = state.damages(&logs);
        if damages.is_empty() {
            continue;
        }
        let done = match state {
            State::Checked(check) => context.repair(*check),
            State::Vanished(workspace) => series_store::cursor(&database, &workspace)
                .and_then(|cursor| context.create(&workspace, damages, cursor + 1)),
        };
        repaired.push(done.map_err(damaged(dir))?);
    }
    Ok(repaired)
}

fn open(dir: &Path) -> Result<Database, OpenError> {
    // Opening would create the files of a new data directory.
    if !dir.join("FORMAT").exists() && !dir.join("db").exists() {
        let reason = "it does not exist, or Earcon has never used it".to_owned();
        return Err(OpenError::Damaged { path: dir.to_owned(), reason });
    }
    Database::open(dir, &EmbeddedSettings::default())
}

fn damaged(dir: &Path) -> impl Fn(PortError) -> OpenError {
    let path: PathBuf = dir.to_owned();
    move |error| OpenError::Damaged { path: path.clone(), reason: error.to_string() }
}

fn report(database: &Database) -> Result<Report, OpenError> {
    let (mut records, mut damages) = (0, Vec::new());
    let snapshot = database.snapshot();
    for (name, table) in database.tables() {
        for entry in snapshot.iter(table) {
            match entry.into_inner() {
                Ok(_) => records += 1,
                Err(error) => {
                    damages.push(format!("the table {name} cannot be read: {error}"));
                    break;
                }
            }
        }
    }
    let states = check_all(database).map_err(damaged(database.path()))?;
    let logs = database.log_dir();
    Ok(Report { logs: states.iter().map(|state| state.report(&logs)).collect(), records, database: damages })
}
