//! Which incident an anomaly belongs to.

use super::{IncidentEngine, IncidentState, MAX_CASES, MAX_PLACED, Place, State};
use crate::incidents::burst::BURST_MS;
use earcon_model::{Anomaly, IncidentId, Link, Member, SeriesId};

/// A series as a member, with the anomaly that brings it in.
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
        episodes: 1,
        link: Link::First,
        muted,
        acknowledged: anomaly.acknowledged.is_some(),
    }
}

impl IncidentEngine {
    /// A series became anomalous: it comes back to its incident, joins one that is linked (which makes all linked ones
    /// one), or begins one.
    pub(super) fn onset(&mut self, anomaly: &Anomaly, muted: Option<String>, now_ms: i64) {
        self.enter(member(anomaly, muted), now_ms);
    }

    pub(super) fn enter(&mut self, mut member: Member, now_ms: i64) {
        let series = SeriesId::of(&member.kpi, &member.labels);
        let onset_ms = member.opened_at_ms;
        let burst = self.state.bursts.note(onset_ms, &member.kpi);
        let State { cases, placed, .. } = &mut self.state;
        if let Some(place) = placed.get_mut(&series)
            && let Some(case) = cases.get_mut(&place.incident)
        {
            case.returned(place.listed, place.open, member, now_ms);
            (place.anomaly, place.open) = (case_anomaly(case, place), true);
            self.state.seen.note(series, onset_ms);
            return;
        }
        let mut linked = self.linked(series, &member, burst);
        self.state.seen.note(series, onset_ms);
        if linked.is_empty() && self.state.cases.len() >= MAX_CASES {
            let youngest = self.state.cases.values().filter(|case| case.incident.merged_into.is_none());
            let youngest = youngest.max_by_key(|case| (case.since_ms, case.incident.id));
            linked.extend(youngest.map(|case| (case.since_ms, case.incident.id, Link::Overflow)));
        }
        // The oldest takes the others in.
        linked.sort_by_key(|link| (link.0, link.1));
        let id = match linked.first() {
            Some((_, id, link)) => {
                member.link = link.clone();
                *id
            }
            None => {
                let id = IncidentId::of(&self.workspace, member.anomaly);
                self.state.cases.insert(id, IncidentState::new(id, onset_ms, now_ms));
                id
            }
        };
        for (_, younger, link) in linked.iter().skip(1) {
            self.merge(*younger, id, link, now_ms);
        }
        if linked.iter().any(|(_, _, link)| *link == Link::Burst)
            && let Some(case) = self.state.cases.get_mut(&id)
        {
            case.burst = true;
        }
        self.admit(id, series, member, now_ms);
    }

    /// Makes a series a member.
    pub(super) fn admit(&mut self, id: IncidentId, series: SeriesId, member: Member, now_ms: i64) {
        let State { cases, placed, .. } = &mut self.state;
        let Some(case) = cases.get_mut(&id) else { return };
        if placed.len() >= MAX_PLACED && !placed.contains_key(&series) {
            case.incident.members_total = case.incident.members_total.saturating_add(1);
            return;
        }
        let (anomaly, open) = (member.anomaly, member.closed_at_ms.is_none());
        let listed = case.join(member, now_ms);
        placed.insert(series, Place { incident: id, anomaly, open, listed });
    }

    /// The incidents an onset belongs to, each with the reason: near it in time, and linked.
    fn linked(&self, series: SeriesId, member: &Member, burst: bool) -> Vec<(i64, IncidentId, Link)> {
        let State { cases, placed, seen, .. } = &self.state;
        let companions: Vec<IncidentId> = seen
            .neighbours()
            .filter(|other| seen.are_companions(series, *other))
            .filter_map(|other| placed.get(&other).map(|place| place.incident))
            .collect();
        let onset_ms = member.opened_at_ms;
        let mut linked = Vec::new();
        for case in cases.values() {
            let IncidentState { incident, since_ms, .. } = case;
            if incident.merged_into.is_some() || !case.is_near(onset_ms) {
                continue;
            }
            let near = |at: i64| at.abs_diff(onset_ms) <= BURST_MS as u64;
            let in_burst = burst && (near(incident.opened_at_ms) || (case.burst && near(case.activity_ms)));
            let link = if case.kpis.contains(&member.kpi) {
                Some(Link::SameKpi)
            } else if companions.contains(&incident.id) {
                Some(Link::Companion)
            } else if let Some(shared) = self.population.shared(&member.kpi, &member.labels, &case.traits) {
                Some(Link::Shared(shared))
            } else {
                in_burst.then_some(Link::Burst)
            };
            linked.extend(link.map(|link| (in_burst, (*since_ms, incident.id, link))));
        }
        // What bursts now is not part of something that went on before.
        if linked.iter().any(|(in_burst, _)| *in_burst) {
            linked.retain(|(in_burst, _)| *in_burst);
        }
        linked.into_iter().map(|(_, link)| link).collect()
    }

    /// An open anomaly has changed. One never heard of is taken for new.
    pub(super) fn update(&mut self, anomaly: &Anomaly, muted: Option<String>, now_ms: i64) {
        let series = SeriesId::of(&anomaly.kpi, &anomaly.labels);
        let Anomaly { opened_at_ms, last_at_ms, samples, .. } = *anomaly;
        let State { cases, placed, seen, .. } = &mut self.state;
        match placed.get(&series).filter(|place| place.anomaly == anomaly.id && place.open) {
            Some(place) => {
                seen.learn_spacing(series, opened_at_ms, last_at_ms, samples);
                if let Some(case) = cases.get_mut(&place.incident) {
                    case.grew(place.listed, anomaly, muted);
                }
            }
            None => self.onset(anomaly, muted, now_ms),
        }
    }

    /// The episode of a member has ended.
    pub(super) fn end(&mut self, series: SeriesId, closed_at_ms: i64, now_ms: i64) {
        let State { cases, placed, .. } = &mut self.state;
        let Some(place) = placed.get_mut(&series).filter(|place| place.open) else { return };
        place.open = false;
        if let Some(case) = cases.get_mut(&place.incident) {
            case.ended(place.listed, closed_at_ms, now_ms);
        }
    }

    /// Makes `from` part of `into`, because of `link`. If it was spoken of, it will be said where it went.
    pub(super) fn merge(&mut self, from: IncidentId, into: IncidentId, link: &Link, now_ms: i64) {
        if from == into || !self.state.cases.contains_key(&into) {
            return;
        }
        let Some(mut case) = self.state.cases.remove(&from) else { return };
        let moved: Vec<SeriesId> =
            self.state.placed.iter().filter(|(_, place)| place.incident == from).map(|(id, _)| *id).collect();
        for series in moved {
            let Some(place) = self.state.placed.get_mut(&series) else { continue };
            place.incident = into;
            let listed = place.listed.take();
            if let Some(member) = listed.and_then(|listed| case.incident.members.get(usize::from(listed))) {
                let place = *place;
                let link = if member.link == Link::First { link } else { &member.link };
                let member = Member { link: link.clone(), ..member.clone() };
                if let Some(target) = self.state.cases.get_mut(&into) {
                    let listed = target.join(member, now_ms);
                    self.state.placed.insert(series, Place { listed, ..place });
                }
            }
        }
        if let Some(target) = self.state.cases.get_mut(&into) {
            target.inherit(&case, now_ms);
        }
        if case.reported.is_some() {
            case.incident.merged_into = Some(into);
            case.incident.closed_at_ms = Some(now_ms);
            self.state.cases.insert(from, case);
        }
    }
}

/// The anomaly a returned series now stands for; kept by the case when it is listed.
fn case_anomaly(case: &IncidentState, place: &Place) -> earcon_model::AnomalyId {
    place.listed.and_then(|listed| case.incident.members.get(usize::from(listed))).map_or(place.anomaly, |m| m.anomaly)
}
