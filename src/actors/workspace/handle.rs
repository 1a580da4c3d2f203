//! What gateways and sources hold of a workspace.

use std::sync::Arc;

use ractor::ActorRef;
use tokio::sync::oneshot;

use super::{Children, Route, Routes, SupervisorMessage};
use crate::actors::Context;
use crate::actors::experiments::Experiments;
use crate::actors::hub::Hub;
use crate::actors::ingest::Admission;
use crate::actors::mix::Mix;
use earcon_model::{Acknowledgement, Anomaly, Feedback, FeedbackOutcome, KpiName, Seq, WorkspaceId};
use earcon_tenancy::WorkspacePass;

/// A running workspace. Cheap to clone; its questions fail when the workspace goes away.
#[derive(Clone)]
pub struct WorkspaceHandle {
    context: Context,
    pass: WorkspacePass,
    supervisor: ActorRef<SupervisorMessage>,
    routes: Arc<Routes>,
    admission: Admission,
    children: Children,
}

/// The workspace is being closed or opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the workspace is restarting; try again in a second")]
pub struct Unavailable;

impl WorkspaceHandle {
    pub(super) fn new(
        context: Context,
        pass: WorkspacePass,
        supervisor: ActorRef<SupervisorMessage>,
        routes: Arc<Routes>,
        admission: Admission,
        children: Children,
    ) -> Self {
        Self { context, pass, supervisor, routes, admission, children }
    }

    /// Its identifier.
    pub fn id(&self) -> &WorkspaceId {
        self.pass.workspace()
    }

    /// Live events and the present state.
    pub fn hub(&self) -> &Hub {
        &self.children.hub
    }

    /// Its default mix.
    pub fn mix(&self) -> &Mix {
        &self.children.mix
    }

    /// What is tried out in it.
    pub fn experiments(&self) -> &Experiments {
        &self.children.experiments
    }

    /// The last event that history has taken in.
    pub fn history_position(&self) -> Seq {
        self.children.history.reached()
    }

    /// Where the samples of each KPI go.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The bound on samples in flight.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Starts streams for KPIs never seen before. Those that are over the limit stay without a route.
    pub async fn ensure_streams(&self, kpis: Vec<KpiName>) -> Result<(), Unavailable> {
        self.ask(|reply| SupervisorMessage::EnsureStreams(kpis, reply)).await
    }

    /// Starts a parked KPI again; answers whether it was parked.
    pub async fn resume(&self, kpi: KpiName) -> Result<bool, Unavailable> {
        self.ask(|reply| SupervisorMessage::Resume(kpi, reply)).await
    }

    /// Records that `by` has seen this anomaly; returns what was recorded, after the commit.
    pub async fn acknowledge(
        &self,
        anomaly: &Anomaly,
        by: String,
        note: Option<String>,
    ) -> Result<Acknowledgement, Unavailable> {
        let Some(Route::Running(stream)) = self.routes.find(&anomaly.kpi) else { return Err(Unavailable) };
        let acknowledgement = Acknowledgement { at_ms: self.context.clock.now_ms(), by, note };
        let labels = anomaly.labels.clone();
        stream.acknowledge(anomaly.id, labels, acknowledgement.clone()).await.ok_or(Unavailable)?;
        Ok(acknowledgement)
    }

    /// Records what `by` said of this anomaly; returns what was recorded, after the commit.
    pub async fn judge(
        &self,
        anomaly: &Anomaly,
        outcome: FeedbackOutcome,
        by: String,
        note: Option<String>,
    ) -> Result<Feedback, Unavailable> {
        let Some(Route::Running(stream)) = self.routes.find(&anomaly.kpi) else { return Err(Unavailable) };
        let feedback = Feedback { outcome, at_ms: self.context.clock.now_ms(), by, note };
        stream.judge(anomaly.id, anomaly.labels.clone(), feedback.clone()).await.ok_or(Unavailable)?;
        Ok(feedback)
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> SupervisorMessage) -> Result<T, Unavailable> {
        let (sender, receiver) = oneshot::channel();
        self.supervisor.cast(message(sender)).map_err(|_| Unavailable)?;
        receiver.await.map_err(|_| Unavailable)
    }

    pub(in crate::actors) fn supervisor_id(&self) -> ractor::ActorId {
        self.supervisor.get_id()
    }

    /// Stops at once, because another node owns the workspace: nothing is taken, written or flushed any more. What was
    /// acknowledged is in the log.
    pub async fn abandon(&self) {
        self.routes.shut();
        let _already_stopped = self.supervisor.stop_and_wait(None, None).await.is_err();
    }

    /// Shuts down bottom-up: streams hand over and stop, the log writes what is queued, history reads to the end,
    /// snapshots are saved. Nothing acknowledged is lost even if this is cut short; it only saves a replay.
    pub async fn finish(&self) {
        let _gone = self.ask(SupervisorMessage::FinishStreams).await.is_err();
        self.children.log.barrier().await;
        self.children.incidents.finish().await;
        self.children.log.barrier().await;
        self.children.log.stop().await;
        self.children.hub.stop().await;
        self.children.mix.stop().await;
        let fan_out = async {
            if let Some(fan_out) = &self.children.fan_out {
                fan_out.finish().await;
            }
        };
        tokio::join!(self.children.history.finish(), fan_out);
        self.children.snapshotter.flush().await;
        let _already_stopped = self.supervisor.stop_and_wait(None, None).await.is_err();
    }
}
