//! The request to delete a workspace. Its entry in the table says that it goes; from then on the
//! deletion goes on by itself, whatever node fails.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::handle::Cluster;
use crate::actors::node::OpenError;
use crate::cluster::{Key, Ownership, Standing};
use earcon_model::WorkspaceId;
use earcon_ports::{ErrorKind, PortError, Revision};

/// How long a request waits until nothing is left. Clients wait no longer than ten seconds.
const WAIT_AT_MOST: Duration = Duration::from_secs(8);
/// How often an entry that changes meanwhile is read again.
const ATTEMPTS: usize = 8;

/// How far the deletion of a workspace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceDeletion {
    /// There is no such workspace.
    Unknown,
    /// Nothing is left of it.
    Done,
    /// It is recorded, and goes on by itself.
    GoesOn,
}

impl Cluster {
    /// Deletes the workspace. Returns when nothing is left, or after a while.
    ///
    /// # Errors
    /// `Unavailable` if the table cannot be read or written.
    pub async fn delete(&self, workspace: &WorkspaceId) -> Result<WorkspaceDeletion, OpenError> {
        let unavailable = |error: PortError| {
            tracing::warn!(%workspace, %error, "the deletion of a workspace could not be recorded");
            OpenError::Unavailable
        };
        match self.begin_deletion(workspace).await.map_err(unavailable)? {
            Some(generation) => Ok(self.wait_until_deleted(workspace, generation).await),
            None => Ok(WorkspaceDeletion::Unknown),
        }
    }

    /// Writes that the workspace goes. Returns its generation; `None` if there is no workspace.
    async fn begin_deletion(&self, workspace: &WorkspaceId) -> Result<Option<u64>, PortError> {
        let key = Key::Workspace(workspace.clone()).text();
        for _ in 0..ATTEMPTS {
            let Some((revision, found)) = self.read_entry(workspace, &key).await? else { return Ok(None) };
            let generation = found.generation;
            match found.standing {
                Standing::Deleted => return Ok(None),
                Standing::Deleting => return Ok(Some(generation)),
                Standing::Live => {}
            }
            // The owner stays in the entry: it closes the workspace, then deletes its data.
            let deleting = Ownership { standing: Standing::Deleting, ..found };
            let value = serde_json::to_vec(&deleting)
                .map_err(|error| PortError::caused(ErrorKind::Invalid, "an entry cannot be encoded", error))?;
            match self.registry().compare_and_set(&key, revision, value).await {
                Ok(revision) => {
                    tracing::info!(%workspace, "the workspace is being deleted");
                    self.set_owner(workspace, revision, deleting);
                    return Ok(Some(generation));
                }
                // It has moved to another node.
                Err(error) if error.kind == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(PortError::new(ErrorKind::Unavailable, "the workspace moves from node to node"))
    }

    /// The entry of the table. A workspace that has none yet, but data in the stores, has an entry
    /// at revision 0.
    async fn read_entry(&self, workspace: &WorkspaceId, key: &str) -> Result<Option<(Revision, Ownership)>, PortError> {
        let Some((revision, value)) = self.registry().get(key).await? else {
            let found = self.shared().read(|view| view.entry(workspace).cloned());
            return Ok(found.filter(|(revision, _)| *revision == 0));
        };
        let ownership: Ownership = serde_json::from_slice(&value)
            .map_err(|error| PortError::caused(ErrorKind::Corrupt, format!("cannot read the entry {key}"), error))?;
        self.set_owner(workspace, revision, ownership.clone());
        Ok(Some((revision, ownership)))
    }

    async fn wait_until_deleted(&self, workspace: &WorkspaceId, generation: u64) -> WorkspaceDeletion {
        let deadline = Instant::now() + WAIT_AT_MOST;
        loop {
            let changed = self.shared().changed.notified();
            let goes_on = self.shared().read(|view| {
                view.entry(workspace).is_some_and(|(_, ownership)| {
                    ownership.generation == generation && ownership.standing != Standing::Deleted
                })
            });
            if !goes_on {
                return WorkspaceDeletion::Done;
            }
            if timeout_at(deadline, changed).await.is_err() {
                return WorkspaceDeletion::GoesOn;
            }
        }
    }
}
