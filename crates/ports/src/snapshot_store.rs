//! Scoring state at a position of the log, so that a restart replays little.

use async_trait::async_trait;

use super::PortError;
use earcon_model::{KpiName, Seq};
use earcon_tenancy::WorkspacePass;

/// The scoring state of one KPI after it has seen every event of the log up to and including `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose state it is.
    pub kpi: KpiName,
    /// The last event it includes.
    pub seq: Seq,
    /// Opaque to the store.
    pub state: Vec<u8>,
}

/// Keeps the latest snapshot of every KPI of a workspace.
#[async_trait]
pub trait SnapshotStore: Send + Sync + 'static {
    /// Replaces the KPI's snapshot, unless the stored one has a higher `seq`: whoever has lost the workspace to another node
    /// must not undo what that node saved. Need not be durable at once: losing it costs replay time, not data.
    ///
    /// # Errors
    /// `Invalid` when `seq` is larger than `i64::MAX`.
    async fn put(&self, pass: &WorkspacePass, snapshot: Snapshot) -> Result<(), PortError>;
    /// The KPI's latest snapshot.
    async fn get(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<Option<Snapshot>, PortError>;
    /// The latest snapshots of all KPIs of the workspace, in order of name.
    async fn all(&self, pass: &WorkspacePass) -> Result<Vec<Snapshot>, PortError>;
    /// Forgets the KPI's snapshot.
    async fn delete(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<(), PortError>;
}
