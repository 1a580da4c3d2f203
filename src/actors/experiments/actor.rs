//! The actor behind [`Experiments`].

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};

use super::handle::{Assignment, DetectorFailure, Experiments, Message, SharedPlan};
use super::trainer::{Training, TrainingArgs};
use crate::actors::ask;
use crate::actors::context::Context;
use crate::actors::routes::Routes;
use crate::experiments::{DetectorAssignment, Evidence, Experiment, Plan, Stage, Tally};
use crate::services::detectors::records::DetectorRecords;
use crate::telemetry::{GaugePart, Metric, count};
use earcon_model::DetectorSlots;
use earcon_ports::{ErrorKind, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// How often evidence is evaluated and saved while an experiment runs.
const TICK: Duration = Duration::from_secs(2);

/// Starts with the plan that recovery has read. It must be [woken](Experiments::wake) after the
/// streams have started.
pub(in crate::actors) async fn start(
    context: Context,
    pass: WorkspacePass,
    routes: Arc<Routes>,
    plan: Plan,
    supervisor: ActorCell,
) -> Result<Experiments, SpawnErr> {
    let shared = SharedPlan::new(plan);
    let state = State {
        records: DetectorRecords::new(context.backends.meta_store.clone()),
        context,
        pass,
        routes,
        plan: shared.clone(),
        assignment: (DetectorAssignment::default(), 0),
        experiment: None,
        evidence: Evidence::default(),
        rounds_left: 0,
        ticking: false,
        reload: false,
        training: None,
        running: GaugePart::for_metric(Metric::ExperimentsRunning),
    };
    let (actor, _) = Actor::spawn_linked(None, ExperimentsActor, state, supervisor).await?;
    Ok(Experiments::new(actor, shared))
}

struct ExperimentsActor;

struct State {
    context: Context,
    pass: WorkspacePass,
    routes: Arc<Routes>,
    plan: SharedPlan,
    records: DetectorRecords,
    assignment: (DetectorAssignment, Revision),
    /// The running experiment.
    experiment: Option<(Experiment, Revision)>,
    /// Reported since the experiment was last saved.
    evidence: Evidence,
    /// How many more times the plan is sent to the streams. Once more than needed: a stream may
    /// have started with the previous plan, and have had no route yet when the others got the new
    /// one.
    rounds_left: u8,
    ticking: bool,
    /// Whether the records could not be read.
    reload: bool,
    training: Option<Training>,
    running: GaugePart,
}

impl Actor for ExperimentsActor {
    type Msg = Message;
    type State = State;
    type Arguments = State;

    /// It sleeps until the supervisor, having started the streams, wakes it.
    async fn pre_start(&self, _myself: ActorRef<Message>, state: State) -> Result<State, ActorProcessingErr> {
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Wake => state.load(&myself).await,
            Message::Report(detectors, tally) => state.report(&detectors, &tally),
            Message::Failed(failure) => state.failed(&failure).await,
            Message::JobEnded => {
                state.training = None;
                state.load(&myself).await;
            }
            Message::Tick => {
                state.ticking = false;
                state.tick(&myself).await;
            }
        }
        state.running.set(usize::from(state.experiment.is_some()));
        let busy = state.experiment.is_some() || state.rounds_left > 0 || state.reload;
        if busy && !state.ticking {
            state.ticking = true;
            myself.send_after(TICK, || Message::Tick);
        }
        Ok(())
    }
}

impl State {
    /// Reads the records. If the store is away, they are read again with the next tick.
    async fn load(&mut self, myself: &ActorRef<Message>) {
        let loaded = self.try_load(myself).await;
        self.reload = loaded.is_err();
        if let Err(error) = loaded {
            tracing::warn!(workspace = %self.pass.workspace(), %error, "experiments cannot be read; trying again");
        }
    }

    async fn try_load(&mut self, myself: &ActorRef<Message>) -> Result<(), PortError> {
        let (mut assignment, mut revision) = self.records.assignment(&self.pass).await?;
        let running = self.records.running(&self.pass, &assignment).await?;
        let mut experiment = running.map(|stored| (stored.value, stored.revision));
        if let Some((over, _)) = experiment.take_if(|(experiment, _)| !experiment.runs()) {
            // The writer that ended it may have stopped before it wrote the assignment.
            if assignment.conclude(&over) {
                revision = self.records.put_assignment(&self.pass, &assignment, revision).await?;
            }
        }
        let name = |held: &Option<(Experiment, Revision)>| held.as_ref().map(|(experiment, _)| experiment.name.clone());
        if name(&self.experiment).is_none() || name(&self.experiment) != name(&experiment) {
            self.evidence = Evidence::default();
        }
        self.assignment = (assignment, revision);
        self.experiment = experiment;
        self.publish_plan();
        self.start_training(myself).await
    }

    /// Starts the training job that is open, if none runs.
    async fn start_training(&mut self, myself: &ActorRef<Message>) -> Result<(), PortError> {
        if self.training.is_none()
            && let Some(job) = self.records.open_job(&self.pass).await?
        {
            let (context, pass, routes) = (self.context.clone(), self.pass.clone(), self.routes.clone());
            let myself = myself.clone();
            let ended = move || ask::send(&myself, Message::JobEnded);
            self.training = Some(Training::start(TrainingArgs { context, pass, routes, job }, ended));
        }
        Ok(())
    }

    /// Publishes the plan, and sends it to the streams if it has changed.
    fn publish_plan(&mut self) {
        let plan = self.assignment.0.plan(self.experiment.as_ref().map(|(experiment, _)| experiment));
        if self.plan.set(plan) {
            self.rounds_left = 1;
            self.assign_detectors();
        }
    }

    fn assign_detectors(&self) {
        let plan = self.plan.get();
        for (kpi, stream) in self.routes.running() {
            stream.set_detectors(Assignment::from_plan(&plan, &self.pass, &kpi));
        }
    }

    fn report(&mut self, detectors: &DetectorSlots, tally: &Tally) {
        let Some((experiment, _)) = &self.experiment else { return };
        let DetectorSlots { live, shadow: Some(shadow) } = detectors else { return };
        if (live, shadow) == (&experiment.candidate, &experiment.baseline) {
            self.evidence.add(tally, true);
        } else if (live, shadow) == (&experiment.baseline, &experiment.candidate) {
            self.evidence.add(tally, false);
        }
    }

    /// Rolls back a candidate that made scoring fail, live or in the shadow.
    async fn failed(&mut self, failure: &DetectorFailure) {
        let DetectorFailure { kpi, reason, live } = failure;
        let now_ms = self.context.clock.now_ms();
        let Some((experiment, revision)) = &self.experiment else { return };
        let candidate_live = experiment.trial().is_some_and(|trial| trial.takes(self.pass.workspace(), kpi));
        if candidate_live != *live {
            return;
        }
        let mut after = experiment.clone();
        after.learn(&self.evidence);
        let reason = format!("scoring of {kpi} failed: {reason}");
        if after.roll_back(now_ms, "earcon", Some(reason)).is_ok() {
            let revision = *revision;
            self.save(after, revision).await;
        }
    }

    async fn tick(&mut self, myself: &ActorRef<Message>) {
        if self.reload {
            self.load(myself).await;
        }
        if self.rounds_left > 0 {
            self.rounds_left -= 1;
            self.assign_detectors();
        }
        let Some((experiment, revision)) = &self.experiment else { return };
        let now_ms = self.context.clock.now_ms();
        let mut after = experiment.clone();
        after.learn(&self.evidence);
        let live_kpis = match after.trial() {
            Some(trial) => {
                self.routes.running().iter().filter(|(kpi, _)| trial.takes(self.pass.workspace(), kpi)).count()
            }
            None => 0,
        };
        let decision = after.decide(now_ms, live_kpis);
        after.carry_out(decision, now_ms);
        if after != *experiment {
            let revision = *revision;
            self.save(after, revision).await;
        }
    }

    /// Saves an experiment and then applies it. If another writer was faster, its record is read
    /// instead.
    async fn save(&mut self, after: Experiment, revision: Revision) {
        match self.records.experiments.put(&self.pass, &after.name, revision, &after).await {
            Ok(revision) => self.saved(after, revision).await,
            Err(error) if error.kind == ErrorKind::Conflict => self.reload = true,
            Err(error) => {
                tracing::warn!(workspace = %self.pass.workspace(), %error, "an experiment cannot be saved; trying again");
            }
        }
    }

    async fn saved(&mut self, after: Experiment, revision: Revision) {
        self.evidence = Evidence::default();
        if after.stage == Stage::RolledBack {
            count(Metric::ExperimentRollbacks, 1);
            let reason = after.steps.last().and_then(|step| step.reason.as_deref()).unwrap_or_default();
            let (workspace, name) = (self.pass.workspace(), &after.name);
            tracing::warn!(%workspace, experiment = name, reason, "a candidate was rolled back");
        }
        let running = after.runs();
        if !running {
            self.save_end(&after).await;
        }
        self.experiment = running.then_some((after, revision));
        if !self.reload {
            self.publish_plan();
        }
    }

    /// Saves the assignment after an experiment has ended.
    async fn save_end(&mut self, ended: &Experiment) {
        let mut assignment = self.assignment.0.clone();
        if assignment.conclude(ended) {
            match self.records.put_assignment(&self.pass, &assignment, self.assignment.1).await {
                Ok(revision) => self.assignment = (assignment, revision),
                Err(_) => self.reload = true,
            }
        }
    }
}
