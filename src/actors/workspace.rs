//! The supervisor of one workspace, and the handle through which everybody else uses it.
//!
//! **Owns** the children and the routes to the streams; it is not on the path of a sample. **A crash loses** nothing that
//! is not in the log; the node opens the workspace again. It is dull on purpose: it never waits for I/O, because its
//! death takes the whole subtree along. Recovery runs in tasks that report back as messages.

mod handle;
mod routes;

pub use handle::{Unavailable, WorkspaceHandle};
pub use routes::{Route, Routes};

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::sync::oneshot;

use super::Context;
use super::consumer::{Consumer, FanOut, History};
use super::experiments::Experiments;
use super::hub::Hub;
use super::incidents::Incidents;
use super::log_writer::{Append, LogWriter};
use super::mix::Mix;
use super::recovery::{Recovered, recover_kpi, view_of};
use super::snapshotter::Snapshotter;
use super::stream::{StreamArgs, StreamHandle};
use super::supervision::{Failures, Verdict};
use super::{ingest::Admission, retention};
use crate::live::LiveView;
use crate::telemetry::{GaugePart, Metric, count};
use earcon_model::{KpiEvent, KpiName};
use earcon_ports::PortError;
use earcon_streams::KpiState;
use earcon_tenancy::WorkspacePass;

/// Messages of the supervisor.
pub enum SupervisorMessage {
    /// Start streams for KPIs never seen before, as far as the limit allows.
    EnsureStreams(Vec<KpiName>, oneshot::Sender<()>),
    /// Start a parked KPI again; answers whether it was parked.
    Resume(KpiName, oneshot::Sender<bool>),
    /// The pause before a restart is over.
    Restart(KpiName),
    /// A restart's recovery has ended.
    Recovered(KpiName, Box<Result<KpiState, PortError>>),
    /// Finish all streams; answers when the last has stopped.
    FinishStreams(oneshot::Sender<()>),
}

/// Starts the actors of a recovered workspace under `node`.
pub async fn start(
    context: Context,
    pass: WorkspacePass,
    recovered: Recovered,
    node: ActorCell,
) -> Result<WorkspaceHandle, SpawnErr> {
    let (sender, children) = oneshot::channel();
    let routes = Arc::new(Routes::default());
    let args =
        Args { context: context.clone(), pass: pass.clone(), routes: routes.clone(), recovered, started: sender };
    let (supervisor, _) = Actor::spawn_linked(None, Supervisor, args, node).await?;
    let children = children.await.map_err(|gone| SpawnErr::StartupFailed(gone.into()))?;
    let admission = Admission::new(context.settings.max_in_flight_samples);
    Ok(WorkspaceHandle::new(context, pass, supervisor, routes, admission, children))
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

struct Supervisor;

struct Args {
    context: Context,
    pass: WorkspacePass,
    routes: Arc<Routes>,
    recovered: Recovered,
    started: oneshot::Sender<Children>,
}

struct State {
    context: Context,
    pass: WorkspacePass,
    routes: Arc<Routes>,
    log: LogWriter,
    experiments: Experiments,
    running: HashMap<ActorId, KpiName>,
    failures: HashMap<KpiName, Failures>,
    parked: HashSet<KpiName>,
    streams: GaugePart,
    parked_gauge: GaugePart,
    finishing: Option<oneshot::Sender<()>>,
}

impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, myself: ActorRef<SupervisorMessage>, args: Args) -> Result<State, ActorProcessingErr> {
        let Args { context, pass, routes, recovered, started } = args;
        let children = start_children(&context, &pass, &recovered, &routes, myself.get_cell()).await?;
        let mut state = State {
            context,
            pass,
            routes,
            log: children.log.clone(),
            experiments: children.experiments.clone(),
            running: HashMap::new(),
            failures: HashMap::new(),
            parked: HashSet::new(),
            streams: GaugePart::for_metric(Metric::Streams),
            parked_gauge: GaugePart::for_metric(Metric::StreamsParked),
            finishing: None,
        };
        for kpi in recovered.parked {
            // A new process is a new chance.
            state.tell(&kpi, KpiEvent::Resumed);
        }
        let unsaved = recovered.unsaved;
        for (kpi, kpi_state) in recovered.kpis {
            state.start_stream(&myself, kpi_state, unsaved.contains_key(&kpi)).await?;
        }
        state.experiments.wake();
        let _opener_gone = started.send(children).is_err();
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMessage::EnsureStreams(kpis, reply) => {
                state.ensure_streams(&myself, kpis).await?;
                let _gone = reply.send(()).is_err();
            }
            SupervisorMessage::Resume(kpi, reply) => {
                let parked = matches!(state.routes.find(&kpi), Some(Route::Parked(_)));
                if parked {
                    state.resume(&myself, kpi);
                }
                let _gone = reply.send(parked).is_err();
            }
            SupervisorMessage::Restart(kpi) => state.recover(&myself, kpi),
            SupervisorMessage::Recovered(kpi, result) => match *result {
                Ok(kpi_state) => state.start_stream(&myself, kpi_state, true).await?,
                Err(error) => state.failed(&myself, kpi, &format!("its state could not be recovered: {error}")),
            },
            SupervisorMessage::FinishStreams(reply) => state.finish(reply),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(child, error) => match state.running.remove(&child.get_id()) {
                Some(kpi) => state.failed(&myself, kpi, &error.to_string()),
                None => return Err(error),
            },
            SupervisionEvent::ActorTerminated(child, _, _) => {
                if let Some(kpi) = state.running.remove(&child.get_id())
                    && state.finishing.is_none()
                {
                    state.failed(&myself, kpi, "it stopped unasked");
                }
            }
            _ => {}
        }
        state.streams.set(state.running.len());
        if state.running.is_empty()
            && let Some(reply) = state.finishing.take()
        {
            let _gone = reply.send(()).is_err();
        }
        Ok(())
    }
}

async fn start_children(
    context: &Context,
    pass: &WorkspacePass,
    recovered: &Recovered,
    routes: &Arc<Routes>,
    me: ActorCell,
) -> Result<Children, SpawnErr> {
    let head = &recovered.head;
    let view = LiveView::new(head.next - 1, recovered.kpis.values().map(view_of)).with_incidents(recovered.desk.open());
    let buffer = context.settings.live_buffer;
    let hub = Hub::start(pass.workspace().clone(), head.epoch.as_str().into(), view, buffer, me.clone()).await?;
    let snapshotter = Snapshotter::start(context.clone(), pass.clone(), me.clone()).await?;
    let unsaved = recovered.unsaved.clone();
    let log = LogWriter::start(
        context.clone(),
        pass.clone(),
        head.next,
        unsaved,
        hub.clone(),
        snapshotter.clone(),
        me.clone(),
    )
    .await?;
    let handler = History(context.backends.series_store.clone());
    let history = Consumer::start(handler, context.clone(), pass.clone(), hub.clone(), me.clone()).await?;
    let fan_out = match &context.backends.publisher {
        Some(publisher) => {
            let meta_store = context.backends.meta_store.clone();
            let handler = FanOut::new(publisher.clone(), meta_store, hub.epoch().into(), head.next - 1);
            Some(Consumer::start(handler, context.clone(), pass.clone(), hub.clone(), me.clone()).await?)
        }
        None => None,
    };
    let desk = recovered.desk.clone();
    let incidents = Incidents::start(context.clone(), pass.clone(), desk, log.clone(), hub.clone(), me.clone()).await?;
    retention::start(context.clone(), pass.clone(), me.clone()).await?;
    let mix = Mix::start(context.clone(), pass.clone(), hub.clone(), me.clone()).await?;
    let plan = recovered.plan.clone();
    let experiments = Experiments::start(context.clone(), pass.clone(), routes.clone(), plan, me).await?;
    Ok(Children { log, hub, snapshotter, history, fan_out, incidents, mix, experiments })
}

impl State {
    async fn start_stream(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        state: KpiState,
        unsaved: bool,
    ) -> Result<(), SpawnErr> {
        let kpi = state.kpi().clone();
        let args = StreamArgs {
            state,
            unsaved,
            log: self.log.clone(),
            pass: self.pass.clone(),
            muting: self.context.muting.clone(),
            clock: self.context.clock.clone(),
            snapshot_every: self.context.settings.snapshot_every,
            experiments: self.experiments.clone(),
            faults: self.context.faults.clone(),
        };
        let stream = StreamHandle::start(args, myself.get_cell()).await?;
        self.running.insert(stream.id(), kpi.clone());
        self.routes.set(kpi, Route::Running(stream));
        self.streams.set(self.running.len());
        Ok(())
    }

    async fn ensure_streams(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        kpis: Vec<KpiName>,
    ) -> Result<(), SpawnErr> {
        for kpi in kpis {
            let full = self.routes.len() >= self.context.settings.max_kpis;
            if self.finishing.is_some() || full || self.routes.find(&kpi).is_some() {
                continue;
            }
            let settings = self.context.settings.scoring(self.pass.workspace());
            let state = KpiState::new(self.pass.workspace().clone(), kpi, settings);
            self.start_stream(myself, state, false).await?;
        }
        Ok(())
    }

    fn failed(&mut self, myself: &ActorRef<SupervisorMessage>, kpi: KpiName, reason: &str) {
        count(Metric::StreamRestarts, 1);
        self.experiments.failed(&kpi, reason, true);
        let now_ms = self.context.clock.now_ms();
        let failures = self.failures.entry(kpi.clone()).or_default();
        match failures.record(now_ms, &self.context.settings.restart) {
            Verdict::RestartAfter(pause) => {
                tracing::error!(%kpi, reason, ?pause, "stream failed, restarting");
                self.routes.set(kpi.clone(), Route::Restarting);
                myself.send_after(pause, || SupervisorMessage::Restart(kpi));
            }
            Verdict::Park => {
                tracing::error!(%kpi, reason, "stream failed too often, parked");
                self.routes.set(kpi.clone(), Route::Parked(reason.to_owned()));
                self.parked.insert(kpi.clone());
                self.parked_gauge.set(self.parked.len());
                self.tell(&kpi, KpiEvent::Parked { reason: reason.to_owned() });
            }
        }
    }

    fn resume(&mut self, myself: &ActorRef<SupervisorMessage>, kpi: KpiName) {
        self.failures.remove(&kpi);
        self.routes.set(kpi.clone(), Route::Restarting);
        self.parked.remove(&kpi);
        self.parked_gauge.set(self.parked.len());
        self.tell(&kpi, KpiEvent::Resumed);
        self.recover(myself, kpi);
    }

    /// In a task: what the dead stream had sent to the log is waited for, then snapshot and log are read.
    fn recover(&self, myself: &ActorRef<SupervisorMessage>, kpi: KpiName) {
        if self.finishing.is_some() {
            return;
        }
        let (myself, log) = (myself.clone(), self.log.clone());
        let (context, pass) = (self.context.clone(), self.pass.clone());
        tokio::spawn(async move {
            log.barrier().await;
            let result = recover_kpi(&context, &pass, &kpi).await;
            let _stopped = myself.cast(SupervisorMessage::Recovered(kpi, Box::new(result))).is_err();
        });
    }

    fn tell(&self, kpi: &KpiName, happened: KpiEvent) {
        let (subject, bodies) = (kpi.clone().into(), vec![happened.into()]);
        let time_ms = self.context.clock.now_ms();
        self.log.append(Append { subject, time_ms, bodies, on_commit: None, snapshot: None });
    }

    fn finish(&mut self, reply: oneshot::Sender<()>) {
        let streams = self.routes.close();
        if self.running.is_empty() {
            let _gone = reply.send(()).is_err();
            return;
        }
        self.finishing = Some(reply);
        streams.iter().for_each(StreamHandle::finish);
    }
}
