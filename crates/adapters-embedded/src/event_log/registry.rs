//! Which workspaces have a log: a record in the database for each. So a directory that vanished is
//! noticed, and so is a database that was replaced.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::check::{LogCheck, Registered, check, open_end};
use super::damage::Damage;
use super::files;
use super::log::{Log, lock};
use super::writer::{Faults, SegmentLimits};
use crate::data_dir::OpenError;
use crate::database::{Database, Durability, WriteBatch, corrupt, unreadable};
use earcon_model::{Seq, WorkspaceId};
use earcon_ports::{ErrorKind, PortError};

/// Threads that check logs at a start.
const THREADS: usize = 2;
const VERSION: u8 = 1;

/// Sequence numbers that are reserved at once. An append within the reserve needs no write to the
/// database. The number is so large that the database may be away for days.
pub(super) const RESERVE: Seq = 1 << 32;

#[derive(Serialize, Deserialize)]
struct Record {
    version: u8,
    log_id: u64,
    next: Seq,
    reserved: Seq,
}

/// Records durably that a workspace has a log, and how far it went.
pub(super) fn register(database: &Database, workspace: &WorkspaceId, registered: Registered) -> Result<(), PortError> {
    write(database, workspace, registered, Durability::Synced)
}

fn write(
    database: &Database,
    workspace: &WorkspaceId,
    Registered { log_id, next, reserved }: Registered,
    durability: Durability,
) -> Result<(), PortError> {
    let record = postcard::to_stdvec(&Record { version: VERSION, log_id, next, reserved })
        .map_err(|error| PortError::caused(ErrorKind::Invalid, "the record of a log cannot be encoded", error))?;
    let mut batch = WriteBatch::default();
    batch.insert(database.logs, workspace.as_str(), record);
    database.commit(batch, durability)
}

/// Reserves more sequence numbers before the last one is used. No acknowledged event has a number
/// that was not reserved durably before. So a repair knows numbers that were never used.
///
/// # Errors
/// If none are left, and the database refuses the write.
pub(super) fn reserve(database: &Database, workspace: &WorkspaceId, log: &Log, last: Seq) -> Result<(), PortError> {
    let mut registered = lock(&log.registered);
    if log.removed.load(Ordering::Relaxed) {
        return Err(PortError::new(ErrorKind::Conflict, "the log was deleted"));
    }
    if last.saturating_add(RESERVE / 2) < registered.reserved {
        return Ok(());
    }
    let reserved = last.saturating_add(RESERVE);
    let wanted = Registered { next: log.next(), reserved, ..*registered };
    match register(database, workspace, wanted) {
        Ok(()) => {
            *registered = wanted;
            Ok(())
        }
        // The next append tries it again.
        Err(_) if last < registered.reserved => Ok(()),
        Err(error) => Err(error),
    }
}

/// Records how far a log went: durably in its mark, and in the database with its next synced write.
pub(super) fn record_end(database: &Database, workspace: &WorkspaceId, log: &Log) -> Result<(), PortError> {
    log.sync_mark()?;
    let mut registered = lock(&log.registered);
    let wanted = Registered { next: log.next(), ..*registered };
    if wanted != *registered && !log.removed.load(Ordering::Relaxed) {
        write(database, workspace, wanted, Durability::Buffered)?;
        *registered = wanted;
    }
    Ok(())
}

/// Removes the record of a log, durably, and then its files. If that is interrupted, a start finds
/// a whole log without a record, or files that it removes.
pub(super) fn remove(database: &Database, workspace: &WorkspaceId, log: Option<&Log>) -> Result<(), PortError> {
    let registered = log.map(|log| lock(&log.registered));
    let mut batch = WriteBatch::default();
    batch.remove(database.logs, workspace.as_str());
    database.commit(batch, Durability::Synced)?;
    log.iter().for_each(|log| log.removed.store(true, Ordering::Relaxed));
    drop(registered);
    let logs = database.log_dir();
    let (dir, gone) = (logs.join(workspace.as_str()), logs.join(format!("{REMOVED}{workspace}")));
    if dir.exists() {
        let _left = std::fs::remove_dir_all(&gone).is_err();
        std::fs::rename(&dir, &gone).map_err(|error| files::write_failure(&dir, error))?;
        files::sync_dir(&logs).map_err(|error| files::write_failure(&logs, error))?;
    }
    remove_left(&logs).map_err(|error| files::write_failure(&gone, error))
}

/// How directories of deleted logs are named until they are gone. No workspace has such a name.
const REMOVED: &str = ".deleted-";

/// Removes the directories of deleted logs.
fn remove_left(logs: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(logs)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(REMOVED)) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
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
                let Record { log_id, next, reserved, .. } = record;
                found.insert(workspace, Some(Registered { log_id, next, reserved }));
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
    Vanished(WorkspaceId, Registered),
    /// The directory cannot be read, with the reason.
    Unreadable {
        workspace: WorkspaceId,
        registered: Option<Registered>,
        reason: String,
    },
}

impl State {
    pub(crate) fn workspace(&self) -> &WorkspaceId {
        match self {
            Self::Checked(check) => &check.workspace,
            Self::Vanished(workspace, _) | Self::Unreadable { workspace, .. } => workspace,
        }
    }

    pub(super) fn registered(&self) -> Option<Registered> {
        match self {
            Self::Checked(check) => check.registered,
            Self::Vanished(_, registered) => Some(*registered),
            Self::Unreadable { registered, .. } => *registered,
        }
    }

    /// The damages of the log.
    pub(crate) fn damages(&self, logs: &Path) -> Vec<Damage> {
        let what = match self {
            Self::Checked(check) if check.is_unfinished() => return Vec::new(),
            Self::Checked(check) => return check.damages.clone(),
            Self::Vanished(..) => "the directory of the log is missing".to_owned(),
            Self::Unreadable { reason, .. } => format!("the directory of the log cannot be read: {reason}"),
        };
        let missing = self.registered().map(|registered| open_end(1, registered.next));
        vec![Damage { path: logs.join(self.workspace().as_str()), offset: None, what, missing, frames_behind: 0 }]
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
                (Err(error), Some(registered)) if error.kind() == io::ErrorKind::NotFound => {
                    Ok(State::Vanished(workspace, registered))
                }
                (Err(error), _) if error.kind() == io::ErrorKind::PermissionDenied => {
                    Err(files::read_failure(&path, error))
                }
                (Err(error), registered) => Ok(State::Unreadable { workspace, registered, reason: error.to_string() }),
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
    remove_left(&dir).map_err(|source| OpenError::NotWritable { path: data.clone(), source })?;
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
