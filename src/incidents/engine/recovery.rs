//! Recovery: a saved state, and a replay of the events after it.
//!
//! Grouping depends on the anomaly events alone, so it is repeated. *Reports* are taken from the
//! log and are not made a second time. The two can disagree if the inventory of series has changed.
//! Then the log is right.

use super::{EngineState, IncidentEngine, IncidentState, RestoreError};
use crate::incidents::inventory::SeriesInventory;
use crate::incidents::settings::IncidentSettings;
use crate::incidents::state::is_learning;
use earcon_model::{Anomaly, Event, EventBody, Incident, IncidentEvent, Link, Member, SeriesId, WorkspaceId};

/// The first byte of a saved state: the version of its format.
const VERSION: u8 = 1;

impl IncidentEngine {
    /// The state as bytes. Store them only after all decisions so far are in the log.
    ///
    /// # Errors
    /// Never for this state; the encoder's error is passed on.
    pub fn save(&self) -> Result<Vec<u8>, RestoreError> {
        postcard::to_extend(&self.state, vec![VERSION]).map_err(|error| RestoreError(error.to_string()))
    }

    /// An engine from saved bytes.
    ///
    /// # Errors
    /// If the bytes are damaged or have another version.
    pub fn restore(workspace: WorkspaceId, settings: IncidentSettings, bytes: &[u8]) -> Result<Self, RestoreError> {
        let state: EngineState = match bytes.split_first() {
            Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|error| RestoreError(error.to_string()))?,
            _ => return Err(RestoreError("it has another version".into())),
        };
        Ok(Self { workspace, settings, inventory: SeriesInventory::default(), state, deletions: Vec::new() })
    }

    /// Replays the next event of the log after a restart. Unlike [`ingest`](Self::ingest), it also
    /// applies the engine's own events.
    pub fn replay(&mut self, event: &Event, muted: &dyn Fn(&Anomaly) -> Option<String>) {
        if event.seq <= self.state.seq {
            return;
        }
        self.ingest(event, muted);
        let EventBody::Incident(happened) = &event.body else { return };
        match happened {
            IncidentEvent::Opened(incident) | IncidentEvent::Updated(incident) => {
                self.replay_reported(incident, event.time_ms)
            }
            IncidentEvent::Closed(incident) => self.replay_closed(incident, event.time_ms),
        }
    }

    fn replay_reported(&mut self, incident: &Incident, time_ms: i64) {
        if self.state.finished.contains(&incident.id) {
            return;
        }
        let (id, strength) = (incident.id, f64::from(incident.surprise));
        if !is_learning(incident) {
            let (at_ms, alerted) = (incident.last_at_ms, incident.alerted_at_ms.is_some());
            self.state.budget.record(id, strength, at_ms, alerted, self.settings.max_per_day);
        }
        let known = self.state.incidents.get(&id).map(|state| state.incident.revision);
        if known.is_some_and(|revision| revision >= incident.revision) {
            return;
        }
        if known.is_none() {
            let empty = Incident { members: Vec::new(), members_total: 0, members_open: 0, ..incident.clone() };
            self.state.incidents.insert(id, IncidentState::from_incident(empty, time_ms));
        }
        for member in &incident.members {
            self.replay_member(incident, member, time_ms);
        }
        let Some(state) = self.state.incidents.get_mut(&id) else { return };
        state.incident.alerted_at_ms = incident.alerted_at_ms;
        state.incident.acknowledged = state.incident.acknowledged.take().or(incident.acknowledged.clone());
        state.incident.revision = incident.revision - 1;
        state.incident.first_mover = incident.first_mover.min(state.incident.members.len().saturating_sub(1) as u32);
        state.surprise_at_decision = incident.surprise;
        state.mark_reported(time_ms);
        state.restore_reported(incident);
    }

    /// Moves a member here from an incident that was never reported. An unknown member joins.
    fn replay_member(&mut self, incident: &Incident, member: &Member, time_ms: i64) {
        let series = SeriesId::of(&member.kpi, &member.labels);
        match self.state.memberships.get(&series).map(|membership| membership.incident) {
            Some(here) if here == incident.id => {}
            Some(other) => {
                let unspoken = self.state.incidents.get(&other).is_none_or(|state| state.reported.is_none());
                if unspoken {
                    self.merge(other, incident.id, &member.link, time_ms);
                }
            }
            None => self.admit(incident.id, series, member.clone(), time_ms),
        }
    }

    fn replay_closed(&mut self, incident: &Incident, time_ms: i64) {
        let (id, strength) = (incident.id, f64::from(incident.surprise));
        if !is_learning(incident) {
            let (at_ms, alerted) = (incident.last_at_ms, incident.alerted_at_ms.is_some());
            self.state.budget.record(id, strength, at_ms, alerted, self.settings.max_per_day);
        }
        if self.state.finished.contains(&id) {
            return;
        }
        if let Some(into) = incident.merged_into
            && self.state.incidents.get(&id).is_some_and(|state| state.incident.merged_into.is_none())
        {
            self.merge(id, into, &Link::First, time_ms);
        }
        // A series that became anomalous after the end, but before the closing event was appended,
        // starts a new incident.
        let left: Vec<Member> = self.state.incidents.get(&id).map_or_else(Vec::new, |state| {
            let since = |member: &&Member| {
                let then = incident.members.iter().find(|then| then.kpi == member.kpi && then.labels == member.labels);
                incident.merged_into.is_none()
                    && member.closed_at_ms.is_none()
                    && then.is_none_or(|then| then.anomaly != member.anomaly)
            };
            state.incident.members.iter().filter(since).cloned().collect()
        });
        self.forget(id);
        for member in left {
            self.enter(member, time_ms);
        }
    }
}
