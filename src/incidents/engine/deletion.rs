//! Deleted series and samples leave the incidents.

use std::collections::HashMap;

use super::IncidentEngine;
use earcon_model::{DeletionScope, IncidentId, KpiName, SeriesId};

impl IncidentEngine {
    /// Removes the members that a deletion covers. An incident without members is closed by the
    /// next decision.
    pub(super) fn erase(&mut self, kpi: &KpiName, scope: &DeletionScope, now_ms: i64) {
        self.deletions.push((kpi.clone(), scope.clone()));
        let incidents = self.state.incidents.iter_mut();
        let changed = incidents.filter_map(|(id, state)| state.erase(kpi, scope, now_ms).then_some(*id));
        changed.collect::<Vec<_>>().into_iter().for_each(|id| self.number_members(id));
    }

    /// The deletions since the last call. Recorded incidents have to follow them.
    pub fn take_deletions(&mut self) -> Vec<(KpiName, DeletionScope)> {
        std::mem::take(&mut self.deletions)
    }

    /// Finds the places of the listed members again; those that left are no longer members.
    pub(super) fn number_members(&mut self, id: IncidentId) {
        let Some(state) = self.state.incidents.get(&id) else { return };
        let members = state.incident.members.iter().zip(0_u16..);
        let listed: HashMap<SeriesId, u16> =
            members.map(|(member, place)| (SeriesId::of(&member.kpi, &member.labels), place)).collect();
        self.state.memberships.retain(|series, membership| {
            if membership.incident == id && membership.listed.is_some() {
                membership.listed = listed.get(series).copied();
                return membership.listed.is_some();
            }
            true
        });
    }
}
