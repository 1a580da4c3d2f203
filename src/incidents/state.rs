//! One open incident: its members, the state last reported, and when to report next.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::cooccurrence::CooccurrenceStats;
use super::inventory::{Trait, traits};
use super::settings::IncidentSettings;
use earcon_model::{
    Acknowledgement, Anomaly, DeletionScope, Incident, IncidentId, KpiName, Labels, Link, Member, SeriesId, Severity,
    TimelineEntry, TimelineKind,
};

/// How long after its beginning an incident takes in further series, in sampling intervals of the
/// series, …
const GATHER_INTERVALS: i64 = 3;
/// … at least and at most, milliseconds. An incident that took in whatever follows its latest
/// member would swallow the workspace.
const GATHER_MS: (i64, i64) = (300_000, 1_800_000);
/// Growth of the root of the surprise, which is a distance in edges, that makes another event.
const OUTGROWN: f32 = 1.5;
/// Surprise in bits below which an anomaly is weak: two edges.
const WEAK_BITS: f32 = 4.0;
/// Surprise in bits from which new series alert: three times the edge.
const LEARNING_BITS: f32 = 9.0;
/// Shortest time between reports of clear growth.
const UPDATE_EVERY_MS: i64 = 5_000;
/// Shortest time between reports of small changes.
const REFRESH_EVERY_MS: i64 = 60_000;
/// Onsets closer than this, or than a sampling interval up to [`NEAR_MOST_MS`], count as
/// simultaneous.
const NEAR_LEAST_MS: i64 = 1_000;
const NEAR_MOST_MS: i64 = 60_000;

/// The surprise of a score in bits: −log₂(1 − score), at most 25. One bit is one toss of a coin.
pub(super) fn bits(score: f32) -> f32 {
    -(1.0 - f64::from(score)).clamp(1.0 / 33_554_432.0, 1.0).log2() as f32
}

/// Whether an anomaly with this score is weak: slightly out of its range.
pub(super) fn is_weak(score: f32) -> bool {
    bits(score) < WEAK_BITS
}

/// Whether a surprise has clearly grown since it was `before`. Episodes use the same rule.
pub(super) fn has_clearly_grown(before: f32, now: f32) -> bool {
    now.sqrt() > before.sqrt() + 0.55
}

/// Whether all series of an incident are new and none is far out of its range. What is ordinary for
/// them is not learned yet, so they do not alert, and do not count for the budget.
pub(super) fn is_learning(incident: &Incident) -> bool {
    let mut unmuted = incident.members.iter().filter(|member| member.muted.is_none());
    unmuted.all(|member| member.learning && bits(member.peak_score) < LEARNING_BITS)
}

/// The state of an incident when it was last reported.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Reported {
    pub(super) at_ms: i64,
    pub(super) members_total: u32,
    pub(super) surprise: f32,
    pub(super) acknowledged: bool,
    pub(super) alerted: bool,
    pub(super) severity: Severity,
}

/// An open incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct IncidentState {
    pub(super) incident: Incident,
    /// Wall time at which it was created.
    pub(super) since_ms: i64,
    /// The latest onset, peak or end of a member, in sample time.
    pub(super) activity_ms: i64,
    /// Wall time since which no member is open.
    pub(super) empty_since_ms: Option<i64>,
    pub(super) traits: BTreeSet<Trait>,
    pub(super) kpis: BTreeSet<KpiName>,
    pub(super) burst: bool,
    /// Number of members that are neither listed nor muted, and their highest score.
    unlisted: u32,
    unlisted_peak: f32,
    /// The surprise at the last decision of the budget.
    pub(super) surprise_at_decision: f32,
    /// Its series were new at that decision.
    pub(super) learning_at_decision: bool,
    /// Over in sample time: it takes in nothing more and closes.
    pub(super) sealed: bool,
    /// `None` while it gathers members and has not been reported.
    pub(super) reported: Option<Reported>,
    dirty: bool,
    /// Members were deleted or have left, which is reported at once.
    erased: bool,
}

impl IncidentState {
    /// An incident without members.
    pub(super) fn new(id: IncidentId, opened_at_ms: i64, now_ms: i64) -> Self {
        let incident = Incident {
            id,
            revision: 0,
            cause_seq: 0,
            opened_at_ms,
            last_at_ms: opened_at_ms,
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
        Self::from_incident(incident, now_ms)
    }

    /// An incident from an event. The caller has to add the memberships. Unlisted members are
    /// unknown.
    pub(super) fn from_incident(mut incident: Incident, now_ms: i64) -> Self {
        let activity_ms = incident.members.iter().map(|member| member.closed_at_ms.unwrap_or(member.peak_at_ms)).max();
        let mut state = Self {
            since_ms: now_ms,
            activity_ms: activity_ms.unwrap_or(incident.opened_at_ms),
            empty_since_ms: None,
            traits: BTreeSet::new(),
            kpis: BTreeSet::new(),
            burst: incident.members.iter().any(|member| member.link == Link::Burst),
            unlisted: 0,
            unlisted_peak: 0.0,
            surprise_at_decision: incident.surprise,
            learning_at_decision: false,
            sealed: false,
            reported: None,
            dirty: false,
            erased: false,
            incident: {
                incident.members_open = incident.members.iter().filter(|m| m.closed_at_ms.is_none()).count() as u32;
                incident
            },
        };
        for member in &state.incident.members {
            state.traits.extend(traits(&member.kpi, &member.labels).map(|(key, _)| key));
            state.kpis.insert(member.kpi.clone());
        }
        state.update_empty_since(now_ms);
        state
    }

    /// Whether an onset is close enough to the beginning of the incident to join it. `spacing_ms`
    /// is the sampling interval of the series, 0 while unknown.
    pub(super) fn is_near(&self, onset_ms: i64, spacing_ms: i64) -> bool {
        let gather = spacing_ms.saturating_mul(GATHER_INTERVALS).clamp(GATHER_MS.0, GATHER_MS.1);
        onset_ms.abs_diff(self.incident.opened_at_ms) <= gather as u64
    }

    /// Whether the incident was over, in sample time, before this onset.
    pub(super) fn is_over_by(&self, onset_ms: i64, settings: &IncidentSettings) -> bool {
        self.sealed
            || (self.incident.members_open == 0
                && self.incident.members_total > 0
                && onset_ms > self.ended_at_ms().saturating_add(settings.linger_ms))
    }

    /// Whether an anomaly began after the incident was complete enough to be reported, and is so
    /// much more surprising that people have to hear of it on its own.
    pub(super) fn is_outgrown_by(&self, member: &Member, settings: &IncidentSettings) -> bool {
        let later = member.opened_at_ms > self.incident.opened_at_ms.saturating_add(settings.settle_ms);
        later && bits(member.peak_score).sqrt() > self.incident.surprise.sqrt() + OUTGROWN
    }

    /// Whether the anomaly of a listed member has grown, after the incident was complete, so far
    /// beyond all others in it that people have to hear of it on its own. A member that is here
    /// because of its KPI or as a companion belongs to the event.
    pub(super) fn is_outgrown_within(
        &self,
        index: Option<u16>,
        anomaly: &Anomaly,
        settings: &IncidentSettings,
    ) -> bool {
        let Some(place) = index.map(usize::from) else { return false };
        let Some(member) = self.incident.members.get(place) else { return false };
        let loose = matches!(member.link, Link::Shared(_) | Link::Burst | Link::Overflow) && !member.acknowledged;
        let others = || self.incident.members.iter().enumerate().filter(|(other, _)| *other != place);
        let alone = others().all(|(_, other)| other.kpi != member.kpi);
        let later = anomaly.peak_at_ms > self.incident.opened_at_ms.saturating_add(settings.settle_ms);
        let surprise = self.surprise_of(others().map(|(_, other)| other));
        // One that was far out when it joined is what the incident was alerted with.
        let grows = anomaly.peak_score > member.peak_score && anomaly.peak_at_ms > anomaly.opened_at_ms;
        loose
            && alone
            && later
            && grows
            && surprise > 0.0
            && bits(anomaly.peak_score).sqrt() > surprise.sqrt() + OUTGROWN
    }

    /// Takes out a listed member, which is another event from `at_ms` on.
    pub(super) fn leave(&mut self, index: Option<u16>, at_ms: i64, now_ms: i64) {
        let Some(member) = index.and_then(|index| self.incident.take_member(usize::from(index))) else { return };
        self.incident.note(timeline_entry(at_ms, TimelineKind::Left, &member.kpi, &member.labels));
        self.members_changed(now_ms);
    }

    /// Adds a member. Returns its index in the list of members, if it is listed.
    pub(super) fn join(&mut self, member: Member, now_ms: i64) -> Option<u16> {
        self.dirty = true;
        let incident = &mut self.incident;
        incident.opened_at_ms = incident.opened_at_ms.min(member.opened_at_ms);
        incident.members_total = incident.members_total.saturating_add(1);
        incident.peak_score = incident.peak_score.max(member.peak_score);
        incident.last_at_ms = incident.last_at_ms.max(member.peak_at_ms);
        self.activity_ms = self.activity_ms.max(member.closed_at_ms.unwrap_or(member.peak_at_ms));
        if member.closed_at_ms.is_none() {
            incident.members_open = incident.members_open.saturating_add(1);
        }
        let listed = incident.members.len() < Incident::MAX_MEMBERS;
        let index = listed.then_some(incident.members.len() as u16);
        if listed {
            self.kpis.insert(member.kpi.clone());
            self.traits.extend(traits(&member.kpi, &member.labels).map(|(key, _)| key));
            incident.note(timeline_entry(member.opened_at_ms, TimelineKind::Joined, &member.kpi, &member.labels));
            incident.members.push(member);
        } else if member.muted.is_none() {
            self.unlisted += 1;
            self.unlisted_peak = self.unlisted_peak.max(member.peak_score);
        }
        self.update_empty_since(now_ms);
        self.update_surprise();
        index
    }

    /// Starts another anomaly of a member that is closed, or still open (`open`).
    pub(super) fn returned(&mut self, index: Option<u16>, open: bool, again: Member, now_ms: i64) {
        self.dirty = true;
        self.activity_ms = self.activity_ms.max(again.peak_at_ms);
        self.incident.last_at_ms = self.incident.last_at_ms.max(again.peak_at_ms);
        if !open {
            self.incident.members_open = self.incident.members_open.saturating_add(1);
        }
        self.incident.peak_score = self.incident.peak_score.max(again.peak_score);
        if let Some(member) = index.and_then(|index| self.incident.members.get_mut(usize::from(index))) {
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
                member.reason = again.reason;
            }
            self.incident.note(timeline_entry(again.opened_at_ms, TimelineKind::Returned, &again.kpi, &again.labels));
        }
        self.update_empty_since(now_ms);
        self.update_surprise();
    }

    /// Applies a change of a member's open anomaly.
    pub(super) fn grew(&mut self, index: Option<u16>, anomaly: &Anomaly, muted: Option<String>) {
        self.incident.peak_score = self.incident.peak_score.max(anomaly.peak_score);
        self.incident.last_at_ms = self.incident.last_at_ms.max(anomaly.last_at_ms);
        let Some(member) = index.and_then(|index| self.incident.members.get_mut(usize::from(index))) else {
            if muted.is_none() {
                self.unlisted_peak = self.unlisted_peak.max(anomaly.peak_score);
            }
            self.update_surprise();
            return;
        };
        member.muted = muted;
        if anomaly.peak_score > member.peak_score {
            let clearly = has_clearly_grown(bits(member.peak_score), bits(anomaly.peak_score));
            member.peak_score = anomaly.peak_score;
            member.peak_at_ms = anomaly.peak_at_ms;
            member.direction = anomaly.direction;
            member.reason = anomaly.reason;
            self.activity_ms = self.activity_ms.max(anomaly.peak_at_ms);
            self.dirty = true;
            if clearly {
                self.incident.note(timeline_entry(
                    anomaly.peak_at_ms,
                    TimelineKind::Grew,
                    &anomaly.kpi,
                    &anomaly.labels,
                ));
            }
        }
        self.update_surprise();
    }

    /// Closes the episode of an open member.
    pub(super) fn ended(&mut self, index: Option<u16>, closed_at_ms: i64, now_ms: i64) {
        self.dirty = true;
        self.activity_ms = self.activity_ms.max(closed_at_ms);
        self.incident.members_open = self.incident.members_open.saturating_sub(1);
        if let Some(member) = index.and_then(|index| self.incident.members.get_mut(usize::from(index))) {
            member.closed_at_ms = Some(closed_at_ms);
            let entry = timeline_entry(closed_at_ms, TimelineKind::Ended, &member.kpi, &member.labels);
            self.incident.note(entry);
        }
        self.update_empty_since(now_ms);
    }

    /// Removes the members that a deletion covers. Returns whether there were any.
    pub(super) fn erase(&mut self, kpi: &KpiName, scope: &DeletionScope, now_ms: i64) -> bool {
        if !self.incident.erase(kpi, scope) {
            return false;
        }
        self.members_changed(now_ms);
        true
    }

    /// Follows the list of members after some of them have left it.
    fn members_changed(&mut self, now_ms: i64) {
        let members = &self.incident.members;
        self.traits =
            members.iter().flat_map(|member| traits(&member.kpi, &member.labels)).map(|(key, _)| key).collect();
        self.kpis = members.iter().map(|member| member.kpi.clone()).collect();
        self.incident.peak_score = self.incident.peak_score.max(self.unlisted_peak);
        self.erased = true;
        self.update_empty_since(now_ms);
        self.update_surprise();
    }

    /// Marks a member as acknowledged. Once all members are, the incident is acknowledged too.
    pub(super) fn acknowledged(&mut self, index: Option<u16>, acknowledgement: &Acknowledgement) {
        let Some(member) = index.and_then(|index| self.incident.members.get_mut(usize::from(index))) else { return };
        if std::mem::replace(&mut member.acknowledged, true) {
            return;
        }
        self.dirty = true;
        let entry = timeline_entry(acknowledgement.at_ms, TimelineKind::Acknowledged, &member.kpi, &member.labels);
        self.incident.note(entry);
        if self.incident.members.iter().all(|member| member.acknowledged) {
            self.incident.acknowledged.get_or_insert_with(|| acknowledgement.clone());
        }
    }

    /// Takes over everything but the listed members from an incident that is merged into this one.
    pub(super) fn absorb(&mut self, other: &IncidentState, now_ms: i64) {
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
        self.incident.last_at_ms = self.incident.last_at_ms.max(other.incident.last_at_ms);
        if other.reported.is_some()
            && let Some(first) = other.incident.first()
        {
            self.incident.note(timeline_entry(first.opened_at_ms, TimelineKind::Merged, &first.kpi, &first.labels));
        }
        self.dirty = true;
        self.update_empty_since(now_ms);
        self.update_surprise();
    }

    fn update_empty_since(&mut self, now_ms: i64) {
        self.empty_since_ms = match self.incident.members_open {
            0 => self.empty_since_ms.or(Some(now_ms)),
            _ => None,
        };
    }

    fn update_surprise(&mut self) {
        self.incident.surprise = self.surprise_of(self.incident.members.iter());
    }

    /// The surprise of some of the listed members and of the others: that of the most surprising
    /// unmuted one, plus log₂ of their number.
    fn surprise_of<'a>(&self, listed: impl Iterator<Item = &'a Member>) -> f32 {
        let (many, peak) = listed
            .filter(|member| member.muted.is_none())
            .fold((self.unlisted, self.unlisted_peak), |(many, peak), member| (many + 1, peak.max(member.peak_score)));
        if many == 0 { 0.0 } else { bits(peak) + (many as f32).log2() }
    }

    /// Whether the budget has to decide (again): not yet alerted or acknowledged, has unmuted
    /// members, and is new or has clearly grown.
    pub(super) fn needs_alert_decision(&self) -> bool {
        let Incident { surprise, .. } = self.incident;
        let learned = self.learning_at_decision && !is_learning(&self.incident);
        let grown = learned || has_clearly_grown(self.surprise_at_decision, surprise);
        let known = self.reported.is_some() && !grown;
        !self.incident.is_alerted() && surprise > 0.0 && self.incident.acknowledged.is_none() && !known
    }

    /// Marks the present state as reported at `now_ms`.
    pub(super) fn mark_reported(&mut self, now_ms: i64) {
        (self.dirty, self.erased) = (false, false);
        self.incident.revision += 1;
        self.reported = Some(Reported {
            at_ms: now_ms,
            members_total: self.incident.members_total,
            surprise: self.incident.surprise,
            acknowledged: self.incident.acknowledged.is_some(),
            alerted: self.incident.is_alerted(),
            severity: self.incident.severity(),
        });
    }

    /// Restores the state last reported before a restart. Later changes remain to be reported.
    pub(super) fn restore_reported(&mut self, incident: &Incident) {
        if let Some(reported) = &mut self.reported {
            reported.members_total = incident.members_total;
            reported.surprise = incident.surprise;
            reported.acknowledged = incident.acknowledged.is_some();
            reported.alerted = incident.is_alerted();
            reported.severity = incident.severity();
        }
        self.dirty = true;
    }

    /// Wall time of the next report. `None` if none is due without a further event.
    pub(super) fn due_at(&self, settings: &IncidentSettings) -> Option<i64> {
        if self.incident.merged_into.is_some() {
            return Some(i64::MIN);
        }
        let Some(reported) = self.reported else {
            let is_one_weak = self.incident.members_total == 1 && is_weak(self.incident.peak_score);
            let settle_ms = if is_one_weak { settings.settle_weak_ms } else { settings.settle_ms };
            return Some(self.since_ms.saturating_add(settle_ms));
        };
        let Incident { members_total, surprise, .. } = self.incident;
        let acknowledged = self.incident.acknowledged.is_some() != reported.acknowledged;
        let alerted = self.incident.is_alerted() != reported.alerted;
        let joined = members_total >= reported.members_total + 1 + reported.members_total / 10;
        let worse = self.incident.severity() > reported.severity;
        let clear = joined || worse || has_clearly_grown(reported.surprise, surprise) || self.needs_alert_decision();
        let change = if acknowledged || alerted || self.erased {
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

    /// Wall time at which it closes, unless a member returns before. Samples need some time to
    /// arrive, so that the wall clock does not close it before its sample time would.
    pub(super) fn closes_at(&self, settings: &IncidentSettings) -> Option<i64> {
        if self.sealed {
            return Some(i64::MIN);
        }
        self.empty_since_ms.map(|since| since.saturating_add(settings.linger_ms).saturating_add(settings.settle_ms))
    }

    /// When the last of its members ended, in sample time.
    pub(super) fn ended_at_ms(&self) -> i64 {
        self.incident.members.iter().filter_map(|member| member.closed_at_ms).max().unwrap_or(self.activity_ms)
    }

    /// Finds the first mover: the earliest onset. Among simultaneous onsets, the series that
    /// usually preceded the others wins, then the more surprising one.
    pub(super) fn find_first_mover(&mut self, cooccurrence: &CooccurrenceStats) {
        let ids: Vec<SeriesId> = self.incident.members.iter().map(|m| SeriesId::of(&m.kpi, &m.labels)).collect();
        let members = &self.incident.members;
        let Some(earliest) = (0..members.len()).min_by_key(|i| members[*i].opened_at_ms) else { return };
        let near_ms = cooccurrence.spacing_ms(ids[earliest]).clamp(NEAR_LEAST_MS, NEAR_MOST_MS);
        let until = members[earliest].opened_at_ms.saturating_add(near_ms);
        let mut near: Vec<usize> = (0..members.len()).filter(|i| members[*i].opened_at_ms <= until).collect();
        near.sort_by_key(|i| members[*i].opened_at_ms);
        near.truncate(32);
        let lead = |i: usize| -> i32 { near.iter().map(|other| cooccurrence.precedence(ids[i], ids[*other])).sum() };
        let best = near.iter().copied().max_by(|&a, &b| {
            let surprise = members[a].peak_score.total_cmp(&members[b].peak_score);
            let name = || (&members[b].kpi, &members[b].labels).cmp(&(&members[a].kpi, &members[a].labels));
            lead(a).cmp(&lead(b)).then(surprise).then_with(name)
        });
        self.incident.first_mover = best.unwrap_or(earliest) as u32;
    }
}

/// An entry of an incident's timeline.
pub(super) fn timeline_entry(at_ms: i64, what: TimelineKind, kpi: &KpiName, labels: &Labels) -> TimelineEntry {
    TimelineEntry { at_ms, what, kpi: kpi.clone(), labels: labels.clone() }
}
