//! The JSON of incidents, in events and in answers.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{WireAcknowledgement, label_map};
use earcon_model::{Incident, Link, Member, Moment, TimelineKind};

/// An incident as it stands after its latest event: anomalies that belong together.
#[derive(Serialize, ToSchema)]
#[schema(as = Incident)]
pub struct WireIncident<'a> {
    id: String,
    /// Counts the events that speak of it, from 1.
    revision: u32,
    /// What it is, in a few words.
    title: String,
    /// `open`, `closed` or `merged`.
    state: &'static str,
    /// Whether it was alerted; else it is only recorded.
    told: bool,
    /// When it was alerted.
    told_at: Option<i64>,
    /// Onset of its first member.
    opened_at: i64,
    closed_at: Option<i64>,
    /// The incident this one became part of.
    merged_into: Option<String>,
    /// How surprising it is, in bits; what the budget ranks by.
    surprise: f32,
    /// The highest score among its members.
    peak_score: f32,
    /// The newest event it takes into account.
    cause_seq: u64,
    /// The member that probably moved first.
    first_mover: Option<WireFirst<'a>>,
    /// How many series there are in it.
    members_total: u32,
    /// How many of them are anomalous now.
    members_open: u32,
    /// At most 200; further ones are only counted.
    members: Vec<WireMember<'a>>,
    timeline: Vec<WireMoment<'a>>,
    /// How many entries are missing in the middle of `timeline`.
    timeline_left_out: u32,
    acknowledged: Option<WireAcknowledgement<'a>>,
}

/// The series that probably moved first.
#[derive(Serialize, ToSchema)]
#[schema(as = FirstMover)]
pub struct WireFirst<'a> {
    kpi: &'a str,
    #[schema(value_type = BTreeMap<String, String>)]
    labels: BTreeMap<&'a str, &'a str>,
    anomaly: String,
}

/// One series in an incident.
#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub struct WireMember<'a> {
    /// Its latest anomaly.
    anomaly: String,
    kpi: &'a str,
    #[schema(value_type = BTreeMap<String, String>)]
    labels: BTreeMap<&'a str, &'a str>,
    /// `open` or `closed`.
    state: &'static str,
    opened_at: i64,
    closed_at: Option<i64>,
    peak_score: f32,
    peak_at: i64,
    /// `above` or `below`.
    #[schema(value_type = String)]
    direction: earcon_model::Direction,
    episodes: u32,
    /// Why it is a member: `first`, `same_kpi`, `shared`, `companion`, `burst` or `overflow`.
    link: &'static str,
    /// With `shared`: what it has in common with a member, `key:value` or `name.*`.
    shared: Option<&'a str>,
    /// Why nobody is alerted because of it; null when it is not muted.
    muted: Option<&'a str>,
    acknowledged: bool,
}

/// One line of a timeline.
#[derive(Serialize, ToSchema)]
#[schema(as = Moment)]
pub struct WireMoment<'a> {
    at: i64,
    /// `joined`, `returned`, `grew`, `ended`, `acknowledged`, `told` or `merged`.
    what: &'static str,
    kpi: &'a str,
    #[schema(value_type = BTreeMap<String, String>)]
    labels: BTreeMap<&'a str, &'a str>,
}

impl<'a> WireIncident<'a> {
    /// The wire form of an incident.
    pub fn of(incident: &'a Incident) -> Self {
        let state = match (incident.merged_into, incident.closed_at_ms) {
            (Some(_), _) => "merged",
            (None, Some(_)) => "closed",
            (None, None) => "open",
        };
        Self {
            id: incident.id.to_string(),
            revision: incident.revision,
            title: incident.title(),
            state,
            told: incident.is_alerted(),
            told_at: incident.alerted_at_ms,
            opened_at: incident.opened_at_ms,
            closed_at: incident.closed_at_ms,
            merged_into: incident.merged_into.map(|id| id.to_string()),
            surprise: incident.surprise,
            peak_score: incident.peak_score,
            cause_seq: incident.cause_seq,
            first_mover: incident.first().map(|first| WireFirst {
                kpi: first.kpi.as_str(),
                labels: label_map(&first.labels),
                anomaly: first.anomaly.to_string(),
            }),
            members_total: incident.members_total,
            members_open: incident.members_open,
            members: incident.members.iter().map(WireMember::of).collect(),
            timeline: incident.timeline.iter().map(WireMoment::of).collect(),
            timeline_left_out: incident.timeline_left_out,
            acknowledged: incident.acknowledged.as_ref().map(WireAcknowledgement::of),
        }
    }
}

impl<'a> WireMember<'a> {
    fn of(member: &'a Member) -> Self {
        let (link, shared) = match &member.link {
            Link::First => ("first", None),
            Link::SameKpi => ("same_kpi", None),
            Link::Shared(what) => ("shared", Some(what.as_str())),
            Link::Companion => ("companion", None),
            Link::Burst => ("burst", None),
            Link::Overflow => ("overflow", None),
        };
        Self {
            anomaly: member.anomaly.to_string(),
            kpi: member.kpi.as_str(),
            labels: label_map(&member.labels),
            state: if member.closed_at_ms.is_some() { "closed" } else { "open" },
            opened_at: member.opened_at_ms,
            closed_at: member.closed_at_ms,
            peak_score: member.peak_score,
            peak_at: member.peak_at_ms,
            direction: member.direction,
            episodes: member.episodes,
            link,
            shared,
            muted: member.muted.as_deref(),
            acknowledged: member.acknowledged,
        }
    }
}

impl<'a> WireMoment<'a> {
    fn of(moment: &'a Moment) -> Self {
        let what = match moment.what {
            TimelineKind::Joined => "joined",
            TimelineKind::Returned => "returned",
            TimelineKind::Grew => "grew",
            TimelineKind::Ended => "ended",
            TimelineKind::Acknowledged => "acknowledged",
            TimelineKind::Told => "told",
            TimelineKind::Merged => "merged",
        };
        Self { at: moment.at_ms, what, kpi: moment.kpi.as_str(), labels: label_map(&moment.labels) }
    }
}
