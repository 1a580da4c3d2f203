//! Which workspaces have a log: a record in the database for each. So a directory that vanished is
//! noticed, and so is a database that was replaced.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::check::{LogCheck, Lookup, Registered};
use super::damage::Damage;
use super::deletion::complete_deletions;
use super::files;
use super::log::{Log, lock};
use super::states::{Checks, State, check_all};
use super::writer::{Faults, SegmentLimits};
use crate::database::{Database, Durability, WriteBatch, corrupt, unreadable};
use crate::open_error::OpenError;
use crate::series_store;
use earcon_model::{Seq, WorkspaceId};
use earcon_ports::{ErrorKind, PortError};

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
    epoch: u64,
}

/// Records durably that a workspace has a log, and how far it went.
pub(super) fn register(database: &Database, workspace: &WorkspaceId, registered: Registered) -> Result<(), PortError> {
    write(database, workspace, registered, Durability::Synced)
}

fn write(
    database: &Database,
    workspace: &WorkspaceId,
    Registered { log_id, next, reserved, epoch }: Registered,
    durability: Durability,
) -> Result<(), PortError> {
    let record = postcard::to_stdvec(&Record { version: VERSION, log_id, next, reserved, epoch })
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
    let wanted = Registered { next: log.next(), reserved, epoch: log.epoch_number(), ..*registered };
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

/// Records that a log began an epoch, which its segments have durably. It lasts over the end of the
/// process, and over a power cut with the next synced write of the database. A full disk is no
/// reason to stay closed: the next record has it.
pub(super) fn record_epoch(database: &Database, workspace: &WorkspaceId, log: &Log) {
    let mut registered = lock(&log.registered);
    let wanted = Registered { epoch: log.epoch_number(), ..*registered };
    let is_written = wanted != *registered
        && !log.removed.load(Ordering::Relaxed)
        && write(database, workspace, wanted, Durability::Buffered).is_ok();
    if is_written {
        *registered = wanted;
    }
}

/// Records how far a log went: durably in its marks, and in the database with its next synced
/// write.
pub(super) fn record_end(database: &Database, workspace: &WorkspaceId, log: &Log) -> Result<(), PortError> {
    log.sync_marks()?;
    let mut registered = lock(&log.registered);
    let wanted = Registered { next: log.next(), epoch: log.epoch_number(), ..*registered };
    if wanted != *registered && !log.removed.load(Ordering::Relaxed) {
        write(database, workspace, wanted, Durability::Buffered)?;
        *registered = wanted;
    }
    Ok(())
}

pub(super) fn registered(database: &Database, workspace: &WorkspaceId) -> Result<Option<Registered>, PortError> {
    let stored = database.snapshot()?.get(database.logs, workspace.as_str()).map_err(unreadable)?;
    stored.map(|value| decode(workspace.as_str().as_bytes(), &value).map(|(_, registered)| registered)).transpose()
}

/// Removes the record of a log alone, durably.
pub(super) fn remove_registration(database: &Database, workspace: &WorkspaceId) -> Result<(), PortError> {
    let mut batch = WriteBatch::default();
    batch.remove(database.logs, workspace.as_str());
    database.commit(batch, Durability::Synced)
}

pub(super) fn known(database: &Database) -> Result<BTreeMap<WorkspaceId, Lookup>, PortError> {
    let mut found = BTreeMap::new();
    let snapshot = database.snapshot()?;
    let cursors = series_store::cursors(&snapshot);
    for entry in snapshot.iter(database.logs) {
        let (key, value) = entry.into_inner().map_err(unreadable)?;
        let (workspace, registered) = decode(&key, &value)?;
        let registered = registered.read_by(&cursors, &workspace);
        found.insert(workspace, Lookup::Found(registered));
    }
    for workspace in directories(&database.log_dir())? {
        found.entry(workspace).or_insert(Lookup::Absent);
    }
    Ok(found)
}

pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<(WorkspaceId, Registered), PortError> {
    let name = std::str::from_utf8(key).map_err(|_| corrupt("the name of a workspace"))?;
    let workspace = WorkspaceId::new(name).map_err(|_| corrupt("the name of a workspace"))?;
    match postcard::from_bytes::<Record>(value) {
        Ok(Record { version: VERSION, log_id, next, reserved, epoch }) => {
            Ok((workspace, Registered { log_id, next, reserved, epoch }))
        }
        _ => Err(corrupt("the record of a log")),
    }
}

/// The workspaces with a directory in `dir`.
pub(super) fn directories(dir: &Path) -> Result<Vec<WorkspaceId>, PortError> {
    let mut found = Vec::new();
    for name in std::fs::read_dir(dir).map_err(|error| files::read_failure(dir, error))? {
        let name = name.map_err(|error| files::read_failure(dir, error))?.file_name();
        found.extend(name.to_str().and_then(|name| WorkspaceId::new(name).ok()));
    }
    Ok(found)
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
    let Checks { misplaced, states } = check_all(database).map_err(|error| unusable(&data, error))?;
    if !misplaced.is_empty() {
        return Err(OpenError::MisplacedLogs { path: data, is_begun: false, damages: misplaced });
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
    // Not before: a start that is refused changes nothing.
    complete_deletions(database).map_err(|error| unusable(&data, error))?;
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
