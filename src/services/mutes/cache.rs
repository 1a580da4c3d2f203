//! The mutes of each workspace with their windows, as they were last read.

use std::sync::Arc;
use std::time::Duration;

use super::stored::{MuteRecord, all, blocking, restored_all};
use crate::mutes::Mutes;
use crate::services::cached::{CachePolicy, Cached};
use crate::services::records::Records;
use earcon_model::{Clock, WorkspaceKey};
use earcon_ports::{PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// A caller waits for a read of mutes that are older than this, but not for long.
pub(super) const POLICY: CachePolicy = CachePolicy {
    fresh_for: Duration::from_secs(3),
    usable_for: Duration::from_secs(3),
    wait_at_most: Duration::from_millis(500),
    most: 10_000,
};
/// Windows of repeated mutes are computed again after this time.
const RECOMPUTE_AFTER_MS: i64 = 86_400_000;

/// The mutes of all workspaces. Cheap to clone.
#[derive(Clone)]
pub(super) struct MuteCache(Cached<Snapshot>);

/// The mutes of a workspace with their windows, and the revisions they were computed from.
struct Snapshot {
    mutes: Arc<Mutes>,
    revisions: Vec<(String, Revision)>,
    computed_at_ms: i64,
}

impl MuteCache {
    pub(super) fn new(records: Records<MuteRecord>, clock: Arc<dyn Clock>) -> Self {
        Self(Cached::new("mutes", POLICY, move |pass, known| {
            let (records, now_ms) = (records.clone(), clock.now_ms());
            async move { load(&records, &pass, known, now_ms).await }
        }))
    }

    /// The mutes by the policy; none if they were never read.
    pub(super) async fn current(&self, pass: &WorkspacePass) -> Arc<Mutes> {
        // The cache has warned about a read that failed.
        self.0.get(pass).await.map(|snapshot| snapshot.mutes.clone()).unwrap_or_default()
    }

    /// The mutes as they were last read; none if they were never read. Reads nothing.
    pub(super) fn snapshot(&self, workspace: &WorkspaceKey) -> Arc<Mutes> {
        self.0.known(workspace).map(|snapshot| snapshot.mutes.clone()).unwrap_or_default()
    }

    /// Reads the mutes now. If that fails, those that are known are kept.
    ///
    /// # Errors
    /// If it fails and none are known.
    pub(super) async fn refresh_or_keep(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        match self.refresh(pass).await {
            Err(error) if self.0.known(pass.key()).is_some() => {
                tracing::warn!(workspace = %pass.workspace(), %error, "mutes cannot be read; the known ones hold");
                Ok(())
            }
            result => result,
        }
    }

    /// Reads the mutes now.
    pub(super) async fn refresh(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        self.0.refresh(pass).await.map(drop)
    }
}

async fn load(
    records: &Records<MuteRecord>,
    pass: &WorkspacePass,
    known: Option<Arc<Snapshot>>,
    now_ms: i64,
) -> Result<Arc<Snapshot>, PortError> {
    let stored = all(records, pass).await?;
    let revisions: Vec<_> = stored.records.iter().map(|record| (record.name.clone(), record.revision)).collect();
    let recent = |known: &Snapshot| (0..RECOMPUTE_AFTER_MS).contains(&(now_ms - known.computed_at_ms));
    if let Some(known) = known.filter(|known| known.revisions == revisions && recent(known)) {
        return Ok(known);
    }
    let mutes = blocking(move || restored_all(stored, now_ms)).await?.mutes;
    let mutes = Arc::new(Mutes::new(mutes.into_iter().map(|stored| stored.mute).collect()));
    Ok(Arc::new(Snapshot { mutes, revisions, computed_at_ms: now_ms }))
}
