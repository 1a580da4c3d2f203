//! A member that grows into another event leaves its incident.
//!
//! An anomaly that begins weakly joins what goes on. If it then goes much further than all of that,
//! it is news that people would otherwise not hear of: the incident has alerted already.

use super::grouping::member;
use super::{IncidentEngine, MAX_INCIDENTS};
use earcon_model::{Anomaly, IncidentId, Member, SeriesId};

impl IncidentEngine {
    /// Moves a member whose anomaly has grown into another event to an incident of its own, or to
    /// one that it is linked to and that began near its growth. Returns whether it did.
    pub(super) fn outgrow(&mut self, series: SeriesId, anomaly: &Anomaly, muted: Option<&str>, now_ms: i64) -> bool {
        let Some(membership) = self.state.memberships.get(&series).copied() else { return false };
        let own = IncidentId::of(&self.workspace, anomaly.id);
        let taken = self.state.incidents.contains_key(&own) || self.state.finished.contains(&own);
        if muted.is_some() || taken || self.state.incidents.len() >= MAX_INCIDENTS {
            return false;
        }
        let Some(state) = self.state.incidents.get_mut(&membership.incident) else { return false };
        if !state.is_outgrown_within(membership.listed, anomaly, &self.settings) {
            return false;
        }
        state.leave(membership.listed, anomaly.peak_at_ms, now_ms);
        self.number_members(membership.incident);
        // Its own incident is about the growth.
        self.enter(Member { opened_at_ms: anomaly.peak_at_ms, ..member(anomaly, None) }, now_ms);
        true
    }
}
