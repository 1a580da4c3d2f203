//! Assigns anomalies to incidents.

use super::{EngineState, IncidentEngine, IncidentState, MAX_INCIDENTS, MAX_MEMBERSHIPS, Membership};
use crate::incidents::burst::BURST_MS;
use crate::incidents::state::is_weak;
use earcon_model::{Anomaly, Feature, IncidentId, Link, Member, SeriesId};

/// The member that an anomaly adds to an incident.
pub(super) fn member(anomaly: &Anomaly, muted: Option<String>) -> Member {
    Member {
        anomaly: anomaly.id,
        kpi: anomaly.kpi.clone(),
        labels: anomaly.labels.clone(),
        opened_at_ms: anomaly.opened_at_ms,
        closed_at_ms: None,
        peak_score: anomaly.peak_score,
        peak_at_ms: anomaly.peak_at_ms,
        direction: anomaly.direction,
        reason: anomaly.reason,
        episodes: 1,
        link: Link::First,
        muted,
        acknowledged: anomaly.acknowledged.is_some(),
        learning: anomaly.learning,
    }
}

/// An incident that an anomaly is linked to.
struct Linked {
    id: IncidentId,
    opened_at_ms: i64,
    link: Link,
}

impl Linked {
    fn new(state: &IncidentState, link: Link) -> Self {
        let incident = &state.incident;
        Self { id: incident.id, opened_at_ms: incident.opened_at_ms, link }
    }

    /// Greater for a stronger link, then for the incident that began later.
    fn rank(&self) -> (u8, i64, IncidentId) {
        let strength = match self.link {
            Link::SameKpi => 3,
            Link::Companion => 2,
            Link::Shared(_) => 1,
            Link::First | Link::Burst | Link::Overflow => 0,
        };
        (strength, self.opened_at_ms, self.id)
    }
}

impl IncidentEngine {
    /// Handles the onset of an anomaly. The series returns to its incident, joins a linked one, or
    /// starts one. If several incidents are linked, they are merged.
    pub(super) fn onset(&mut self, anomaly: &Anomaly, muted: Option<String>, now_ms: i64) {
        self.enter(member(anomaly, muted), now_ms);
    }

    pub(super) fn enter(&mut self, mut member: Member, now_ms: i64) {
        let series = SeriesId::of(&member.kpi, &member.labels);
        let onset_ms = member.opened_at_ms;
        // A single value that is out has an exact time; a mean is noticed later by chance.
        let weak = is_weak(member.peak_score) && member.reason == Feature::Slope;
        let kpis = self.inventory.kpis();
        let burst = self.state.bursts.record_onset(onset_ms, &member.kpi, weak, kpis);
        self.seal_if_over(series, onset_ms);
        let EngineState { incidents, memberships, .. } = &mut self.state;
        if let Some(membership) = memberships.get_mut(&series)
            && let Some(state) = incidents.get_mut(&membership.incident)
        {
            state.returned(membership.listed, membership.open, member, now_ms);
            (membership.anomaly, membership.open) = (latest_anomaly(state, membership), true);
            self.state.cooccurrence.record_onset(series, onset_ms);
            return;
        }
        let mut linked = self.linked(series, &member, burst);
        self.state.cooccurrence.record_onset(series, onset_ms);
        if linked.is_empty() && self.state.incidents.len() >= MAX_INCIDENTS {
            let open = |state: &&IncidentState| state.incident.merged_into.is_none() && !state.sealed;
            let youngest = self.state.incidents.values().filter(open);
            let youngest = youngest.max_by_key(|state| (state.since_ms, state.incident.id));
            linked.extend(youngest.map(|state| Linked::new(state, Link::Overflow)));
        }
        // The one that began first absorbs the others.
        linked.sort_by_key(|linked| (linked.opened_at_ms, linked.id));
        let id = match linked.first() {
            Some(oldest) => {
                member.link = oldest.link.clone();
                oldest.id
            }
            None => {
                let id = IncidentId::of(&self.workspace, member.anomaly);
                self.state.incidents.insert(id, IncidentState::new(id, onset_ms, now_ms));
                id
            }
        };
        for younger in linked.iter().skip(1) {
            self.merge(younger.id, id, &younger.link, now_ms);
        }
        if linked.iter().any(|linked| linked.link == Link::Burst)
            && let Some(state) = self.state.incidents.get_mut(&id)
        {
            state.burst = true;
        }
        self.admit(id, series, member, now_ms);
    }

    /// Seals the incident of a series if it was over, in sample time, before this onset. In a fast
    /// replay its time by the wall clock has not passed yet.
    fn seal_if_over(&mut self, series: SeriesId, onset_ms: i64) {
        let EngineState { incidents, memberships, .. } = &mut self.state;
        let Some(id) = memberships.get(&series).map(|membership| membership.incident) else { return };
        let Some(state) = incidents.get_mut(&id) else { return };
        if state.is_over_by(onset_ms, &self.settings) {
            state.sealed = true;
            memberships.retain(|_, membership| membership.incident != id);
        }
    }

    /// Adds a series to an incident.
    pub(super) fn admit(&mut self, id: IncidentId, series: SeriesId, member: Member, now_ms: i64) {
        let EngineState { incidents, memberships, .. } = &mut self.state;
        let Some(state) = incidents.get_mut(&id) else { return };
        if memberships.len() >= MAX_MEMBERSHIPS && !memberships.contains_key(&series) {
            state.incident.members_total = state.incident.members_total.saturating_add(1);
            return;
        }
        let (anomaly, open) = (member.anomaly, member.closed_at_ms.is_none());
        let listed = state.join(member, now_ms);
        memberships.insert(series, Membership { incident: id, anomaly, open, listed });
    }

    /// The incidents that an anomaly joins: the one with the strongest link to it, and those that
    /// began within a minute of that one. An anomaly that is part of a burst, whose span is `burst`
    /// in milliseconds, joins the burst.
    fn linked(&self, series: SeriesId, member: &Member, burst: Option<i64>) -> Vec<Linked> {
        let EngineState { incidents, memberships, cooccurrence, .. } = &self.state;
        let companions: Vec<IncidentId> = cooccurrence
            .neighbours()
            .filter(|other| cooccurrence.are_companions(series, *other))
            .filter_map(|other| memberships.get(&other).map(|membership| membership.incident))
            .collect();
        let onset_ms = member.opened_at_ms;
        let spacing_ms = cooccurrence.spacing_ms(series);
        let mut linked = Vec::new();
        for state in incidents.values() {
            let incident = &state.incident;
            let open = incident.merged_into.is_none() && !state.is_over_by(onset_ms, &self.settings);
            let within = |at: i64, span_ms: i64| at.abs_diff(onset_ms) <= span_ms as u64;
            let in_burst = burst.is_some_and(|span_ms| {
                let began = within(incident.opened_at_ms, span_ms);
                let burst = state.burst && within(state.activity_ms, span_ms);
                match span_ms {
                    BURST_MS => state.is_near(onset_ms, spacing_ms) && (began || burst),
                    _ => is_weak(incident.peak_score) && began,
                }
            });
            if !open || !(in_burst || state.is_near(onset_ms, spacing_ms)) {
                continue;
            }
            let outgrown = || state.is_outgrown_by(member, &self.settings);
            let link = if state.kpis.contains(&member.kpi) {
                Some(Link::SameKpi)
            } else if companions.contains(&incident.id) {
                Some(Link::Companion)
            } else if outgrown() {
                None
            } else if let Some(shared) = self.inventory.shared(&member.kpi, &member.labels, &state.traits) {
                Some(Link::Shared(shared))
            } else {
                in_burst.then_some(Link::Burst)
            };
            linked.extend(link.map(|link| (in_burst, Linked::new(state, link))));
        }
        // An onset of a burst does not join incidents that were open before the burst.
        if linked.iter().any(|(in_burst, _)| *in_burst) {
            linked.retain(|(in_burst, _)| *in_burst);
            return linked.into_iter().map(|(_, linked)| linked).collect();
        }
        let best = linked.iter().map(|(_, linked)| linked).max_by_key(|linked| linked.rank());
        let Some(begun) = best.map(|best| best.opened_at_ms) else { return Vec::new() };
        let together = |linked: &Linked| linked.opened_at_ms.abs_diff(begun) <= BURST_MS as u64;
        linked.into_iter().map(|(_, linked)| linked).filter(together).collect()
    }

    /// Handles a change of an open anomaly. An unknown anomaly is handled as an onset.
    pub(super) fn update(&mut self, anomaly: &Anomaly, muted: Option<String>, now_ms: i64) {
        let series = SeriesId::of(&anomaly.kpi, &anomaly.labels);
        let Anomaly { opened_at_ms, last_at_ms, samples, .. } = *anomaly;
        let known = |of: &EngineState| {
            let membership = of.memberships.get(&series).copied();
            membership.filter(|membership| membership.anomaly == anomaly.id && membership.open)
        };
        if known(&self.state).is_some() && self.outgrow(series, anomaly, muted.as_deref(), now_ms) {
            return;
        }
        match known(&self.state) {
            Some(membership) => {
                let EngineState { incidents, cooccurrence, .. } = &mut self.state;
                cooccurrence.learn_spacing(series, opened_at_ms, last_at_ms, samples);
                if let Some(state) = incidents.get_mut(&membership.incident) {
                    state.grew(membership.listed, anomaly, muted);
                }
            }
            None => self.onset(anomaly, muted, now_ms),
        }
    }

    /// Ends the episode of a member.
    pub(super) fn end(&mut self, series: SeriesId, closed_at_ms: i64, now_ms: i64) {
        let EngineState { incidents, memberships, .. } = &mut self.state;
        let Some(membership) = memberships.get_mut(&series).filter(|membership| membership.open) else { return };
        membership.open = false;
        if let Some(state) = incidents.get_mut(&membership.incident) {
            state.ended(membership.listed, closed_at_ms, now_ms);
        }
    }

    /// Merges `from` into `into`, because of `link`. If `from` was reported, its closing event
    /// names the target.
    pub(super) fn merge(&mut self, from: IncidentId, into: IncidentId, link: &Link, now_ms: i64) {
        if from == into || !self.state.incidents.contains_key(&into) {
            return;
        }
        let Some(mut state) = self.state.incidents.remove(&from) else { return };
        let moved: Vec<SeriesId> = self
            .state
            .memberships
            .iter()
            .filter(|(_, membership)| membership.incident == from)
            .map(|(id, _)| *id)
            .collect();
        for series in moved {
            let Some(membership) = self.state.memberships.get_mut(&series) else { continue };
            membership.incident = into;
            let listed = membership.listed.take();
            if let Some(member) = listed.and_then(|listed| state.incident.members.get(usize::from(listed))) {
                let membership = *membership;
                let link = if member.link == Link::First { link } else { &member.link };
                let member = Member { link: link.clone(), ..member.clone() };
                if let Some(target) = self.state.incidents.get_mut(&into) {
                    let listed = target.join(member, now_ms);
                    self.state.memberships.insert(series, Membership { listed, ..membership });
                }
            }
        }
        if let Some(target) = self.state.incidents.get_mut(&into) {
            target.absorb(&state, now_ms);
        }
        if state.reported.is_some() {
            state.incident.merged_into = Some(into);
            state.incident.closed_at_ms = Some(now_ms);
            self.state.incidents.insert(from, state);
        }
    }
}

/// The latest anomaly of a series that returned. The incident has it if the series is listed.
fn latest_anomaly(state: &IncidentState, membership: &Membership) -> earcon_model::AnomalyId {
    membership
        .listed
        .and_then(|listed| state.incident.members.get(usize::from(listed)))
        .map_or(membership.anomaly, |m| m.anomaly)
}
