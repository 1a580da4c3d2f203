//! Messages of the experiments actor, the plan it shares, and the handle to both.

use std::sync::{Arc, PoisonError, RwLock};

use ractor::ActorRef;

use crate::actors::ask;
use crate::experiments::{Plan, Tally};
use earcon_model::{DetectorSlots, KpiName};
use earcon_tenancy::WorkspacePass;

pub(super) enum Message {
    Wake,
    Tick,
    Report(DetectorSlots, Box<Tally>),
    Failed(DetectorFailure),
    JobEnded,
}

/// Scoring of a KPI has failed.
pub(super) struct DetectorFailure {
    pub(super) kpi: KpiName,
    pub(super) reason: String,
    /// Whether the live detector failed; otherwise it was the shadow.
    pub(super) live: bool,
}

/// A handle to the experiments of a workspace. Cheap to clone.
#[derive(Clone)]
pub struct Experiments {
    actor: ActorRef<Message>,
    plan: SharedPlan,
}

/// The plan, read by each stream that starts.
#[derive(Clone)]
pub(super) struct SharedPlan(Arc<RwLock<Arc<Plan>>>);

impl SharedPlan {
    pub(super) fn new(plan: Plan) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(plan))))
    }

    pub(super) fn get(&self) -> Arc<Plan> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether the plan has changed.
    pub(super) fn set(&self, plan: Plan) -> bool {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changes = **held != plan;
        if changes {
            *held = Arc::new(plan);
        }
        changes
    }
}

/// The detectors of a KPI.
#[derive(Clone)]
pub struct Assignment {
    /// The live detector, and the shadow if there is one.
    pub(in crate::actors) detectors: DetectorSlots,
    /// How far apart two alerts may open that mean the same.
    pub(in crate::actors) window_ms: i64,
}

impl Assignment {
    pub(super) fn from_plan(plan: &Plan, pass: &WorkspacePass, kpi: &KpiName) -> Self {
        let window_ms = plan.trial.as_ref().map_or(0, |trial| trial.window_ms);
        Self { detectors: plan.slots(pass.workspace(), kpi), window_ms }
    }
}

impl Experiments {
    pub(super) fn new(actor: ActorRef<Message>, plan: SharedPlan) -> Self {
        Self { actor, plan }
    }

    /// Has the actor read its records again after a change.
    pub fn wake(&self) {
        ask::send(&self.actor, Message::Wake);
    }

    /// The detectors of a KPI now.
    pub(in crate::actors) fn assignment(&self, pass: &WorkspacePass, kpi: &KpiName) -> Assignment {
        Assignment::from_plan(&self.plan.get(), pass, kpi)
    }

    /// Counts of a stream with these detectors.
    pub(in crate::actors) fn report(&self, detectors: DetectorSlots, tally: Tally) {
        ask::send(&self.actor, Message::Report(detectors, Box::new(tally)));
    }

    /// A stream has failed.
    pub(in crate::actors) fn stream_failed(&self, kpi: &KpiName, reason: &str) {
        self.failed(kpi, reason, true);
    }

    /// The shadow detector of a stream has failed.
    pub(in crate::actors) fn shadow_failed(&self, kpi: &KpiName, reason: &str) {
        self.failed(kpi, reason, false);
    }

    fn failed(&self, kpi: &KpiName, reason: &str, live: bool) {
        if self.plan.get().trial.is_some() {
            let failure = DetectorFailure { kpi: kpi.clone(), reason: reason.to_owned(), live };
            ask::send(&self.actor, Message::Failed(failure));
        }
    }
}
