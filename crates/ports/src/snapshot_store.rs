//! Scoring state at a position of the log. It keeps the replay after a restart short.
//!
//! The state of a KPI with many series comes in parts. Each part is a state of its own, at its own
//! position, so parts are written and read one by one, and no record says which belong together.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::PortError;
use earcon_model::{KpiName, Seq};
use earcon_tenancy::WorkspacePass;

/// A part of the scoring state of one KPI after all events of the log up to and including `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The KPI.
    pub kpi: KpiName,
    /// Which part. Most KPIs have only part 0.
    pub part: u32,
    /// The last event it includes.
    pub seq: Seq,
    /// Opaque to the store.
    pub state: Vec<u8>,
}

/// Stores the latest snapshot of every part of every KPI of a workspace.
#[async_trait]
pub trait SnapshotStore: Send + Sync + 'static {
    /// Replaces the snapshot of the part, unless the stored one has a higher `seq`: a node that
    /// lost the workspace must not overwrite the new owner's snapshot. Need not be durable at once:
    /// a lost snapshot costs replay time, not data.
    ///
    /// # Errors
    /// `Invalid` when `seq` is larger than `i64::MAX`.
    async fn put(&self, pass: &WorkspacePass, snapshot: Snapshot) -> Result<(), PortError>;
    /// [`Self::put`] for several snapshots, with few threads and connections, in any order. After
    /// a failure some of them may be stored.
    ///
    /// # Errors
    /// As for one.
    async fn put_all(&self, pass: &WorkspacePass, snapshots: Vec<Arc<Snapshot>>) -> Result<(), PortError>;
    /// The latest snapshots of the parts of a KPI in order, from 0 up to the first gap at least.
    async fn get(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<Vec<Snapshot>, PortError>;
    /// Calls `seen` with the latest snapshot of each part of each KPI of the workspace, in any
    /// order. Only a bounded number of them is in memory at once.
    async fn visit(&self, pass: &WorkspacePass, seen: &mut (dyn FnMut(Snapshot) + Send)) -> Result<(), PortError>;
    /// All latest snapshots of the workspace at once, in order of name and part. For tests.
    async fn all(&self, pass: &WorkspacePass) -> Result<Vec<Snapshot>, PortError> {
        let mut all = Vec::new();
        self.visit(pass, &mut |snapshot| all.push(snapshot)).await?;
        all.sort_by(|a, b| (&a.kpi, a.part).cmp(&(&b.kpi, b.part)));
        Ok(all)
    }
    /// Deletes the snapshots of the parts of a KPI, from 0 up to the first gap at least. If it
    /// fails, the first parts are left.
    async fn delete(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<(), PortError>;
    /// Deletes all snapshots of the workspace. Nothing may put others meanwhile. May be repeated.
    /// Another workspace of this name has another generation; a shared store does not serve this
    /// one again.
    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError>;
}
