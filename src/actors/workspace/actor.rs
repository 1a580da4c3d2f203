//! The supervisor of one workspace, behind [`WorkspaceHandle`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};

use super::children::ChildStarter;
use super::handle::{Children, Message, WorkspaceHandle};
use crate::actors::ask::{self, Reply};
use crate::actors::context::Context;
use crate::actors::experiments::Experiments;
use crate::actors::log_writer::{Append, LogWriter, OnCommit};
use crate::actors::recovery::{Recovered, recover_kpi};
use crate::actors::routes::{Route, Routes};
use crate::actors::series_budget::WorkspaceBudget;
use crate::actors::snapshotter::StateChange;
use crate::actors::stream::actor::{NewStream, OnEnd, StreamContext, StreamHosts};
use crate::actors::stream::{Erased, StreamEnd, StreamHandle, StreamId};
use crate::actors::supervision::{FailureAction, Failures};
use crate::services::mutes::MuteReader;
use crate::telemetry::{GaugePart, Metric, count};
use earcon_model::{Deletion, DeletionScope, KpiEvent, KpiName};
use earcon_ports::{ErrorKind, PortError};
use earcon_streams::KpiState;
use earcon_tenancy::WorkspacePass;

/// Starts the actors of a recovered workspace under `node`.
///
/// # Errors
/// If its mutes cannot be read, or an actor does not start.
pub(in crate::actors) async fn start(
    context: Context,
    pass: WorkspacePass,
    recovered: Recovered,
    node: ActorCell,
) -> Result<WorkspaceHandle, SpawnErr> {
    let mutes = context.mutes.follow(&pass).await.map_err(|error| SpawnErr::StartupFailed(error.into()))?;
    context.meanings.read_soon(&pass);
    let (started, children) = Reply::channel();
    let routes = Arc::new(Routes::default());
    let args = Args { context: context.clone(), pass: pass.clone(), routes: routes.clone(), recovered, mutes, started };
    let (supervisor, _) = Actor::spawn_linked(None, Supervisor, args, node).await?;
    let children = children.await.map_err(|stopped| SpawnErr::StartupFailed(stopped.into()))?;
    Ok(WorkspaceHandle::new(&context, pass, supervisor, routes, children))
}

struct Supervisor;

struct Args {
    context: Context,
    pass: WorkspacePass,
    routes: Arc<Routes>,
    recovered: Recovered,
    mutes: MuteReader,
    started: Reply<Children>,
}

struct State {
    context: Context,
    pass: WorkspacePass,
    routes: Arc<Routes>,
    log: LogWriter,
    experiments: Experiments,
    hosts: StreamHosts,
    budget: WorkspaceBudget,
    running: HashMap<StreamId, KpiName>,
    /// Streams that stop because their KPIs were deleted.
    deleting: HashSet<StreamId>,
    failures: HashMap<KpiName, Failures>,
    parked: HashSet<KpiName>,
    streams: GaugePart,
    parked_gauge: GaugePart,
    finishing: Option<Reply<()>>,
}

impl Actor for Supervisor {
    type Msg = Message;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, myself: ActorRef<Message>, args: Args) -> Result<State, ActorProcessingErr> {
        let Args { context, pass, routes, recovered, mutes, started } = args;
        let starter = ChildStarter { context: &context, pass: &pass, supervisor: myself.get_cell() };
        let children = starter.start_all(&recovered, &routes).await?;
        let hosts = start_hosts(&context, &pass, mutes, &children, &myself).await?;
        let budget = context.series_budget.of_workspace(pass.workspace());
        let mut state = State {
            context,
            pass,
            routes,
            hosts,
            budget,
            log: children.log.clone(),
            experiments: children.experiments.clone(),
            running: HashMap::new(),
            deleting: HashSet::new(),
            failures: HashMap::new(),
            parked: HashSet::new(),
            streams: GaugePart::for_metric(Metric::Streams),
            parked_gauge: GaugePart::for_metric(Metric::StreamsParked),
            finishing: None,
        };
        for kpi in recovered.parked {
            // A parked KPI is tried again in a new process.
            state.log_event(&kpi, KpiEvent::Resumed);
        }
        let unsaved = recovered.unsaved;
        for (kpi, kpi_state) in recovered.kpis {
            state.start_known(kpi_state, unsaved.contains_key(&kpi));
        }
        if let Some(which) = state.budget.exceeded() {
            tracing::warn!(workspace = %state.pass.workspace(), "known series are loaded, new ones are refused: {which}");
        }
        state.experiments.wake();
        started.send(children);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::EnsureStreams(kpis, reply) => {
                reply.send(state.ensure_streams(kpis));
            }
            Message::Resume(kpi, reply) => reply.send(state.resume(&myself, kpi)),
            Message::Delete(kpi, deletion, reply) => state.delete(kpi, deletion, reply),
            Message::Restart(kpi) => state.recover(&myself, kpi),
            Message::Recovered(kpi, result) => match *result {
                Ok(kpi_state) => state.start_known(kpi_state, true),
                Err(error) => state.failed(&myself, kpi, &format!("its state could not be recovered: {error}")),
            },
            Message::StreamEnded(stream, end) => state.stream_ended(&myself, stream, end),
            Message::FinishStreams(reply) => state.finish(reply),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Message>,
        event: SupervisionEvent,
        _state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        // Hosts catch the panics of streams. Any other failure of a child restarts the workspace.
        match event {
            SupervisionEvent::ActorFailed(_, error) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Starts the hosts of the streams, which report the end of each stream to the supervisor.
async fn start_hosts(
    context: &Context,
    pass: &WorkspacePass,
    mutes: MuteReader,
    children: &Children,
    supervisor: &ActorRef<Message>,
) -> Result<StreamHosts, SpawnErr> {
    let streams = StreamContext {
        log: children.log.clone(),
        pass: pass.clone(),
        mutes,
        meanings: context.meanings.clone(),
        clock: context.clock.clone(),
        wall: context.wall.clone(),
        snapshot_every: context.settings.snapshot_every,
        turns: context.snapshot_turns.clone(),
        experiments: children.experiments.clone(),
        faults: context.faults.clone(),
    };
    let myself = supervisor.clone();
    let on_end: OnEnd = Arc::new(move |stream, end| ask::send(&myself, Message::StreamEnded(stream, end)));
    StreamHosts::start(streams, on_end, supervisor.get_cell()).await
}

impl State {
    /// Starts a stream whose series are known; there is always memory for it.
    fn start_known(&mut self, state: KpiState, unsaved: bool) {
        let account = self.budget.adopt(state.series_count());
        self.start_stream(NewStream { is_new: false, state, unsaved, account });
    }

    fn start_stream(&mut self, new: NewStream) -> Route {
        let kpi = new.state.kpi().clone();
        let stream = self.hosts.start_stream(new);
        self.running.insert(stream.id(), kpi.clone());
        let route = Route::Running(stream);
        self.routes.set(kpi, route.clone());
        self.streams.set(self.running.len());
        route
    }

    /// Starts streams for KPIs that have no route. Returns the routes of all, unless the workspace
    /// closes.
    fn ensure_streams(&mut self, kpis: Vec<KpiName>) -> HashMap<KpiName, Route> {
        let mut routes = HashMap::with_capacity(kpis.len());
        for kpi in kpis {
            let route = match self.routes.find(&kpi) {
                Some(route) => route,
                None if self.finishing.is_some() => continue,
                None => self.start_new(&kpi).unwrap_or_else(Route::Refused),
            };
            routes.insert(kpi, route);
        }
        routes
    }

    /// Starts the stream of a new KPI.
    fn start_new(&mut self, kpi: &KpiName) -> Result<Route, String> {
        let most = self.context.settings.max_kpis;
        if self.routes.len() >= most {
            return Err(format!("the workspace has as many KPIs as it may have, {most} (streams.max_kpis)"));
        }
        let account = self.budget.open()?;
        let settings = self.context.settings.scoring(self.pass.workspace());
        let state = KpiState::new(self.pass.workspace().clone(), kpi.clone(), settings);
        Ok(self.start_stream(NewStream { is_new: true, state, unsaved: false, account }))
    }

    fn stream_ended(&mut self, myself: &ActorRef<Message>, stream: StreamId, end: StreamEnd) {
        let deleted = self.deleting.remove(&stream);
        if let Some(kpi) = self.running.remove(&stream) {
            match end {
                StreamEnd::Finished if deleted => {
                    self.failures.remove(&kpi);
                    self.routes.remove(&kpi);
                }
                StreamEnd::Empty => self.routes.remove(&kpi),
                StreamEnd::Failed(reason) => self.failed(myself, kpi, &reason),
                StreamEnd::Finished if self.finishing.is_none() => self.failed(myself, kpi, "it stopped by itself"),
                StreamEnd::Finished => {}
            }
        }
        self.streams.set(self.running.len());
        if self.running.is_empty()
            && let Some(reply) = self.finishing.take()
        {
            reply.send(());
        }
    }

    fn failed(&mut self, myself: &ActorRef<Message>, kpi: KpiName, reason: &str) {
        count(Metric::StreamRestarts, 1);
        self.experiments.stream_failed(&kpi, reason);
        let now_ms = self.context.clock.now_ms();
        let failures = self.failures.entry(kpi.clone()).or_default();
        match failures.record(now_ms, &self.context.settings.restart) {
            FailureAction::RestartAfter(pause) => {
                tracing::error!(%kpi, reason, ?pause, "stream failed, restarting");
                self.routes.set(kpi.clone(), Route::Restarting);
                myself.send_after(pause, || Message::Restart(kpi));
            }
            FailureAction::Park => {
                tracing::error!(%kpi, reason, "stream failed too often, parked");
                self.routes.set(kpi.clone(), Route::Parked(reason.to_owned()));
                self.parked.insert(kpi.clone());
                self.parked_gauge.set(self.parked.len());
                self.log_event(&kpi, KpiEvent::Parked { reason: reason.to_owned() });
            }
        }
    }

    /// Starts a parked KPI again; returns whether it was parked.
    fn resume(&mut self, myself: &ActorRef<Message>, kpi: KpiName) -> bool {
        if !matches!(self.routes.find(&kpi), Some(Route::Parked(_))) {
            return false;
        }
        self.failures.remove(&kpi);
        self.routes.set(kpi.clone(), Route::Restarting);
        self.parked.remove(&kpi);
        self.parked_gauge.set(self.parked.len());
        self.log_event(&kpi, KpiEvent::Resumed);
        self.recover(myself, kpi);
        true
    }

    /// Has the stream of a KPI delete. Samples of a KPI that is being deleted are rejected until
    /// its stream has stopped; later ones make a new KPI.
    fn delete(&mut self, kpi: KpiName, deletion: Deletion, reply: Reply<Option<Erased>>) {
        let whole = deletion.scope == DeletionScope::Kpi;
        match self.routes.find(&kpi) {
            // Without an answer, the caller tries again.
            _ if self.finishing.is_some() => {}
            Some(Route::Restarting) => {}
            Some(Route::Running(stream)) => {
                if whole {
                    self.routes.set(kpi, Route::Restarting);
                    self.deleting.insert(stream.id());
                }
                stream.delete(deletion, reply);
            }
            Some(Route::Parked(_)) => self.delete_parked(kpi, deletion, reply),
            Some(Route::Refused(_)) | None => reply.send(None),
        }
    }

    /// A parked KPI has no stream. Its state is read again, with this event, when it is resumed.
    fn delete_parked(&mut self, kpi: KpiName, deletion: Deletion, reply: Reply<Option<Erased>>) {
        let whole = deletion.scope == DeletionScope::Kpi;
        let on_commit: OnCommit = Box::new(move |seq| reply.send(Some(Erased { seq, series: 0 })));
        self.log.append(Append {
            subject: kpi.clone().into(),
            time_ms: self.context.clock.now_ms(),
            bodies: vec![KpiEvent::Deleted(deletion).into()],
            on_commit: Some(on_commit),
            snapshot: whole.then_some(StateChange::Removed),
        });
        if whole {
            self.failures.remove(&kpi);
            self.parked.remove(&kpi);
            self.parked_gauge.set(self.parked.len());
            self.routes.remove(&kpi);
        }
    }

    /// In a task: waits for the events that the dead stream had sent to the log, then reads
    /// snapshot and log.
    fn recover(&self, myself: &ActorRef<Message>, kpi: KpiName) {
        if self.finishing.is_some() {
            return;
        }
        let (myself, log) = (myself.clone(), self.log.clone());
        let (context, pass) = (self.context.clone(), self.pass.clone());
        let name = kpi.clone();
        let recovery = tokio::spawn(async move {
            log.barrier().await;
            recover_kpi(&context, &pass, &name).await
        });
        tokio::spawn(async move {
            // Without an answer the KPI would never be tried again.
            let panicked = |error| Err(PortError::caused(ErrorKind::Unavailable, "the recovery ended early", error));
            let result = recovery.await.unwrap_or_else(panicked);
            ask::send(&myself, Message::Recovered(kpi, Box::new(result)));
        });
    }

    fn log_event(&self, kpi: &KpiName, event: KpiEvent) {
        let (subject, bodies) = (kpi.clone().into(), vec![event.into()]);
        let time_ms = self.context.clock.now_ms();
        self.log.append(Append { subject, time_ms, bodies, on_commit: None, snapshot: None });
    }

    fn finish(&mut self, reply: Reply<()>) {
        let streams = self.routes.close();
        if self.running.is_empty() {
            reply.send(());
            return;
        }
        self.finishing = Some(reply);
        streams.iter().for_each(StreamHandle::finish);
    }
}
