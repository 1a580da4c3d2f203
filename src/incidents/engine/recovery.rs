//! Back to where the log ends: a saved state, and what the log says after it.
//!
//! Grouping follows from the anomaly events alone, so it is done again; what was *said* is taken from the log, and is not said
//! a second time. Where the two disagree, because series were known then that are not known now, the log is right.

use super::{IncidentEngine, IncidentSettings, IncidentState, RestoreError, State};
use crate::incidents::inventory::SeriesInventory;
use earcon_model::{Anomaly, Event, EventBody, Incident, IncidentEvent, Link, Member, SeriesId, WorkspaceId};

/// In front of a saved state; another number is another form.
const VERSION: u8 = 1;

impl IncidentEngine {
    /// The state as bytes. Only to be kept when everything decided so far is in the log.
    ///
    /// # Errors
    /// Never for this state; the encoder's error is passed on.
    pub fn save(&self) -> Result<Vec<u8>, RestoreError> {
        postcard::to_extend(&self.state, vec![VERSION]).map_err(|error| RestoreError(error.to_string()))
    }

    /// A desk from saved bytes.
    ///
    /// # Errors
    /// When the bytes are damaged or of another version.
    pub fn restore(workspace: WorkspaceId, settings: IncidentSettings, bytes: &[u8]) -> Result<Self, RestoreError> {
        let state: State = match bytes.split_first() {
            Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|error| RestoreError(error.to_string()))?,
            _ => return Err(RestoreError("it has another version".into())),
        };
        Ok(Self { workspace, settings, population: SeriesInventory::default(), state })
    }

    /// Takes the next event of the log in, as it was before a restart: unlike [`take`](Self::take) also what the desk itself
    /// had said.
    pub fn replay(&mut self, event: &Event, muted: &dyn Fn(&Anomaly) -> Option<String>) {
        if event.seq <= self.state.seq {
            return;
        }
        self.take(event, muted);
        let EventBody::Incident(happened) = &event.body else { return };
        match happened {
            IncidentEvent::Opened(incident) | IncidentEvent::Updated(incident) => self.said(incident, event.time_ms),
            IncidentEvent::Closed(incident) => self.said_over(incident, event.time_ms),
        }
    }

    fn said(&mut self, incident: &Incident, time_ms: i64) {
        if self.state.finished.contains(&incident.id) {
            return;
        }
        let (id, strength) = (incident.id, f64::from(incident.surprise));
        self.state.budget.note(id, strength, time_ms, incident.alerted_at_ms, self.settings.max_per_day);
        let known = self.state.cases.get(&id).map(|case| case.incident.revision);
        if known.is_some_and(|revision| revision >= incident.revision) {
            return;
        }
        if known.is_none() {
            let empty = Incident { members: Vec::new(), members_total: 0, members_open: 0, ..incident.clone() };
            self.state.cases.insert(id, IncidentState::of(empty, time_ms));
        }
        for member in &incident.members {
            self.place_as_said(incident, member, time_ms);
        }
        let Some(case) = self.state.cases.get_mut(&id) else { return };
        case.incident.alerted_at_ms = incident.alerted_at_ms;
        case.incident.acknowledged = case.incident.acknowledged.take().or(incident.acknowledged.clone());
        case.incident.revision = incident.revision - 1;
        case.incident.first_mover = incident.first_mover.min(case.incident.members.len().saturating_sub(1) as u32);
        case.asked = incident.surprise;
        case.report(time_ms);
        case.said(incident);
    }

    /// A member that is elsewhere, in something never spoken of, is moved here; one not known of joins.
    fn place_as_said(&mut self, incident: &Incident, member: &Member, time_ms: i64) {
        let series = SeriesId::of(&member.kpi, &member.labels);
        match self.state.placed.get(&series).map(|place| place.incident) {
            Some(here) if here == incident.id => {}
            Some(other) => {
                let unspoken = self.state.cases.get(&other).is_none_or(|case| case.reported.is_none());
                if unspoken {
                    self.merge(other, incident.id, &member.link, time_ms);
                }
            }
            None => self.admit(incident.id, series, member.clone(), time_ms),
        }
    }

    fn said_over(&mut self, incident: &Incident, time_ms: i64) {
        let (id, strength) = (incident.id, f64::from(incident.surprise));
        self.state.budget.note(id, strength, time_ms, incident.alerted_at_ms, self.settings.max_per_day);
        if self.state.finished.contains(&id) {
            return;
        }
        if let Some(into) = incident.merged_into
            && self.state.cases.get(&id).is_some_and(|case| case.incident.merged_into.is_none())
        {
            self.merge(id, into, &Link::First, time_ms);
        }
        // Whoever became anomalous after it was over, and before that was written, begins something new.
        let left: Vec<Member> = self.state.cases.get(&id).map_or_else(Vec::new, |case| {
            let since = |member: &&Member| {
                let then = incident.members.iter().find(|then| then.kpi == member.kpi && then.labels == member.labels);
                incident.merged_into.is_none()
                    && member.closed_at_ms.is_none()
                    && then.is_none_or(|then| then.anomaly != member.anomaly)
            };
            case.incident.members.iter().filter(since).cloned().collect()
        });
        self.forget(id);
        for member in left {
            self.enter(member, time_ms);
        }
    }
}
