//! Deleting all that the stores hold of a workspace, and what a node without others records of it.
//!
//! A record says first that the workspace goes. It is deleted last, with all other records. So a
//! deletion that is interrupted goes on at the next start, and until then nothing opens the rest.
//! In a cluster the shared table says so instead.
//!
//! A new workspace has a generation of its own, a number above that of an earlier workspace of its
//! name. Shared stores keep it apart from that one. A node without others makes it of the time, and
//! records it: the embedded storage has no other place for it.

use crate::actors::context::Backends;
use crate::services::records::Family;
use earcon_model::{WorkspaceId, WorkspaceKey};
use earcon_ports::{DELETING_RECORD, ErrorKind, PortError};
use earcon_tenancy::{Authorizer, WorkspacePass};

const GENERATION: &str = "generation";

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
        let pass = self.authorizer.system(id);
        self.record(&pass, DELETING_RECORD, Vec::new()).await?;
        // From now on requests find no workspace.
        self.authorizer.retire(pass.key());
        Ok(())
    }

    /// Deletes everything of the workspace. Nothing of it may run.
    ///
    /// # Errors
    /// Those of the stores. The rest is deleted at the next attempt.
    pub(super) async fn carry_out(&self, key: &WorkspaceKey) -> Result<(), PortError> {
        let (backends, pass) = (&self.backends, self.authorizer.system_in(key.clone()));
        backends.series_store.remove(&pass).await?;
        backends.snapshot_store.remove(&pass).await?;
        backends.event_log.remove(&pass).await?;
        backends.meta_store.remove(&pass).await
    }

    /// [`Self::carry_out`] for the latest workspace of a name.
    ///
    /// # Errors
    /// Those of the stores.
    pub(super) async fn carry_out_latest(&self, id: &WorkspaceId) -> Result<(), PortError> {
        self.carry_out(self.authorizer.system(id).key()).await
    }

    /// Finds the generation of a workspace that the storage lists. Goes on with a deletion that was
    /// interrupted. Returns whether there is such a workspace.
    ///
    /// # Errors
    /// Those of the stores.
    pub(super) async fn found(&self, listed: &WorkspaceKey) -> Result<bool, PortError> {
        let (pass, meta) = (self.authorizer.system_in(listed.clone()), &self.backends.meta_store);
        let recorded = meta.get(&pass, &Family::Workspace.key(GENERATION)).await?;
        let recorded = recorded.and_then(|record| std::str::from_utf8(&record.value).ok()?.parse().ok());
        let key = WorkspaceKey::new(listed.workspace().clone(), recorded.unwrap_or(listed.generation()));
        self.authorizer.begin_generation(&key);
        if meta.get(&pass, DELETING_RECORD).await?.is_none() {
            return Ok(true);
        }
        tracing::info!(workspace = %key, "the deletion of the workspace goes on");
        self.authorizer.retire(&key);
        self.carry_out(&key).await.map(|()| false)
    }

    /// Begins a generation if there is no workspace of this name, and records it.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn begin_generation(&self, id: &WorkspaceId, now_ms: i64) -> Result<(), PortError> {
        let last = self.authorizer.generation(id);
        if last.is_some() && !self.authorizer.is_retired(id) {
            return Ok(());
        }
        let number = u64::try_from(now_ms).unwrap_or(0).max(last.map_or(0, |last| last + 1));
        let key = WorkspaceKey::new(id.clone(), number);
        let pass = self.authorizer.system_in(key.clone());
        self.record(&pass, &Family::Workspace.key(GENERATION), number.to_string().into_bytes()).await?;
        self.authorizer.begin_generation(&key);
        Ok(())
    }

    async fn record(&self, pass: &WorkspacePass, key: &str, value: Vec<u8>) -> Result<(), PortError> {
        match self.backends.meta_store.put(pass, key, 0, value).await {
            Err(error) if error.kind != ErrorKind::Conflict => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_of_a_deletion_is_of_the_family_of_the_workspace() {
        assert_eq!(Family::Workspace.key("deleting"), DELETING_RECORD);
    }
}
