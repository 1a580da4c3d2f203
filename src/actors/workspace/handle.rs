//! Messages of the workspace supervisor, and the handle that gateways and sources hold.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::{ActorId, ActorRef, ActorStatus};

use super::command::AudioFormat;
use crate::actors::admission::Admission;
use crate::actors::ask::{self, Reply, ask};
use crate::actors::consumer::Consumer;
use crate::actors::context::Context;
use crate::actors::experiments::Experiments;
use crate::actors::hub::Hub;
use crate::actors::incidents::Incidents;
use crate::actors::log_writer::LogWriter;
use crate::actors::mix::Mix;
use crate::actors::refusals::{Refusals, has_good_sample, refusals};
use crate::actors::remote::audio::publisher::AudioPublisher;
use crate::actors::routes::{Route, Routes};
use crate::actors::snapshotter::Snapshotter;
use crate::actors::stream::{Erased, StreamEnd, StreamHandle, StreamId};
use earcon_model::{Clock, Deletion, KpiBatch, KpiName, Seq, WorkspaceId};
use earcon_ports::PortError;
use earcon_streams::{KpiState, StreamSettings};
use earcon_tenancy::WorkspacePass;

/// Messages of the supervisor.
pub(super) enum Message {
    /// Start streams for new KPIs, as far as the limit allows; answers their routes.
    EnsureStreams(Vec<KpiName>, Reply<HashMap<KpiName, Route>>),
    /// Start a parked KPI again; answers whether it was parked.
    Resume(KpiName, Reply<bool>),
    /// Delete some or all of a KPI; answers after the commit, `None` if there is no such KPI.
    Delete(KpiName, Deletion, Reply<Option<Erased>>),
    /// A stream has ended.
    StreamEnded(StreamId, StreamEnd),
    /// The pause before a restart is over.
    Restart(KpiName),
    /// A restart's recovery has ended.
    Recovered(KpiName, Box<Result<KpiState, PortError>>),
    /// Finish all streams; answers after the last has stopped.
    FinishStreams(Reply<()>),
}

/// The children that others talk to.
#[derive(Clone)]
pub(super) struct Children {
    pub(super) log: LogWriter,
    pub(super) hub: Hub,
    pub(super) snapshotter: Snapshotter,
    pub(super) history: Consumer,
    pub(super) fan_out: Option<Consumer>,
    pub(super) incidents: Incidents,
    pub(super) mix: Mix,
    pub(super) experiments: Experiments,
}

/// A running workspace. Cheap to clone; its queries fail if the workspace closes.
#[derive(Clone)]
pub struct WorkspaceHandle {
    pass: WorkspacePass,
    clock: Arc<dyn Clock>,
    wall: Arc<dyn Clock>,
    supervisor: ActorRef<Message>,
    routes: Arc<Routes>,
    admission: Admission,
    scoring: Arc<StreamSettings>,
    audio: Option<AudioPublisher>,
    children: Children,
}

impl WorkspaceHandle {
    pub(super) fn new(
        context: &Context,
        pass: WorkspacePass,
        supervisor: ActorRef<Message>,
        routes: Arc<Routes>,
        children: Children,
    ) -> Self {
        let publisher = |transport| AudioPublisher::new(transport, pass.clone(), children.mix.clone());
        Self {
            audio: context.transport.clone().map(publisher),
            clock: context.clock.clone(),
            wall: context.wall.clone(),
            admission: Admission::new(context.settings.max_in_flight_samples, context.storage.clone()),
            scoring: context.settings.scoring(pass.workspace()),
            pass,
            supervisor,
            routes,
            children,
        }
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

    /// Its experiments and training jobs.
    pub(super) fn experiments(&self) -> &Experiments {
        &self.children.experiments
    }

    /// The last event that history includes.
    pub fn history_position(&self) -> Seq {
        self.children.history.reached()
    }

    /// Waits while history reads what the log holds since its last stop, at most this long.
    pub async fn wait_for_history(&self, most: Duration) {
        self.children.history.wait_for_the_missed(most).await;
    }

    /// How the stream of each KPI can be reached.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The bound on samples in flight.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Whether a KPI would take a sample of the batch.
    pub(in crate::actors) fn takes(&self, batch: &KpiBatch) -> bool {
        has_good_sample(batch, &self.scoring, self.wall.now_ms())
    }

    /// Why a KPI would refuse the samples of a batch.
    pub(in crate::actors) fn refusals(&self, batch: &KpiBatch) -> Refusals {
        refusals(batch, &self.scoring, self.wall.now_ms())
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The stream of a KPI, if it runs.
    pub(super) fn stream(&self, kpi: &KpiName) -> Option<StreamHandle> {
        match self.routes.find(kpi) {
            Some(Route::Running(stream)) => Some(stream),
            _ => None,
        }
    }

    /// Starts streams for new KPIs; returns their routes. Those over the limit stay without a
    /// route.
    pub(in crate::actors) async fn ensure_streams(&self, kpis: Vec<KpiName>) -> Option<HashMap<KpiName, Route>> {
        ask(&self.supervisor, |reply| Message::EnsureStreams(kpis, reply)).await
    }

    /// Starts a parked KPI again; returns whether it was parked.
    pub(super) async fn resume(&self, kpi: KpiName) -> Option<bool> {
        ask(&self.supervisor, |reply| Message::Resume(kpi, reply)).await
    }

    /// Deletes some or all of a KPI; `Some(None)` if there is no such KPI.
    pub(super) async fn delete(&self, kpi: KpiName, deletion: Deletion) -> Option<Option<Erased>> {
        ask(&self.supervisor, |reply| Message::Delete(kpi, deletion, reply)).await
    }

    /// Publishes the audio of the mix to other nodes for a while; `None` without a cluster.
    pub(super) async fn publish_audio(&self) -> Option<AudioFormat> {
        let (pre_skip, voices) = self.audio.as_ref()?.extend_lease().await?;
        Some(AudioFormat { pre_skip, voices })
    }

    /// Whether its actors run.
    pub(in crate::actors) fn is_running(&self) -> bool {
        !matches!(self.supervisor.get_status(), ActorStatus::Stopping | ActorStatus::Stopped)
    }

    pub(in crate::actors) fn supervisor_id(&self) -> ActorId {
        self.supervisor.get_id()
    }

    /// Stops at once, because another node owns the workspace: nothing is admitted, written or
    /// flushed any more. Samples with a receipt are in the log.
    pub async fn abandon(&self) {
        self.routes.shut();
        ask::stop(&self.supervisor).await;
    }

    /// Shuts down bottom-up: streams hand over and stop, the log writes its queue, history reads to
    /// the end, snapshots are saved. Samples with a receipt are not lost if this is cut short; it
    /// only saves a replay.
    pub async fn finish(&self) {
        ask(&self.supervisor, Message::FinishStreams).await;
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
        ask::stop(&self.supervisor).await;
    }
}
