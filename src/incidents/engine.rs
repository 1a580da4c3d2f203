//! The state machine: takes anomaly events and the wall time, returns incident events.

mod deletion;
mod grouping;
mod growth;
mod recovery;

use std::collections::{BTreeMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::budget::{AlertDecision, Budget};
use super::burst::Bursts;
use super::cooccurrence::CooccurrenceStats;
use super::inventory::SeriesInventory;
use super::settings::IncidentSettings;
use super::state::{IncidentState, is_learning, timeline_entry};
use earcon_model::{
    Anomaly, AnomalyEvent, AnomalyId, DeletionScope, Event, EventBody, Incident, IncidentEvent, IncidentId, KpiName,
    Seq, SeriesId, TimelineKind, WorkspaceId,
};

/// Most open incidents. Beyond it, a new anomaly joins the youngest incident.
const MAX_INCIDENTS: usize = 256;
/// Most series in open incidents. Further ones are only counted.
const MAX_MEMBERSHIPS: usize = 50_000;
/// How many closed incidents are remembered, so that a replay does not reopen them.
const MAX_FINISHED: usize = 512;

/// The reason why a saved state cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the saved state of the incidents cannot be read: {0}")]
pub struct RestoreError(String);

/// The membership of a series in an incident.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Membership {
    incident: IncidentId,
    anomaly: AnomalyId,
    open: bool,
    /// Its index among the listed members. `None` if it is only counted.
    listed: Option<u16>,
}

/// The state that survives a restart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct EngineState {
    seq: Seq,
    incidents: BTreeMap<IncidentId, IncidentState>,
    memberships: BTreeMap<SeriesId, Membership>,
    cooccurrence: CooccurrenceStats,
    bursts: Bursts,
    budget: Budget,
    finished: VecDeque<IncidentId>,
}

/// The incidents of one workspace.
#[derive(Debug, Clone)]
pub struct IncidentEngine {
    workspace: WorkspaceId,
    settings: IncidentSettings,
    inventory: SeriesInventory,
    state: EngineState,
    /// Deletions that recorded incidents have to follow; not saved, because a replay finds them.
    deletions: Vec<(KpiName, DeletionScope)>,
}

impl IncidentEngine {
    /// An engine without incidents that continues after event `seq`.
    pub fn new(workspace: WorkspaceId, settings: IncidentSettings, seq: Seq) -> Self {
        let state = EngineState { seq, ..EngineState::default() };
        Self { workspace, settings, inventory: SeriesInventory::default(), state, deletions: Vec::new() }
    }

    /// The newest event that was ingested.
    pub fn seq(&self) -> Seq {
        self.state.seq
    }

    /// The open incidents that have been reported, in no particular order.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        let open = |state: &&IncidentState| state.reported.is_some() && state.incident.merged_into.is_none();
        self.state.incidents.values().filter(open).map(|state| &state.incident)
    }

    /// Replaces the inventory of series, which tells rare traits from common ones. Cheap enough for
    /// once a minute.
    pub fn set_inventory(&mut self, inventory: SeriesInventory) {
        self.inventory = inventory;
    }

    /// Ingests the next event of the log. Events that are not about anomalies only move the
    /// position. `muted` returns the reason of the mute that covers an anomaly, if any.
    pub fn ingest(&mut self, event: &Event, muted: &dyn Fn(&Anomaly) -> Option<String>) {
        if event.seq <= self.state.seq {
            return;
        }
        self.state.seq = event.seq;
        if let Some((kpi, deletion)) = event.deletion() {
            self.erase(kpi, &deletion.scope, event.time_ms);
            return;
        }
        let (EventBody::Anomaly(happened), Some(kpi)) = (&event.body, event.kpi()) else { return };
        match happened {
            AnomalyEvent::Opened(anomaly) => self.onset(anomaly, muted(anomaly), event.time_ms),
            AnomalyEvent::Updated(anomaly) => self.update(anomaly, muted(anomaly), event.time_ms),
            AnomalyEvent::Closed(anomaly) => {
                let id = SeriesId::of(&anomaly.kpi, &anomaly.labels);
                // Applies the last samples first.
                if self
                    .state
                    .memberships
                    .get(&id)
                    .is_some_and(|membership| membership.anomaly == anomaly.id && membership.open)
                {
                    self.update(anomaly, muted(anomaly), event.time_ms);
                    self.end(id, anomaly.closed_at_ms.unwrap_or(event.time_ms), event.time_ms);
                }
            }
            AnomalyEvent::Acknowledged { id, labels, acknowledgement } => {
                let series = SeriesId::of(kpi, labels);
                if let Some(membership) =
                    self.state.memberships.get(&series).filter(|membership| membership.anomaly == *id)
                    && let Some(state) = self.state.incidents.get_mut(&membership.incident)
                {
                    state.acknowledged(membership.listed, acknowledgement);
                }
            }
            // Feedback changes how a series alerts, not the incidents it was in.
            AnomalyEvent::Feedback { .. } => {}
        }
    }

    /// The events to append now. The engine assumes that they are appended: if that fails, the
    /// caller has to discard the engine.
    pub fn decide(&mut self, now_ms: i64) -> Vec<IncidentEvent> {
        let due = |state: &&IncidentState| state.due_at(&self.settings).is_some_and(|at| at <= now_ms);
        let mut due: Vec<&Incident> = self.state.incidents.values().filter(due).map(|state| &state.incident).collect();
        // Merged incidents first, so that followers know the target as alerted before it is
        // reported. Then in the order of the samples, so that a fast replay decides as the live
        // course did. Of one second the most surprising, because each alert leaves less budget.
        let second = |incident: &Incident| incident.opened_at_ms.div_euclid(1_000);
        due.sort_by(|a, b| {
            let merged = b.merged_into.is_some().cmp(&a.merged_into.is_some());
            let earlier = second(a).cmp(&second(b));
            merged.then(earlier).then(b.surprise.total_cmp(&a.surprise)).then(a.id.cmp(&b.id))
        });
        let due: Vec<IncidentId> = due.into_iter().map(|incident| incident.id).collect();
        let mut decisions = Vec::new();
        for id in due {
            self.decide_on(id, now_ms, &mut decisions);
        }
        decisions
    }

    /// When [`decide`](Self::decide) next has something to report, unless an event comes before.
    pub fn due_at(&self) -> Option<i64> {
        self.state.incidents.values().filter_map(|state| state.due_at(&self.settings)).min()
    }

    fn decide_on(&mut self, id: IncidentId, now_ms: i64, decisions: &mut Vec<IncidentEvent>) {
        let EngineState { incidents, budget, cooccurrence, seq, .. } = &mut self.state;
        let Some(state) = incidents.get_mut(&id) else { return };
        if state.incident.members.is_empty() && state.reported.is_none() {
            incidents.remove(&id);
            return;
        }
        let emptied = state.incident.members.is_empty();
        let merged = state.incident.merged_into.is_some();
        if !merged && !emptied {
            state.find_first_mover(cooccurrence);
            let (strength, at_ms) = (f64::from(state.incident.surprise), state.incident.last_at_ms);
            if state.needs_alert_decision() {
                state.surprise_at_decision = state.incident.surprise;
                state.learning_at_decision = is_learning(&state.incident);
                if !state.learning_at_decision
                    && budget.decide(id, strength, at_ms, self.settings.max_per_day) == AlertDecision::Alert
                {
                    state.incident.alerted_at_ms = Some(now_ms);
                    if let Some(first) = state.incident.first() {
                        let entry = timeline_entry(now_ms, TimelineKind::Alerted, &first.kpi, &first.labels);
                        state.incident.note(entry);
                    }
                }
            }
            if !is_learning(&state.incident) {
                let alerted = state.incident.alerted_at_ms.is_some();
                budget.record(id, strength, at_ms, alerted, self.settings.max_per_day);
            }
        }
        state.incident.cause_seq = *seq;
        let first_time = state.reported.is_none();
        let over = merged || emptied || state.closes_at(&self.settings).is_some_and(|at| at <= now_ms);
        let mut report = |state: &mut IncidentState, make: fn(Box<Incident>) -> IncidentEvent| {
            state.mark_reported(now_ms);
            decisions.push(make(Box::new(state.incident.clone())));
        };
        if first_time {
            report(state, IncidentEvent::Opened);
        }
        if over {
            if !merged {
                state.incident.closed_at_ms = Some(state.ended_at_ms());
            }
            report(state, IncidentEvent::Closed);
            self.forget(id);
        } else if !first_time {
            report(state, IncidentEvent::Updated);
        }
    }

    /// Removes a closed incident and frees its series for others.
    fn forget(&mut self, id: IncidentId) {
        self.state.incidents.remove(&id);
        self.state.memberships.retain(|_, membership| membership.incident != id);
        self.state.finished.push_back(id);
        if self.state.finished.len() > MAX_FINISHED {
            self.state.finished.pop_front();
        }
    }

    /// Ends the members whose anomalies are not among `open`. Their end was lost together with the
    /// state of their series.
    pub fn reconcile(&mut self, open: &HashSet<AnomalyId>, now_ms: i64) {
        let lost = |(_, membership): &(&SeriesId, &Membership)| membership.open && !open.contains(&membership.anomaly);
        let lost: Vec<SeriesId> = self.state.memberships.iter().filter(lost).map(|(id, _)| *id).collect();
        for id in lost {
            self.end(id, now_ms, now_ms);
        }
    }

    /// Skips to event `seq`, because earlier events were removed from the log.
    pub fn skip_to(&mut self, seq: Seq) {
        self.state.seq = self.state.seq.max(seq);
    }

    /// A fresh engine at `seq`. Keeps the settings and the alert budget, drops all incidents.
    pub fn restarted_at(&self, seq: Seq) -> Self {
        let state = EngineState { seq, budget: self.state.budget.clone(), ..EngineState::default() };
        let Self { workspace, settings, inventory, deletions, .. } = self.clone();
        Self { workspace, settings, inventory, state, deletions }
    }

    /// The number of series in open incidents, listed or not.
    pub fn series_count(&self) -> usize {
        self.state.memberships.len()
    }
}

#[cfg(test)]
mod tests;
