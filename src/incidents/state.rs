//! One incident under way: what it consists of, what was said of it, and when there is something to say next.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::cooccurrence::CooccurrenceStats;
use super::engine::IncidentSettings;
use super::inventory::{Trait, traits};
use earcon_model::{
    Acknowledgement, Anomaly, Incident, IncidentId, KpiName, Labels, Link, Member, SeriesId, TimelineEntry,
    TimelineKind,
};

/// An anomaly may join for half as long after the latest activity as the incident had lasted until then; at least so long, …
const JOIN_LEAST_MS: i64 = 120_000;
/// … and at most so long.
const JOIN_MOST_MS: i64 = 1_800_000;
/// Clear growth is told no more often than this.
const UPDATE_EVERY_MS: i64 = 5_000;
/// Small changes are told no more often than this.
const REFRESH_EVERY_MS: i64 = 60_000;
/// Onsets closer than this, or than a sampling interval up to [`NEAR_MOST_MS`], say nothing about who was first.
const NEAR_LEAST_MS: i64 = 1_000;
const NEAR_MOST_MS: i64 = 60_000;

/// How surprising a score is, in bits: how many times in a row a coin has to show heads. 25 at most.
pub(super) fn bits(score: f32) -> f32 {
    -(1.0 - f64::from(score)).clamp(1.0 / 33_554_432.0, 1.0).log2() as f32
}

/// Whether a strength has clearly grown since it was `before`; in the unit in which episodes measure their growth.
pub(super) fn has_clearly_grown(before: f32, now: f32) -> bool {
    now.sqrt() > before.sqrt() + 0.55
}

/// What was last said of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Reported {
    pub(super) at_ms: i64,
    pub(super) members_total: u32,
    pub(super) surprise: f32,
    pub(super) acknowledged: bool,
    pub(super) told: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct IncidentState {
    pub(super) incident: Incident,
    /// Wall time at which it came into being.
    pub(super) since_ms: i64,
    /// The latest onset, peak or end of a member, by the samples.
    pub(super) activity_ms: i64,
    /// Wall time since when no member is open.
    pub(super) empty_since_ms: Option<i64>,
    pub(super) traits: BTreeSet<Trait>,
    pub(super) kpis: BTreeSet<KpiName>,
    pub(super) burst: bool,
    /// Members that are not listed and not muted, and the highest score among them.
    unlisted: u32,
    unlisted_peak: f32,
    /// The surprise with which the budget was last asked.
    pub(super) asked: f32,
    /// `None` while it is too young to be spoken of.
    pub(super) reported: Option<Reported>,
    dirty: bool,
}

impl IncidentState {
    /// An incident without members.
    pub(super) fn new(id: IncidentId, opened_at_ms: i64, now_ms: i64) -> Self {
        let incident = Incident {
            id,
            revision: 0,
            cause_seq: 0,
            opened_at_ms,
            closed_at_ms: None,
            merged_into: None,
            alerted_at_ms: None,
            peak_score: 0.0,
            surprise: 0.0,
            first_mover: 0,
            members: Vec::new(),
            members_total: 0,
            members_open: 0,
            timeline: Vec::new(),
            timeline_left_out: 0,
            acknowledged: None,
        };
        Self::of(incident, now_ms)
    }

    /// An incident as an event tells of it; its members have to be placed yet, and what is not listed is not known.
    pub(super) fn of(mut incident: Incident, now_ms: i64) -> Self {
        let activity_ms = incident.members.iter().map(|member| member.closed_at_ms.unwrap_or(member.peak_at_ms)).max();
        let mut case = Self {
            since_ms: now_ms,
            activity_ms: activity_ms.unwrap_or(incident.opened_at_ms),
            empty_since_ms: None,
            traits: BTreeSet::new(),
            kpis: BTreeSet::new(),
            burst: incident.members.iter().any(|member| member.link == Link::Burst),
            unlisted: 0,
            unlisted_peak: 0.0,
            asked: incident.surprise,
            reported: None,
            dirty: false,
            incident: {
                incident.members_open = incident.members.iter().filter(|m| m.closed_at_ms.is_none()).count() as u32;
                incident
            },
        };
        for member in &case.incident.members {
            case.traits.extend(traits(&member.kpi, &member.labels).map(|(key, _)| key));
            case.kpis.insert(member.kpi.clone());
        }
        case.emptied_or_not(now_ms);
        case
    }

    /// Whether an onset is near enough in time for its series to join.
    pub(super) fn is_near(&self, onset_ms: i64) -> bool {
        let lasted = self.activity_ms.saturating_sub(self.incident.opened_at_ms);
        let window = (lasted / 2).clamp(JOIN_LEAST_MS, JOIN_MOST_MS);
        onset_ms >= self.incident.opened_at_ms.saturating_sub(window)
            && onset_ms <= self.activity_ms.saturating_add(window)
    }

    /// Takes a series in; answers its place in the list of members when it is listed.
    pub(super) fn join(&mut self, member: Member, now_ms: i64) -> Option<u16> {
        self.dirty = true;
        let incident = &mut self.incident;
        incident.opened_at_ms = incident.opened_at_ms.min(member.opened_at_ms);
        incident.members_total = incident.members_total.saturating_add(1);
        incident.peak_score = incident.peak_score.max(member.peak_score);
        self.activity_ms = self.activity_ms.max(member.closed_at_ms.unwrap_or(member.peak_at_ms));
        if member.closed_at_ms.is_none() {
            incident.members_open = incident.members_open.saturating_add(1);
        }
        let listed = incident.members.len() < Incident::MAX_MEMBERS;
        let place = listed.then_some(incident.members.len() as u16);
        if listed {
            self.kpis.insert(member.kpi.clone());
            self.traits.extend(traits(&member.kpi, &member.labels).map(|(key, _)| key));
            incident.note(moment(member.opened_at_ms, TimelineKind::Joined, &member.kpi, &member.labels));
            incident.members.push(member);
        } else if member.muted.is_none() {
            self.unlisted += 1;
            self.unlisted_peak = self.unlisted_peak.max(member.peak_score);
        }
        self.emptied_or_not(now_ms);
        self.rank();
        place
    }

    /// A series that had left is anomalous again, or (`open`) still; its anomaly is another one.
    pub(super) fn returned(&mut self, place: Option<u16>, open: bool, again: Member, now_ms: i64) {
        self.dirty = true;
        self.activity_ms = self.activity_ms.max(again.peak_at_ms);
        if !open {
            self.incident.members_open = self.incident.members_open.saturating_add(1);
        }
        self.incident.peak_score = self.incident.peak_score.max(again.peak_score);
        if let Some(member) = place.and_then(|place| self.incident.members.get_mut(usize::from(place))) {
            let stronger = again.peak_score > member.peak_score;
            member.anomaly = again.anomaly;
            member.closed_at_ms = None;
            member.episodes = member.episodes.saturating_add(1);
            member.acknowledged = again.acknowledged;
            member.muted = again.muted;
            if stronger {
                member.peak_score = again.peak_score;
                member.peak_at_ms = again.peak_at_ms;
                member.direction = again.direction;
            }
            self.incident.note(moment(again.opened_at_ms, TimelineKind::Returned, &again.kpi, &again.labels));
        }
        self.emptied_or_not(now_ms);
        self.rank();
    }

    /// An open anomaly of a member has changed.
    pub(super) fn grew(&mut self, place: Option<u16>, anomaly: &Anomaly, muted: Option<String>) {
        self.incident.peak_score = self.incident.peak_score.max(anomaly.peak_score);
        let Some(member) = place.and_then(|place| self.incident.members.get_mut(usize::from(place))) else {
            if muted.is_none() {
                self.unlisted_peak = self.unlisted_peak.max(anomaly.peak_score);
            }
            self.rank();
            return;
        };
        member.muted = muted;
        if anomaly.peak_score > member.peak_score {
            let clearly = has_clearly_grown(bits(member.peak_score), bits(anomaly.peak_score));
            member.peak_score = anomaly.peak_score;
            member.peak_at_ms = anomaly.peak_at_ms;
            member.direction = anomaly.direction;
            self.activity_ms = self.activity_ms.max(anomaly.peak_at_ms);
            self.dirty = true;
            if clearly {
                self.incident.note(moment(anomaly.peak_at_ms, TimelineKind::Grew, &anomaly.kpi, &anomaly.labels));
            }
        }
        self.rank();
    }

    /// An open member's episode has ended.
    pub(super) fn ended(&mut self, place: Option<u16>, closed_at_ms: i64, now_ms: i64) {
        self.dirty = true;
        self.activity_ms = self.activity_ms.max(closed_at_ms);
        self.incident.members_open = self.incident.members_open.saturating_sub(1);
        if let Some(member) = place.and_then(|place| self.incident.members.get_mut(usize::from(place))) {
            member.closed_at_ms = Some(closed_at_ms);
            let moment = moment(closed_at_ms, TimelineKind::Ended, &member.kpi, &member.labels);
            self.incident.note(moment);
        }
        self.emptied_or_not(now_ms);
    }

    /// Somebody has seen a member's latest anomaly; who has seen the last one has seen the incident.
    pub(super) fn acknowledged(&mut self, place: Option<u16>, acknowledgement: &Acknowledgement) {
        let Some(member) = place.and_then(|place| self.incident.members.get_mut(usize::from(place))) else { return };
        if std::mem::replace(&mut member.acknowledged, true) {
            return;
        }
        self.dirty = true;
        let moment = moment(acknowledgement.at_ms, TimelineKind::Acknowledged, &member.kpi, &member.labels);
        self.incident.note(moment);
        if self.incident.members.iter().all(|member| member.acknowledged) {
            self.incident.acknowledged.get_or_insert_with(|| acknowledgement.clone());
        }
    }

    /// What another incident that becomes part of this one leaves besides its listed members.
    pub(super) fn inherit(&mut self, other: &IncidentState, now_ms: i64) {
        let unlisted = other.incident.members_total.saturating_sub(other.incident.members.len() as u32);
        let open_listed = other.incident.members.iter().filter(|member| member.closed_at_ms.is_none()).count() as u32;
        let open_unlisted = other.incident.members_open.saturating_sub(open_listed);
        self.incident.members_total = self.incident.members_total.saturating_add(unlisted);
        self.incident.members_open = self.incident.members_open.saturating_add(open_unlisted);
        self.incident.peak_score = self.incident.peak_score.max(other.incident.peak_score);
        self.incident.alerted_at_ms = match (self.incident.alerted_at_ms, other.incident.alerted_at_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.burst |= other.burst;
        self.unlisted += other.unlisted;
        self.unlisted_peak = self.unlisted_peak.max(other.unlisted_peak);
        self.since_ms = self.since_ms.min(other.since_ms);
        self.activity_ms = self.activity_ms.max(other.activity_ms);
        if other.reported.is_some()
            && let Some(first) = other.incident.first()
        {
            self.incident.note(moment(first.opened_at_ms, TimelineKind::Merged, &first.kpi, &first.labels));
        }
        self.dirty = true;
        self.emptied_or_not(now_ms);
        self.rank();
    }

    fn emptied_or_not(&mut self, now_ms: i64) {
        self.empty_since_ms = match self.incident.members_open {
            0 => self.empty_since_ms.or(Some(now_ms)),
            _ => None,
        };
    }

    /// The surprise of the most surprising member that is not muted, and the logarithm of how many those are.
    fn rank(&mut self) {
        let loud = self.incident.members.iter().filter(|member| member.muted.is_none());
        let (many, peak) = loud
            .fold((self.unlisted, self.unlisted_peak), |(many, peak), member| (many + 1, peak.max(member.peak_score)));
        self.incident.surprise = if many == 0 { 0.0 } else { bits(peak) + (many as f32).log2() };
    }

    /// Whether the budget should be asked (again): it is not told, somebody would want to know, and it is new or has grown.
    pub(super) fn asks(&self) -> bool {
        let Incident { surprise, .. } = self.incident;
        let known = self.reported.is_some() && !has_clearly_grown(self.asked, surprise);
        !self.incident.is_alerted() && surprise > 0.0 && self.incident.acknowledged.is_none() && !known
    }

    /// Notes what is said of it at `now_ms`.
    pub(super) fn report(&mut self, now_ms: i64) {
        self.dirty = false;
        self.incident.revision += 1;
        self.reported = Some(Reported {
            at_ms: now_ms,
            members_total: self.incident.members_total,
            surprise: self.incident.surprise,
            acknowledged: self.incident.acknowledged.is_some(),
            told: self.incident.is_alerted(),
        });
    }

    /// Notes what was said of it before a restart; what has happened since is still to be told.
    pub(super) fn said(&mut self, incident: &Incident) {
        if let Some(reported) = &mut self.reported {
            reported.members_total = incident.members_total;
            reported.surprise = incident.surprise;
            reported.acknowledged = incident.acknowledged.is_some();
            reported.told = incident.is_alerted();
        }
        self.dirty = true;
    }

    /// When the next thing is to be said of it, wall time; `None` when nothing is to be said unless something happens.
    pub(super) fn due_at(&self, settings: &IncidentSettings) -> Option<i64> {
        if self.incident.merged_into.is_some() {
            return Some(i64::MIN);
        }
        let Some(reported) = self.reported else { return Some(self.since_ms.saturating_add(settings.settle_ms)) };
        let Incident { members_total, surprise, .. } = self.incident;
        let acknowledged = self.incident.acknowledged.is_some() != reported.acknowledged;
        let told = self.incident.is_alerted() != reported.told;
        let joined = members_total >= reported.members_total + 1 + reported.members_total / 10;
        let clear = joined || has_clearly_grown(reported.surprise, surprise) || self.asks();
        let change = if acknowledged || told {
            Some(i64::MIN)
        } else if clear {
            Some(reported.at_ms.saturating_add(UPDATE_EVERY_MS))
        } else {
            self.dirty.then(|| reported.at_ms.saturating_add(REFRESH_EVERY_MS))
        };
        let end = self.closes_at(settings);
        match (change, end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// When it is over, unless a member comes back before.
    pub(super) fn closes_at(&self, settings: &IncidentSettings) -> Option<i64> {
        self.empty_since_ms.map(|since| since.saturating_add(settings.linger_ms))
    }

    /// When the last of its members ended, by the samples.
    pub(super) fn ended_at_ms(&self) -> i64 {
        self.incident.members.iter().filter_map(|member| member.closed_at_ms).max().unwrap_or(self.activity_ms)
    }

    /// Decides who moved first: the earliest onset; of those too near to tell, who has usually preceded the others before; then
    /// the more surprising one.
    pub(super) fn find_first_mover(&mut self, seen: &CooccurrenceStats) {
        let ids: Vec<SeriesId> = self.incident.members.iter().map(|m| SeriesId::of(&m.kpi, &m.labels)).collect();
        let members = &self.incident.members;
        let Some(earliest) = (0..members.len()).min_by_key(|i| members[*i].opened_at_ms) else { return };
        let near_ms = seen.spacing_ms(ids[earliest]).clamp(NEAR_LEAST_MS, NEAR_MOST_MS);
        let until = members[earliest].opened_at_ms.saturating_add(near_ms);
        let mut near: Vec<usize> = (0..members.len()).filter(|i| members[*i].opened_at_ms <= until).collect();
        near.sort_by_key(|i| members[*i].opened_at_ms);
        near.truncate(32);
        let rank = |i: usize| -> i32 { near.iter().map(|other| seen.precedence(ids[i], ids[*other])).sum() };
        let best = near.iter().copied().max_by(|&a, &b| {
            let surprise = members[a].peak_score.total_cmp(&members[b].peak_score);
            let name = || (&members[b].kpi, &members[b].labels).cmp(&(&members[a].kpi, &members[a].labels));
            rank(a).cmp(&rank(b)).then(surprise).then_with(name)
        });
        self.incident.first_mover = best.unwrap_or(earliest) as u32;
    }
}

/// A line of a timeline.
pub(super) fn moment(at_ms: i64, what: TimelineKind, kpi: &KpiName, labels: &Labels) -> TimelineEntry {
    TimelineEntry { at_ms, what, kpi: kpi.clone(), labels: labels.clone() }
}
