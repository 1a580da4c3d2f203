//! Deleting logs, and completing deletions that were interrupted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::check::Lookup;
use super::deleted::{DeletedLog, DeletedLogs};
use super::files;
use super::log::{Log, lock};
use super::mark::end_path;
use super::registry::{known, registered};
use crate::database::{Database, Durability, WriteBatch, prefix};
use crate::series_store;
use earcon_model::WorkspaceId;
use earcon_ports::PortError;

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
    database.commit(batch, Durability::Synced)?;
    let dir = logs.join(workspace.as_str());
    if !dir.exists() {
        // The next log of this name replaces it.
        let _left = std::fs::remove_file(end_path(&dir)).is_err();
    }
    Ok(())
}

/// How directories of deleted logs are named until they are gone. No workspace has such a name.
pub(super) const DELETED: &str = ".deleted-";

/// The logs whose deletion was interrupted, with the directories that are left.
pub(super) fn interrupted_deletions(logs: &Path) -> io::Result<Vec<(WorkspaceId, PathBuf)>> {
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
    known_and_deleted(database, deleted)?.iter().try_for_each(|workspace| remove_data(database, workspace))
}

/// Deletes everything that the database has of a workspace.
pub(crate) fn remove_data(database: &Database, workspace: &WorkspaceId) -> Result<(), PortError> {
    series_store::remove_all(database, workspace)?;
    series_store::remove_prefix(database, database.snapshots, &prefix(workspace))?;
    series_store::remove_prefix(database, database.meta, &prefix(workspace))?;
    remove_record(database, workspace, None)
}

/// Deleted workspaces that the database still has: it is older than the deletion, or lost a commit
/// of it. A workspace that was made again has a log.
pub(crate) fn still_known(database: &Database) -> Result<Vec<WorkspaceId>, PortError> {
    let dir = database.log_dir();
    let mut deleted = DeletedLogs::of_database(database)?;
    deleted.extend(DeletedLogs::read(&dir).map_err(|error| files::read_failure(&dir, error))?.iter().cloned());
    let mut found = known_and_deleted(database, &deleted)?;
    let known = known(database)?;
    let view = database.snapshot()?;
    for workspace in deleted.iter().filter_map(|deleted| WorkspaceId::new(&deleted.workspace).ok()) {
        let has_data = [database.meta, database.snapshots, database.history.heads, database.history.series]
            .into_iter()
            .any(|table| view.prefix(table, prefix(&workspace)).next().is_some());
        if has_data && !known.contains_key(&workspace) && !found.contains(&workspace) {
            found.push(workspace);
        }
    }
    Ok(found)
}

fn known_and_deleted(database: &Database, deleted: &DeletedLogs) -> Result<Vec<WorkspaceId>, PortError> {
    let logs = database.log_dir();
    let is_deleted = |lookup: &Lookup| lookup.registered().is_some_and(|log| deleted.get(log.log_id).is_some());
    let known = known(database)?.into_iter();
    let found = known.filter(|(workspace, lookup)| is_deleted(lookup) && !logs.join(workspace.as_str()).exists());
    Ok(found.map(|(workspace, _)| workspace).collect())
}
