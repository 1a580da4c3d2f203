//! Which workspaces have a log: a record in the database for each. So a directory that vanished is
//! noticed, and so is a database that was replaced.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::check::{LogCheck, Lookup, Registered, check, open_end};
use super::damage::Damage;
use super::deleted::{DeletedLog, DeletedLogs, KEYS};
use super::files;
use super::log::{Log, lock};
use super::places::{Misplaced, misplaced};
use super::writer::{Faults, SegmentLimits};
use crate::open_error::OpenError;
use crate::database::{Database, Durability, LastCommits, WriteBatch, corrupt, prefix, unreadable};
use crate::series_store;
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

/// Removes a log and its record, durably. The directory gets another name first. If the rest is
/// interrupted, a start completes it.
pub(super) fn remove(database: &Database, workspace: &WorkspaceId, log: Option<&Log>) -> Result<(), PortError> {
    let registered = log.map(|log| lock(&log.registered));
    let logs = database.log_dir();
    let (dir, gone) = (logs.join(workspace.as_str()), logs.join(format!("{DELETED}{workspace}")));
    if dir.exists() {
        let _left = std::fs::remove_dir_all(&gone).is_err();
        std::fs::rename(&dir, &gone).map_err(|error| files::write_failure(&dir, error))?;
        files::sync_dir(&logs).map_err(|error| files::write_failure(&logs, error))?;
    }
    log.iter().for_each(|log| log.removed.store(true, Ordering::Relaxed));
    let deleted = log.map(|log| DeletedLog {
        workspace: workspace.as_str().to_owned(),
        log_id: log.id(),
        last_ms: log.time_ms(),
    });
    remove_record(database, workspace, deleted)?;
    drop(registered);
    if gone.exists() {
        std::fs::remove_dir_all(&gone).map_err(|error| files::write_failure(&gone, error))?;
    }
    Ok(())
}

/// Removes the record of a log. The list of deleted logs has it before.
fn remove_record(database: &Database, workspace: &WorkspaceId, deleted: Option<DeletedLog>) -> Result<(), PortError> {
    let logs = database.log_dir();
    let mut batch = WriteBatch::default();
    if let Some(deleted) = deleted {
        let mut list = DeletedLogs::of_database(database)?;
        deleted.record(database, &mut batch)?;
        list.extend([deleted]);
        list.save(&logs).map_err(|error| files::write_failure(&logs, error))?;
    }
    batch.remove(database.logs, workspace.as_str());
    database.commit(batch, Durability::Synced)
}

/// How directories of deleted logs are named until they are gone. No workspace has such a name.
pub(super) const DELETED: &str = ".deleted-";

/// The logs whose deletion was interrupted, with the directories that are left.
fn interrupted_deletions(logs: &Path) -> io::Result<Vec<(WorkspaceId, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(logs)? {
        let entry = entry?;
        let name = entry.file_name();
        let deleted = name.to_str().and_then(|name| name.strip_prefix(DELETED));
        if let Some(workspace) = deleted.and_then(|name| WorkspaceId::new(name).ok()) {
            found.push((workspace, entry.path()));
        }
    }
    Ok(found)
}

/// Completes deletions that were interrupted. A workspace with a directory of its own is a new one
/// of the same name. What an older database still has of deleted workspaces is deleted.
pub(crate) fn complete_deletions(database: &Database) -> Result<(), PortError> {
    let logs = database.log_dir();
    let failure = |error| files::write_failure(&logs, error);
    for (workspace, left) in interrupted_deletions(&logs).map_err(failure)? {
        if !logs.join(workspace.as_str()).exists() {
            let registered = registered(database, &workspace)?;
            let deleted = registered.map(|registered| DeletedLog {
                workspace: workspace.as_str().to_owned(),
                log_id: registered.log_id,
                last_ms: i64::MIN,
            });
            remove_record(database, &workspace, deleted)?;
        }
        std::fs::remove_dir_all(&left).map_err(failure)?;
    }
    let in_file = DeletedLogs::read(&logs).map_err(failure)?;
    let mut all = DeletedLogs::of_database(database)?;
    let mut batch = WriteBatch::default();
    for deleted in in_file.iter().filter(|deleted| all.get(deleted.log_id).is_none()) {
        deleted.record(database, &mut batch)?;
    }
    database.commit(batch, Durability::Synced)?;
    all.extend(in_file.iter().cloned());
    if all != in_file {
        all.save(&logs).map_err(failure)?;
    }
    remove_deleted(database, &all)
}

/// Deletes what the database still has of deleted workspaces: it is older than the deletion. If a
/// copy of the log is there too, a start is refused, and nothing is deleted.
fn remove_deleted(database: &Database, deleted: &DeletedLogs) -> Result<(), PortError> {
    for workspace in known_and_deleted(database, deleted)? {
        series_store::remove_all(database, &workspace)?;
        series_store::remove_prefix(database, database.snapshots, &prefix(&workspace))?;
        series_store::remove_prefix(database, database.meta, &prefix(&workspace))?;
        remove_record(database, &workspace, None)?;
    }
    Ok(())
}

/// Deleted workspaces that the database still has, because it is older than the deletion.
pub(crate) fn still_known(database: &Database) -> Result<Vec<WorkspaceId>, PortError> {
    let dir = database.log_dir();
    let mut deleted = DeletedLogs::of_database(database)?;
    deleted.extend(DeletedLogs::read(&dir).map_err(|error| files::read_failure(&dir, error))?.iter().cloned());
    known_and_deleted(database, &deleted)
}

fn known_and_deleted(database: &Database, deleted: &DeletedLogs) -> Result<Vec<WorkspaceId>, PortError> {
    let logs = database.log_dir();
    let is_deleted = |lookup: &Lookup| lookup.registered().is_some_and(|log| deleted.get(log.log_id).is_some());
    let known = known(database)?.into_iter();
    let found = known.filter(|(workspace, lookup)| is_deleted(lookup) && !logs.join(workspace.as_str()).exists());
    Ok(found.map(|(workspace, _)| workspace).collect())
}

/// The logs in wrong places, by a database that is open.
fn misplaced_in(database: &Database, logs: &BTreeMap<WorkspaceId, Lookup>) -> Result<Misplaced, PortError> {
    let dir = database.log_dir();
    let failure = |error| files::read_failure(&dir, error);
    let mut deleted = DeletedLogs::of_database(database)?;
    deleted.extend(DeletedLogs::read(&dir).map_err(failure)?.iter().cloned());
    misplaced(&dir, &numbers_of(logs), &deleted).map_err(failure)
}

fn numbers_of(logs: &BTreeMap<WorkspaceId, Lookup>) -> BTreeMap<WorkspaceId, u64> {
    let number = |(workspace, lookup): (&WorkspaceId, &Lookup)| Some((workspace.clone(), lookup.registered()?.log_id));
    logs.iter().filter_map(number).collect()
}

fn registered(database: &Database, workspace: &WorkspaceId) -> Result<Option<Registered>, PortError> {
    let stored = database.snapshot()?.get(database.logs, workspace.as_str()).map_err(unreadable)?;
    stored.map(|value| decode(workspace.as_str().as_bytes(), &value).map(|(_, registered)| registered)).transpose()
}

fn known(database: &Database) -> Result<BTreeMap<WorkspaceId, Lookup>, PortError> {
    let mut found = BTreeMap::new();
    for entry in database.snapshot()?.iter(database.logs) {
        let (key, value) = entry.into_inner().map_err(unreadable)?;
        let (workspace, registered) = decode(&key, &value)?;
        found.insert(workspace, Lookup::Found(registered));
    }
    for workspace in directories(&database.log_dir())? {
        found.entry(workspace).or_insert(Lookup::Absent);
    }
    Ok(found)
}

fn decode(key: &[u8], value: &[u8]) -> Result<(WorkspaceId, Registered), PortError> {
    let name = std::str::from_utf8(key).map_err(|_| corrupt("the name of a workspace"))?;
    let workspace = WorkspaceId::new(name).map_err(|_| corrupt("the name of a workspace"))?;
    match postcard::from_bytes::<Record>(value) {
        Ok(Record { version: VERSION, log_id, next, reserved }) => {
            Ok((workspace, Registered { log_id, next, reserved }))
        }
        _ => Err(corrupt("the record of a log")),
    }
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

    /// A sentence if this log may be older than acknowledged events too: its mark is of earlier
    /// commits than the marks that say so of the database.
    pub(crate) fn doubt_of_end(&self, newest: &LastCommits) -> Option<String> {
        let Self::Checked(check) = self else { return None };
        let known = check.own_mark().and_then(|mark| mark.database);
        if !check.damages.is_empty() || known.is_some_and(|known| !known.is_behind(newest)) {
            return None;
        }
        let next = check.next()?;
        Some(format!(
            "workspace {}: the database was an older copy, and the log may be one too. Then events from sequence \
             number {next} on are lost",
            check.workspace
        ))
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

/// All logs of a directory: those in wrong places, and the states of the others.
pub(crate) struct Checks {
    pub(crate) misplaced: Vec<Damage>,
    pub(crate) states: Vec<State>,
}

/// Checks all logs, on a few threads.
pub(crate) fn check_all(database: &Database) -> Result<Checks, PortError> {
    let dir = database.log_dir();
    if !dir.exists() {
        files::create_dir(&dir).map_err(|error| files::write_failure(&dir, error))?;
    }
    let logs = known(database)?;
    let misplaced = misplaced_in(database, &logs)?;
    check_rest(&dir, logs, misplaced)
}

/// Checks the logs in a directory with the known part of the database's list. `is_whole` says that
/// no record of the list is missing. Writes nothing.
pub(crate) fn check_with(dir: &Path, records: &[(Vec<u8>, Vec<u8>)], is_whole: bool) -> Result<Checks, PortError> {
    let failure = |error| files::read_failure(dir, error);
    let (gone, records): (Vec<_>, Vec<_>) = records.iter().partition(|(key, _)| key.starts_with(KEYS));
    let mut deleted = DeletedLogs::of_records(gone.into_iter().map(|(_, value)| value.as_slice()))?;
    deleted.extend(DeletedLogs::read(dir).map_err(failure)?.iter().cloned());
    let mut found = BTreeMap::new();
    for (key, value) in records {
        let (workspace, registered) = decode(key, value)?;
        // A start deletes the rest of a deleted workspace. It is no damage.
        if deleted.get(registered.log_id).is_none() || dir.join(workspace.as_str()).exists() {
            found.insert(workspace, Lookup::Found(registered));
        }
    }
    let mut wrong = Misplaced::default();
    if dir.is_dir() {
        let other = if is_whole { Lookup::Absent } else { Lookup::Unknown };
        for workspace in directories(dir)? {
            found.entry(workspace).or_insert(other);
        }
        // A start completes an interrupted deletion. It is no damage.
        for (workspace, _) in interrupted_deletions(dir).map_err(failure)? {
            if !dir.join(workspace.as_str()).exists() {
                found.remove(&workspace);
            }
        }
        wrong = misplaced(dir, &numbers_of(&found), &deleted).map_err(failure)?;
    }
    check_rest(dir, found, wrong)
}

/// Checks the logs that are in their places.
fn check_rest(dir: &Path, mut logs: BTreeMap<WorkspaceId, Lookup>, misplaced: Misplaced) -> Result<Checks, PortError> {
    logs.retain(|workspace, _| !misplaced.workspaces.contains(workspace));
    Ok(Checks { misplaced: misplaced.damages, states: check_each(dir, logs)? })
}

fn check_each(dir: &Path, logs: BTreeMap<WorkspaceId, Lookup>) -> Result<Vec<State>, PortError> {
    let todo = Mutex::new(logs.into_iter());
    let done = Mutex::new(Ok(Vec::new()));
    let work = || {
        loop {
            let Some((workspace, lookup)) = lock(&todo).next() else { break };
            let path = dir.join(workspace.as_str());
            let state = match (check(&path, &workspace, lookup), lookup.registered()) {
                (Ok(check), _) => Ok(State::Checked(Box::new(check))),
                (Err(error), Some(registered)) if files::is_absent(&error) && !path.exists() => {
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
    complete_deletions(database).map_err(|error| unusable(&data, error))?;
    let Checks { misplaced, states } = check_all(database).map_err(|error| unusable(&data, error))?;
    if !misplaced.is_empty() {
        return Err(OpenError::MisplacedLogs { path: data, damages: misplaced });
    }
    let dir = database.log_dir();
    if let Some(other) = states.iter().find(|state| state.is_foreign()) {
        let reason = other.damages(&dir).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        return Err(OpenError::ForeignLog { path: data, reason });
    }
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
        let log = Log::load(*check, (limits, faults.clone(), database.synced_commits())).map_err(not_writable)?;
        logs.push((workspace, log));
    }
    Ok(logs)
}

/// A failed check as an error of the directory. Only bytes that were read can be damage.
pub(crate) fn unusable(data: &Path, error: PortError) -> OpenError {
    let path = data.to_owned();
    match error.kind {
        ErrorKind::Corrupt | ErrorKind::Invalid => OpenError::Damaged { path, reason: error.to_string() },
        _ => OpenError::NotWritable { path, source: io::Error::other(error.to_string()) },
    }
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
