//! Deleting all that the stores hold of a workspace.
//!
//! A record says first that the workspace goes. It is deleted last, with all other records. So a
//! deletion that is interrupted goes on at the next start, and until then nothing opens the rest.

use crate::actors::context::Backends;
use crate::services::records::Family;
use earcon_model::WorkspaceId;
use earcon_ports::{ErrorKind, PortError};
use earcon_tenancy::Authorizer;

const DELETING: &str = "deleting";

/// Deletes workspaces from the stores.
#[derive(Clone)]
pub(super) struct Deletions {
    backends: Backends,
    authorizer: Authorizer,
}

impl Deletions {
    pub(super) fn new(backends: Backends, authorizer: Authorizer) -> Self {
        Self { backends, authorizer }
    }

    /// Records durably that the workspace goes.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn begin(&self, id: &WorkspaceId) -> Result<(), PortError> {
        let (pass, key) = (self.authorizer.system(id), Family::Workspace.key(DELETING));
        match self.backends.meta_store.put(&pass, &key, 0, Vec::new()).await {
            Err(error) if error.kind != ErrorKind::Conflict => Err(error),
            _ => Ok(()),
        }
    }

    /// Deletes everything of the workspace. Nothing of it may run.
    ///
    /// # Errors
    /// Those of the stores. The rest is deleted at the next attempt.
    pub(super) async fn carry_out(&self, id: &WorkspaceId) -> Result<(), PortError> {
        let (backends, pass) = (&self.backends, self.authorizer.system(id));
        backends.series_store.remove(&pass).await?;
        backends.snapshot_store.remove(&pass).await?;
        backends.event_log.remove(&pass).await?;
        backends.meta_store.remove(&pass).await
    }

    /// Goes on with a deletion that was interrupted. Returns whether there was one.
    ///
    /// # Errors
    /// Those of the stores.
    pub(super) async fn goes_on(&self, id: &WorkspaceId) -> Result<bool, PortError> {
        let key = Family::Workspace.key(DELETING);
        if self.backends.meta_store.get(&self.authorizer.system(id), &key).await?.is_none() {
            return Ok(false);
        }
        tracing::info!(workspace = %id, "the deletion of the workspace goes on");
        self.carry_out(id).await.map(|()| true)
    }
}
