//! The state machine: anomaly events and the wall time in, events about incidents out.

mod grouping;
mod recovery;

use std::collections::{BTreeMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::budget::{Budget, Verdict};
use super::burst::Bursts;
use super::cooccurrence::CooccurrenceStats;
use super::inventory::SeriesInventory;
use super::state::{IncidentState, moment};
use earcon_model::{
    Anomaly, AnomalyEvent, AnomalyId, Event, EventBody, Incident, IncidentEvent, IncidentId, Seq, SeriesId,
    TimelineKind, WorkspaceId,
};

/// Most incidents under way; what begins beyond it joins the youngest one.
const MAX_CASES: usize = 256;
/// Most series in incidents under way; further ones are only counted.
const MAX_PLACED: usize = 50_000;
/// How many incidents that are over are remembered, so that a replay does not bring them back.
const MAX_FINISHED: usize = 512;

/// Limits and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncidentSettings {
    /// Most incidents alerted in any 24 hours; 0: no limit.
    pub max_per_day: u32,
    /// How long an incident gathers members before it is first spoken of, milliseconds.
    pub settle_ms: i64,
    /// How long after its last member's end an incident is over, unless a member comes back, milliseconds.
    pub linger_ms: i64,
}

impl Default for IncidentSettings {
    fn default() -> Self {
        Self { max_per_day: 20, settle_ms: 2_000, linger_ms: 60_000 }
    }
}

/// Why a saved state cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the saved state of the incidents cannot be read: {0}")]
pub struct RestoreError(String);

/// Where a series is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Place {
    incident: IncidentId,
    anomaly: AnomalyId,
    open: bool,
    /// Its index among the members; `None` when it is only counted.
    listed: Option<u16>,
}

/// Everything that has to survive a restart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct State {
    seq: Seq,
    cases: BTreeMap<IncidentId, IncidentState>,
    placed: BTreeMap<SeriesId, Place>,
    seen: CooccurrenceStats,
    bursts: Bursts,
    budget: Budget,
    finished: VecDeque<IncidentId>,
}

/// The incidents of one workspace.
#[derive(Debug, Clone)]
pub struct IncidentEngine {
    workspace: WorkspaceId,
    settings: IncidentSettings,
    population: SeriesInventory,
    state: State,
}

impl IncidentEngine {
    /// A desk that has heard of nothing up to event `seq`.
    pub fn new(workspace: WorkspaceId, settings: IncidentSettings, seq: Seq) -> Self {
        let state = State { seq, ..State::default() };
        Self { workspace, settings, population: SeriesInventory::default(), state }
    }

    /// The newest event taken in.
    pub fn seq(&self) -> Seq {
        self.state.seq
    }

    /// The incidents that were spoken of and are not over, in no particular order.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        let open = |case: &&IncidentState| case.reported.is_some() && case.incident.merged_into.is_none();
        self.state.cases.values().filter(open).map(|case| &case.incident)
    }

    /// Learns which series there are, to know what is rare in common. Cheap enough for once a minute.
    pub fn know(&mut self, population: SeriesInventory) {
        self.population = population;
    }

    /// Takes the next event of the log in; all but those of anomalies only move the position. `muted` says why nobody is to be
    /// alerted because of an anomaly.
    pub fn take(&mut self, event: &Event, muted: &dyn Fn(&Anomaly) -> Option<String>) {
        if event.seq <= self.state.seq {
            return;
        }
        self.state.seq = event.seq;
        let (EventBody::Anomaly(happened), Some(kpi)) = (&event.body, event.kpi()) else { return };
        match happened {
            AnomalyEvent::Opened(anomaly) => self.onset(anomaly, muted(anomaly), event.time_ms),
            AnomalyEvent::Updated(anomaly) => self.update(anomaly, muted(anomaly), event.time_ms),
            AnomalyEvent::Closed(anomaly) => {
                let id = SeriesId::of(&anomaly.kpi, &anomaly.labels);
                // What the last samples brought, first.
                if self.state.placed.get(&id).is_some_and(|place| place.anomaly == anomaly.id && place.open) {
                    self.update(anomaly, muted(anomaly), event.time_ms);
                    self.end(id, anomaly.closed_at_ms.unwrap_or(event.time_ms), event.time_ms);
                }
            }
            AnomalyEvent::Acknowledged { id, labels, acknowledgement } => {
                let series = SeriesId::of(kpi, labels);
                if let Some(place) = self.state.placed.get(&series).filter(|place| place.anomaly == *id)
                    && let Some(case) = self.state.cases.get_mut(&place.incident)
                {
                    case.acknowledged(place.listed, acknowledgement);
                }
            }
            // Feedback changes how a series alerts, not the incidents it was in.
            AnomalyEvent::Feedback { .. } => {}
        }
    }

    /// What is to be written now. The desk takes it for written: if it cannot be, the desk has to be thrown away.
    pub fn decide(&mut self, now_ms: i64) -> Vec<IncidentEvent> {
        let due = |case: &&IncidentState| case.due_at(&self.settings).is_some_and(|at| at <= now_ms);
        let mut due: Vec<&Incident> = self.state.cases.values().filter(due).map(|case| &case.incident).collect();
        // What became part of another first, so that whoever knew it as alerted knows the other one so. Then the most
        // surprising, because what it takes from the budget is gone for the others.
        due.sort_by(|a, b| {
            let merged = b.merged_into.is_some().cmp(&a.merged_into.is_some());
            merged.then(b.surprise.total_cmp(&a.surprise)).then(a.id.cmp(&b.id))
        });
        let due: Vec<IncidentId> = due.into_iter().map(|incident| incident.id).collect();
        let mut decisions = Vec::new();
        for id in due {
            self.decide_on(id, now_ms, &mut decisions);
        }
        decisions
    }

    /// When [`decide`](Self::decide) has something to say next, if nothing happens before.
    pub fn due_at(&self) -> Option<i64> {
        self.state.cases.values().filter_map(|case| case.due_at(&self.settings)).min()
    }

    fn decide_on(&mut self, id: IncidentId, now_ms: i64, decisions: &mut Vec<IncidentEvent>) {
        let State { cases, budget, seen, seq, .. } = &mut self.state;
        let Some(case) = cases.get_mut(&id) else { return };
        if case.incident.members.is_empty() {
            cases.remove(&id);
            return;
        }
        let merged = case.incident.merged_into.is_some();
        if !merged {
            case.find_first_mover(seen);
            let strength = f64::from(case.incident.surprise);
            if case.asks() {
                case.asked = case.incident.surprise;
                if budget.ask(id, strength, now_ms, self.settings.max_per_day) == Verdict::Tell {
                    case.incident.alerted_at_ms = Some(now_ms);
                    if let Some(first) = case.incident.first() {
                        let told = moment(now_ms, TimelineKind::Alerted, &first.kpi, &first.labels);
                        case.incident.note(told);
                    }
                }
            }
            budget.note(id, strength, now_ms, case.incident.alerted_at_ms, self.settings.max_per_day);
        }
        case.incident.cause_seq = *seq;
        let first_time = case.reported.is_none();
        let over = merged || case.closes_at(&self.settings).is_some_and(|at| at <= now_ms);
        let mut say = |case: &mut IncidentState, make: fn(Box<Incident>) -> IncidentEvent| {
            case.report(now_ms);
            decisions.push(make(Box::new(case.incident.clone())));
        };
        if first_time {
            say(case, IncidentEvent::Opened);
        }
        if over {
            if !merged {
                case.incident.closed_at_ms = Some(case.ended_at_ms());
            }
            say(case, IncidentEvent::Closed);
            self.forget(id);
        } else if !first_time {
            say(case, IncidentEvent::Updated);
        }
    }

    /// An incident is over: its series are free for others.
    fn forget(&mut self, id: IncidentId) {
        self.state.cases.remove(&id);
        self.state.placed.retain(|_, place| place.incident != id);
        self.state.finished.push_back(id);
        if self.state.finished.len() > MAX_FINISHED {
            self.state.finished.pop_front();
        }
    }

    /// Ends the members whose anomalies are not among `open`: their end was lost, with the state of their series.
    pub fn reconcile(&mut self, open: &HashSet<AnomalyId>, now_ms: i64) {
        let lost = |(_, place): &(&SeriesId, &Place)| place.open && !open.contains(&place.anomaly);
        let lost: Vec<SeriesId> = self.state.placed.iter().filter(lost).map(|(id, _)| *id).collect();
        for id in lost {
            self.end(id, now_ms, now_ms);
        }
    }

    /// Moves on to event `seq`, because what is before it is no more.
    pub fn skip_to(&mut self, seq: Seq) {
        self.state.seq = self.state.seq.max(seq);
    }

    /// A desk with the same settings that has heard of nothing up to event `seq` but of what was alerted.
    pub fn afresh(&self, seq: Seq) -> Self {
        let state = State { seq, budget: self.state.budget.clone(), ..State::default() };
        let Self { workspace, settings, population, .. } = self.clone();
        Self { workspace, settings, population, state }
    }

    /// What series are in incidents under way, listed or not.
    pub fn series_placed(&self) -> usize {
        self.state.placed.len()
    }
}

#[cfg(test)]
mod tests;
