//! Scoring state at a position of the log. It keeps the replay after a restart short.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::PortError;
use earcon_model::{KpiName, Seq};
use earcon_tenancy::WorkspacePass;

/// The scoring state of one KPI after all events of the log up to and including `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The KPI.
    pub kpi: KpiName,
    /// The last event it includes.
    pub seq: Seq,
    /// Opaque to the store.
    pub state: Vec<u8>,
}

/// Stores the latest snapshot of every KPI of a workspace.
#[async_trait]
pub trait SnapshotStore: Send + Sync + 'static {
    /// Replaces the KPI's snapshot, unless the stored one has a higher `seq`: a node that lost the
    /// workspace must not overwrite the new owner's snapshot. Need not be durable at once: a lost
    /// snapshot costs replay time, not data.
    ///
    /// # Errors
    /// `Invalid` when `seq` is larger than `i64::MAX`.
    async fn put(&self, pass: &WorkspacePass, snapshot: Snapshot) -> Result<(), PortError>;
    /// [`Self::put`] for snapshots of several KPIs, with few threads and connections. After a
    /// failure some of them may be stored.
    ///
    /// # Errors
    /// As for one.
    async fn put_all(&self, pass: &WorkspacePass, snapshots: Vec<Arc<Snapshot>>) -> Result<(), PortError>;
    /// The KPI's latest snapshot.
    async fn get(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<Option<Snapshot>, PortError>;
    /// The latest snapshots of all KPIs of the workspace, in order of name.
    async fn all(&self, pass: &WorkspacePass) -> Result<Vec<Snapshot>, PortError>;
    /// Deletes the KPI's snapshot.
    async fn delete(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<(), PortError>;
}
