//! Workspaces that were deleted and made again, in a database that lost commits of it.
//!
//! Logs and the list of deleted logs are files, so they tell what the database forgot: a record of
//! a deleted log is of the earlier workspace. The log that is there is of the present one, and a
//! repair keeps it. What the database has of the earlier one must not come back, and the record of
//! its deletion must not delete the present one.

use std::path::Path;

use super::check::{Lookup, Registered, check};
use super::deleted::DeletedLogs;
use super::deletion::remove_data;
use super::files;
use super::registry::{registered, remove_registration};
use super::states::deleted_logs;
use crate::database::Database;
use crate::meta_store;
use crate::repairs::steps::step;
use earcon_model::WorkspaceId;
use earcon_ports::{DELETING_RECORD, OPENING_RECORD, PortError};

/// What a repair does with the data of a workspace that was made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outdated {
    /// All of it is of the deleted workspace: it is deleted.
    Data,
    /// Settings of the present workspace are among it: only the record of the deleted log goes, and
    /// that of the deletion.
    Records,
}

/// A workspace that was deleted and made again, and what of the database is outdated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remade {
    pub(crate) workspace: WorkspaceId,
    pub(crate) outdated: Outdated,
    /// Whether the database says that the workspace is being deleted. Nothing tells which one.
    pub(crate) has_begun_deletion: bool,
}

/// What the database knows of a workspace whose name a deleted one had.
#[derive(Debug, Clone, Copy)]
struct Known<'a> {
    /// Whether its record of the log is that of a deleted log. `None` without a record.
    is_of_deleted: Option<bool>,
    /// The epoch with which the log was opened last.
    opening: Option<&'a str>,
    has_deletion: bool,
}

impl Known<'_> {
    /// The outdated part, if any. `epochs` are those of the log that is there.
    fn outdated(&self, epochs: &[String]) -> Option<Outdated> {
        let is_own = self.opening.map(|opening| epochs.iter().any(|epoch| epoch == opening));
        match (self.is_of_deleted, is_own) {
            // The database knows the log that is there.
            (Some(false), _) => self.has_deletion.then_some(Outdated::Records),
            (_, Some(true)) | (None, None) => {
                (self.is_of_deleted.is_some() || self.has_deletion).then_some(Outdated::Records)
            }
            (_, Some(false)) | (Some(_), None) => Some(Outdated::Data),
        }
    }
}

/// Whether the record of a log is that of a deleted one, and another log is in its place.
pub(super) fn is_outdated(logs: &Path, workspace: &WorkspaceId, record: Registered, deleted: &DeletedLogs) -> bool {
    deleted.get(record.log_id).is_some() && logs.join(workspace.as_str()).exists()
}

/// Finds the workspaces that were made again and have outdated data. `is_lacking` says that commits
/// of the database are lost. `cleared` are those whose data an earlier attempt began to delete.
///
/// # Errors
/// When a log or the database cannot be read.
pub(crate) fn remade(database: &Database, is_lacking: bool, cleared: &[String]) -> Result<Vec<Remade>, PortError> {
    let (logs, deleted) = (database.log_dir(), deleted_logs(database)?);
    let mut names: Vec<WorkspaceId> =
        deleted.iter().filter_map(|deleted| WorkspaceId::new(&deleted.workspace).ok()).collect();
    names.sort();
    names.dedup();
    let mut found = Vec::new();
    for workspace in names {
        let dir = logs.join(workspace.as_str());
        if !dir.is_dir() {
            continue;
        }
        let is_of_deleted = registered(database, &workspace)?.map(|record| deleted.get(record.log_id).is_some());
        let has_deletion = meta_store::value(database, &workspace, DELETING_RECORD)?.is_some();
        // A whole database has the deletion of the present one only.
        if is_of_deleted == Some(false) && !(has_deletion && is_lacking) {
            continue;
        }
        let opening = meta_store::value(database, &workspace, OPENING_RECORD)?;
        let opening = opening.as_ref().map(|epoch| String::from_utf8_lossy(epoch));
        let present = check(&dir, &workspace, Lookup::Unknown).map_err(|error| files::read_failure(&dir, error))?;
        let mut epochs: Vec<String> = present.epochs().into_iter().map(|entry| entry.epoch).collect();
        epochs.extend(present.own_mark().map(|mark| mark.epoch.clone()));
        let known = Known { is_of_deleted, opening: opening.as_deref(), has_deletion };
        let outdated = match known.outdated(&epochs) {
            Some(_) if is_of_deleted != Some(false) && cleared.iter().any(|name| name == workspace.as_str()) => {
                Outdated::Data
            }
            Some(outdated) => outdated,
            None => continue,
        };
        let has_begun_deletion = has_deletion && outdated == Outdated::Records;
        found.push(Remade { workspace, outdated, has_begun_deletion });
    }
    Ok(found)
}

impl Remade {
    /// Deletes the outdated part. The log stays.
    ///
    /// # Errors
    /// Those of the database. The next attempt finds the rest.
    pub(crate) fn clear(&self, database: &Database) -> Result<(), PortError> {
        let logs = database.log_dir();
        step().map_err(|error| files::write_failure(&logs, error))?;
        match self.outdated {
            Outdated::Data => remove_data(database, &self.workspace),
            Outdated::Records => {
                meta_store::remove(database, &self.workspace, DELETING_RECORD)?;
                let record = registered(database, &self.workspace)?;
                let deleted = deleted_logs(database)?;
                match record.filter(|record| deleted.get(record.log_id).is_some()) {
                    Some(_) => remove_registration(database, &self.workspace),
                    None => Ok(()),
                }
            }
        }
    }

    /// A sentence for the list of things that a repair kept.
    pub(crate) fn sentence(&self) -> Option<String> {
        (self.outdated == Outdated::Data).then(|| {
            "an earlier workspace of this name was deleted, and the database is from before that. What it still had of \
             the earlier one is deleted. The log of the present one is kept; its settings are lost, and its history \
             from before its log begins"
                .to_owned()
        })
    }

    /// What cannot be known, as a sentence without a full stop.
    pub(crate) fn doubt(&self) -> Option<String> {
        self.has_begun_deletion.then(|| {
            format!(
                "workspace {0}: it was deleted and created again, and the database says that it is being deleted. \
                 Nothing tells whether that is the earlier or the present one, so the present one is kept. If it was \
                 to be deleted, delete it again",
                self.workspace
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_of_the_last_opening_tells_whose_the_data_are() {
        let epochs = ["new".to_owned()];
        let outdated =
            |is_of_deleted, opening, has_deletion| Known { is_of_deleted, opening, has_deletion }.outdated(&epochs);
        for has_deletion in [true, false] {
            // The record of the deleted log is there, or none, and the epoch is of the deleted one.
            assert_eq!(outdated(Some(true), Some("old"), has_deletion), Some(Outdated::Data));
            assert_eq!(outdated(Some(true), None, has_deletion), Some(Outdated::Data));
            assert_eq!(outdated(None, Some("old"), has_deletion), Some(Outdated::Data));
            // Settings of the present one are among them.
            assert_eq!(outdated(Some(true), Some("new"), has_deletion), Some(Outdated::Records));
        }
        assert_eq!(outdated(None, Some("new"), false), None);
        assert_eq!(outdated(None, None, false), None);
        assert_eq!(outdated(Some(false), Some("old"), false), None);
        for (is_of_deleted, opening) in [(None, Some("new")), (None, None), (Some(false), Some("new"))] {
            assert_eq!(outdated(is_of_deleted, opening, true), Some(Outdated::Records));
        }
    }
}
