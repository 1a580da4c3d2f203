//! Which workspaces have a log: a record in the database for each. So a directory that vanished is
//! noticed, and so is a database that was replaced.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::check::{LogCheck, Registered, check};
use super::damage::Damage;
use super::files;
use super::log::{Log, lock};
use super::writer::{Faults, SegmentLimits};
use crate::data_dir::OpenError;
use crate::database::{Database, Durability, WriteBatch, corrupt, unreadable};
use earcon_model::WorkspaceId;
use earcon_ports::{ErrorKind, PortError};

/// Threads that check logs at a start.
const THREADS: usize = 2;
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Record {
    version: u8,
    log_id: u64,
}

/// Records durably that a workspace has a log.
pub(super) fn register(database: &Database, workspace: &WorkspaceId, log_id: u64) -> Result<(), PortError> {
    let record = postcard::to_stdvec(&Record { version: VERSION, log_id })
        .map_err(|error| PortError::caused(ErrorKind::Invalid, "the record of a log cannot be encoded", error))?;
    let mut batch = WriteBatch::default();
    batch.insert(database.logs, workspace.as_str(), record);
    database.commit(batch, Durability::Synced)
}

/// Every workspace with a log, from the database and from the directories.
fn known(database: &Database) -> Result<BTreeMap<WorkspaceId, Option<Registered>>, PortError> {
    let mut found = BTreeMap::new();
    for entry in database.snapshot()?.iter(database.logs) {
        let (key, value) = entry.into_inner().map_err(unreadable)?;
        let name = std::str::from_utf8(&key).map_err(|_| corrupt("the name of a workspace"))?;
        let workspace = WorkspaceId::new(name).map_err(|_| corrupt("the name of a workspace"))?;
        match postcard::from_bytes::<Record>(&value) {
            Ok(record) if record.version == VERSION => {
                found.insert(workspace, Some(Registered { log_id: record.log_id }));
            }
            _ => return Err(corrupt("the record of a log")),
        }
    }
    for workspace in directories(&database.log_dir())? {
        found.entry(workspace).or_insert(None);
    }
    Ok(found)
}

/// The workspaces with a directory in `dir`.
fn directories(dir: &Path) -> Result<Vec<WorkspaceId>, PortError> {
    let mut found = Vec::new();
    for name in std::fs::read_dir(dir).map_err(|error| files::read_failure(dir, error))? {
        let name = name.map_err(|error| files::read_failure(dir, error))?.file_name();
        found.extend(name.to_str().and_then(|name| WorkspaceId::new(name).ok()));
    }
    Ok(found)
}

/// The result of checking one log.
pub(crate) enum State {
    Checked(Box<LogCheck>),
    /// The database has a record of the log, but the directory is missing.
    Vanished(WorkspaceId),
}

impl State {
    /// The damages of the log.
    pub(crate) fn damages(&self, logs: &Path) -> Vec<Damage> {
        match self {
            Self::Checked(check) if check.is_unfinished() => Vec::new(),
            Self::Checked(check) => check.damages.clone(),
            Self::Vanished(workspace) => vec![Damage {
                path: logs.join(workspace.as_str()),
                offset: None,
                what: "the directory of the log is missing".into(),
                missing: None,
                frames_behind: 0,
            }],
        }
    }
}

/// Checks all logs, on a few threads.
pub(crate) fn check_all(database: &Database) -> Result<Vec<State>, PortError> {
    let dir = database.log_dir();
    if !dir.exists() {
        files::create_dir(&dir).map_err(|error| files::write_failure(&dir, error))?;
    }
    check_each(&dir, known(database)?)
}

/// Checks the logs that have a directory, without the database's list.
pub(crate) fn check_unregistered(dir: &Path) -> Result<Vec<State>, PortError> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    check_each(dir, directories(dir)?.into_iter().map(|workspace| (workspace, None)).collect())
}

fn check_each(dir: &Path, logs: BTreeMap<WorkspaceId, Option<Registered>>) -> Result<Vec<State>, PortError> {
    let todo = Mutex::new(logs.into_iter());
    let done = Mutex::new(Ok(Vec::new()));
    let work = || {
        loop {
            let Some((workspace, registered)) = lock(&todo).next() else { break };
            let path = dir.join(workspace.as_str());
            let state = match (check(&path, &workspace, registered), registered) {
                (Ok(check), _) => Ok(State::Checked(Box::new(check))),
                (Err(error), Some(_)) if error.kind() == io::ErrorKind::NotFound => Ok(State::Vanished(workspace)),
                (Err(error), _) => Err(files::read_failure(&path, error)),
            };
            let mut done = lock(&done);
            match (&mut *done, state) {
                (Ok(states), Ok(state)) => states.push(state),
                (done @ Ok(_), Err(error)) => *done = Err(error),
                (Err(_), _) => break,
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..THREADS {
            scope.spawn(work);
        }
        work();
    });
    done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Checks and loads all logs.
///
/// # Errors
/// `DamagedLog` if one of them is damaged.
pub(super) fn load_all(
    database: &Database,
    limits: SegmentLimits,
    faults: &Arc<Faults>,
) -> Result<Vec<(WorkspaceId, Log)>, OpenError> {
    let data = database.path().to_owned();
    let damaged = |error: PortError| OpenError::Damaged { path: data.clone(), reason: error.to_string() };
    let states = check_all(database).map_err(damaged)?;
    let dir = database.log_dir();
    let damages: Vec<Damage> = states.iter().flat_map(|state| state.damages(&dir)).collect();
    if !damages.is_empty() {
        return Err(OpenError::DamagedLog { path: data, damages });
    }
    let mut logs = Vec::new();
    for state in states {
        let State::Checked(check) = state else { continue };
        let workspace = check.workspace.clone();
        let not_writable = |source| OpenError::NotWritable { path: data.clone(), source };
        if check.is_unfinished() {
            remove_unfinished(&check).map_err(not_writable)?;
            continue;
        }
        let log = Log::load(*check, limits, faults.clone()).map_err(not_writable)?;
        logs.push((workspace, log));
    }
    Ok(logs)
}

/// Removes a log whose creation was interrupted. It has no events.
fn remove_unfinished(check: &LogCheck) -> io::Result<()> {
    let segments = check.segments.iter().map(|segment| segment.file.path.clone()).filter(|path| path.exists());
    let mark = Some(check.dir.join(super::mark::MARK)).filter(|path| path.exists());
    for path in segments.chain(check.leftovers.iter().cloned()).chain(mark) {
        std::fs::remove_file(path)?;
    }
    // Files of a repair may be left.
    let _left = std::fs::remove_dir(&check.dir).is_err();
    Ok(())
}
