//! What is tried out in a workspace, and the jobs that train detectors.
//!
//! **Owns** the plan of what scores which KPI, what streams have found out since it was last written down, and the training job that
//! runs. **A crash loses** the last seconds of evidence. **Restarts from** the records in the meta store, together with the
//! workspace; which detector a KPI has is in the log. All decisions are in [`Experiment`]; this file gives them time,
//! evidence and streams. People change the records from any node and [wake](Experiments::wake) the owner's actor.
//!
//! While nothing is tried out and nothing trains, it sleeps.

mod trainer;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};

use self::trainer::Training;
use super::Context;
use super::workspace::Routes;
use crate::experiments::{DetectorAssignment, Evidence, Experiment, Plan, Stage, Tally};
use crate::services::detectors::records::DetectorRecords;
use crate::telemetry::{GaugePart, Metric, count};
use earcon_model::{DetectorSlots, KpiName};
use earcon_ports::{ErrorKind, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// How often evidence is judged and written down while something is tried out.
const TICK: Duration = Duration::from_secs(2);

enum Message {
    Wake,
    Tick,
    Report(DetectorSlots, Box<Tally>),
    /// The KPI, the failure, and whether it was what is live that failed.
    Failed(KpiName, String, bool),
    JobEnded,
}

/// A handle to the experiments of a workspace. Cheap to clone.
#[derive(Clone)]
pub struct Experiments {
    actor: ActorRef<Message>,
    plan: SharedPlan,
}

/// The plan, to be read by whoever starts a stream.
#[derive(Clone, Default)]
struct SharedPlan(Arc<RwLock<Arc<Plan>>>);

impl SharedPlan {
    fn get(&self) -> Arc<Plan> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether it is another one now.
    fn set(&self, plan: Plan) -> bool {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changes = **held != plan;
        if changes {
            *held = Arc::new(plan);
        }
        changes
    }
}

/// What the streams of a workspace work with.
#[derive(Clone)]
pub(super) struct Wanted {
    /// What scores a KPI.
    pub(super) arrangement: DetectorSlots,
    /// How far apart two alerts may open that mean the same.
    pub(super) window_ms: i64,
}

impl Experiments {
    /// Starts with the plan that was found when the workspace was opened. It has to be [woken](Self::wake) when the streams are there.
    pub(super) async fn start(
        context: Context,
        pass: WorkspacePass,
        routes: Arc<Routes>,
        plan: Plan,
        supervisor: ActorCell,
    ) -> Result<Self, ractor::SpawnErr> {
        let shared = SharedPlan::default();
        shared.set(plan);
        let state = State {
            records: DetectorRecords::new(context.backends.meta_store.clone()),
            context,
            pass,
            routes,
            plan: shared.clone(),
            assignment: (DetectorAssignment::default(), 0),
            experiment: None,
            found: Evidence::default(),
            reconcile: 0,
            ticking: false,
            reload: false,
            training: None,
            running: GaugePart::for_metric(Metric::ExperimentsRunning),
        };
        let (actor, _) = Actor::spawn_linked(None, ExperimentsActor, state, supervisor).await?;
        Ok(Self { actor, plan: shared })
    }

    /// Makes it read its records again after a change.
    pub fn wake(&self) {
        let _stopped = self.actor.cast(Message::Wake).is_err();
    }

    /// What scores a KPI now.
    pub(super) fn wanted(&self, pass: &WorkspacePass, kpi: &KpiName) -> Wanted {
        wanted(&self.plan.get(), pass, kpi)
    }

    /// What a stream has found out with this arrangement.
    pub(super) fn report(&self, arrangement: DetectorSlots, tally: Tally) {
        let _stopped = self.actor.cast(Message::Report(arrangement, Box::new(tally))).is_err();
    }

    /// A stream has failed, or the shadow in it (`live` is false then).
    pub(super) fn failed(&self, kpi: &KpiName, reason: &str, live: bool) {
        if self.plan.get().trial.is_some() {
            let _stopped = self.actor.cast(Message::Failed(kpi.clone(), reason.to_owned(), live)).is_err();
        }
    }
}

fn wanted(plan: &Plan, pass: &WorkspacePass, kpi: &KpiName) -> Wanted {
    let window_ms = plan.trial.as_ref().map_or(0, |trial| trial.window_ms);
    Wanted { arrangement: plan.slots(pass.workspace(), kpi), window_ms }
}

struct ExperimentsActor;

struct State {
    context: Context,
    pass: WorkspacePass,
    routes: Arc<Routes>,
    plan: SharedPlan,
    records: DetectorRecords,
    assignment: (DetectorAssignment, Revision),
    /// The one that runs.
    experiment: Option<(Experiment, Revision)>,
    /// What was reported since it was written down.
    found: Evidence,
    /// How often the streams are still to be told the plan. Once more than needed: a stream may have started with the plan
    /// before, and have had no route yet when the others were told.
    reconcile: u8,
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
            Message::Report(arrangement, tally) => state.report(&arrangement, &tally),
            Message::Failed(kpi, reason, live) => state.failed(&kpi, &reason, live).await,
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
        let busy = state.experiment.is_some() || state.reconcile > 0 || state.reload;
        if busy && !state.ticking {
            state.ticking = true;
            myself.send_after(TICK, || Message::Tick);
        }
        Ok(())
    }
}

impl State {
    /// Reads the records. A store that is away is asked again with the next tick.
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
            // The request that ended it may have got no further.
            if assignment.conclude(&over) {
                revision = self.records.put_assignment(&self.pass, &assignment, revision).await?;
            }
        }
        let same = |(one, _): &(Experiment, Revision), (other, _): &(Experiment, Revision)| one.name == other.name;
        if !self.experiment.as_ref().zip(experiment.as_ref()).is_some_and(|(one, other)| same(one, other)) {
            self.found = Evidence::default();
        }
        self.assignment = (assignment, revision);
        self.experiment = experiment;
        self.follow_plan();
        if self.training.is_none()
            && let Some(stored) = self.records.open_job(&self.pass).await?
        {
            let myself = myself.clone();
            let ended = move || {
                let _stopped = myself.cast(Message::JobEnded).is_err();
            };
            let (context, pass, routes) = (self.context.clone(), self.pass.clone(), self.routes.clone());
            self.training = Some(Training::start(context, pass, routes, stored, ended));
        }
        Ok(())
    }

    /// Puts the plan up, and tells the streams when it is another one.
    fn follow_plan(&mut self) {
        let plan = self.assignment.0.plan(self.experiment.as_ref().map(|(experiment, _)| experiment));
        if self.plan.set(plan) {
            self.reconcile = 1;
            self.tell_streams();
        }
    }

    fn tell_streams(&self) {
        let plan = self.plan.get();
        for (kpi, stream) in self.routes.running() {
            stream.arrange(wanted(&plan, &self.pass, &kpi));
        }
    }

    fn report(&mut self, arrangement: &DetectorSlots, tally: &Tally) {
        let Some((experiment, _)) = &self.experiment else { return };
        let DetectorSlots { live, shadow: Some(shadow) } = arrangement else { return };
        if (live, shadow) == (&experiment.candidate, &experiment.baseline) {
            self.found.add(tally, true);
        } else if (live, shadow) == (&experiment.baseline, &experiment.candidate) {
            self.found.add(tally, false);
        }
    }

    /// A candidate that makes a stream fail is not to be live, and one that fails in the shadow not either.
    async fn failed(&mut self, kpi: &KpiName, reason: &str, live: bool) {
        let now_ms = self.context.clock.now_ms();
        let Some((experiment, revision)) = &self.experiment else { return };
        let candidate_live = experiment.trial().is_some_and(|trial| trial.takes(self.pass.workspace(), kpi));
        if candidate_live != live {
            return;
        }
        let mut after = experiment.clone();
        after.learn(&self.found);
        let reason = format!("scoring of {kpi} failed: {reason}");
        if after.roll_back(now_ms, "earcon", Some(reason)).is_ok() {
            let revision = *revision;
            self.write(after, revision).await;
        }
    }

    async fn tick(&mut self, myself: &ActorRef<Message>) {
        if self.reload {
            self.load(myself).await;
        }
        if self.reconcile > 0 {
            self.reconcile -= 1;
            self.tell_streams();
        }
        let Some((experiment, revision)) = &self.experiment else { return };
        let now_ms = self.context.clock.now_ms();
        let mut after = experiment.clone();
        after.learn(&self.found);
        let taken = match after.trial() {
            Some(trial) => {
                self.routes.running().iter().filter(|(kpi, _)| trial.takes(self.pass.workspace(), kpi)).count()
            }
            None => 0,
        };
        let decision = after.decide(now_ms, taken);
        after.carry_out(decision, now_ms);
        if after != *experiment {
            let revision = *revision;
            self.write(after, revision).await;
        }
    }

    /// Writes an experiment down and, if that holds, does what it says. Somebody who was faster is read instead.
    async fn write(&mut self, after: Experiment, revision: Revision) {
        match self.records.experiments.put(&self.pass, &after.name, revision, &after).await {
            Ok(revision) => {
                self.found = Evidence::default();
                if after.stage == Stage::RolledBack {
                    count(Metric::ExperimentRollbacks, 1);
                    let reason = after.steps.last().and_then(|step| step.reason.as_deref()).unwrap_or_default();
                    let (workspace, name) = (self.pass.workspace(), &after.name);
                    tracing::warn!(%workspace, experiment = name, reason, "a candidate was rolled back");
                }
                if !after.runs() {
                    let mut assignment = self.assignment.0.clone();
                    if assignment.conclude(&after) {
                        match self.records.put_assignment(&self.pass, &assignment, self.assignment.1).await {
                            Ok(revision) => self.assignment = (assignment, revision),
                            Err(_) => self.reload = true,
                        }
                    }
                }
                let running = after.runs();
                self.experiment = running.then_some((after, revision));
                if !self.reload {
                    self.follow_plan();
                }
            }
            Err(error) if error.kind == ErrorKind::Conflict => self.reload = true,
            Err(error) => {
                tracing::warn!(workspace = %self.pass.workspace(), %error, "an experiment cannot be written down; trying again");
            }
        }
    }
}
