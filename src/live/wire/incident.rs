//! The JSON of incidents, in events and in answers.

use serde::Serialize;
use utoipa::ToSchema;

use super::anomaly::WireAcknowledgement;
use super::labels::{LabelMap, label_map};
use earcon_model::{Incident, Link, Member, TimelineEntry, TimelineKind};

/// An incident as of its latest event: anomalies that belong together.
#[derive(Serialize, ToSchema)]
#[schema(as = Incident)]
pub struct WireIncident<'a> {
    id: String,
    /// Counts the events about it, from 1.
    revision: u32,
    /// A short description.
    title: String,
    /// `open`, `closed` or `merged`.
    state: &'static str,
    /// Whether it was alerted. If not, it is only recorded.
    alerted: bool,
    /// When it was alerted.
    alerted_at: Option<i64>,
    /// Onset of its first member.
    opened_at: i64,
    /// The latest anomalous sample of a member, as of this event.
    last_at: i64,
    closed_at: Option<i64>,
    /// The incident it was merged into.
    merged_into: Option<String>,
    /// How urgent it is, by its surprise, members and duration: `info`, `warning` or `critical`.
    severity: &'static str,
    /// Its surprise in bits. The budget ranks by it.
    surprise: f32,
    /// The highest score among its members.
    peak_score: f32,
    /// The newest event that it includes.
    cause_seq: u64,
    /// The member that probably moved first.
    first_mover: Option<WireFirst<'a>>,
    /// How many series there are in it.
    members_total: u32,
    /// How many of them are anomalous now.
    members_open: u32,
    /// At most 200; further ones are only counted.
    members: Vec<WireMember<'a>>,
    timeline: Vec<WireTimelineEntry<'a>>,
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
    labels: LabelMap<'a>,
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
    labels: LabelMap<'a>,
    /// `open` or `closed`.
    state: &'static str,
    opened_at: i64,
    closed_at: Option<i64>,
    peak_score: f32,
    peak_at: i64,
    /// `above` or `below`; without a meaning if `reason` is `volatility`.
    #[schema(value_type = String)]
    direction: earcon_model::Direction,
    /// The feature that contributed most then: `robust_z`, `residual_z`, `volatility`, `slope` or
    /// `loss`.
    #[schema(value_type = String)]
    reason: earcon_model::Feature,
    episodes: u32,
    /// Why it is a member: `first`, `same_kpi`, `shared`, `companion`, `burst` or `overflow`.
    link: &'static str,
    /// With `shared`: the property it shares with a member, `key:value` or `name.*`.
    shared: Option<&'a str>,
    /// The mute that suppresses its alert; null if there is none.
    muted: Option<&'a str>,
    acknowledged: bool,
    /// Whether its series was known for less than two hours when it joined.
    learning: bool,
}

/// One line of a timeline.
#[derive(Serialize, ToSchema)]
#[schema(as = TimelineEntry)]
pub struct WireTimelineEntry<'a> {
    at: i64,
    /// `joined`, `returned`, `grew`, `ended`, `acknowledged`, `alerted`, `merged` or `left`.
    what: &'static str,
    kpi: &'a str,
    #[schema(value_type = BTreeMap<String, String>)]
    labels: LabelMap<'a>,
}

impl<'a> WireIncident<'a> {
    /// The wire form of an incident.
    pub fn from_incident(incident: &'a Incident) -> Self {
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
            alerted: incident.is_alerted(),
            alerted_at: incident.alerted_at_ms,
            opened_at: incident.opened_at_ms,
            last_at: incident.last_at_ms,
            closed_at: incident.closed_at_ms,
            merged_into: incident.merged_into.map(|id| id.to_string()),
            severity: incident.severity().as_str(),
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
            members: incident.members.iter().map(WireMember::from_member).collect(),
            timeline: incident.timeline.iter().map(WireTimelineEntry::from_entry).collect(),
            timeline_left_out: incident.timeline_left_out,
            acknowledged: incident.acknowledged.as_ref().map(WireAcknowledgement::from_acknowledgement),
        }
    }
}

impl<'a> WireMember<'a> {
    fn from_member(member: &'a Member) -> Self {
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
            reason: member.reason,
            episodes: member.episodes,
            link,
            shared,
            muted: member.muted.as_deref(),
            acknowledged: member.acknowledged,
            learning: member.learning,
        }
    }
}

impl<'a> WireTimelineEntry<'a> {
    fn from_entry(entry: &'a TimelineEntry) -> Self {
        let what = match entry.what {
            TimelineKind::Joined => "joined",
            TimelineKind::Returned => "returned",
            TimelineKind::Grew => "grew",
            TimelineKind::Ended => "ended",
            TimelineKind::Acknowledged => "acknowledged",
            TimelineKind::Alerted => "alerted",
            TimelineKind::Merged => "merged",
            TimelineKind::Left => "left",
        };
        Self { at: entry.at_ms, what, kpi: entry.kpi.as_str(), labels: label_map(&entry.labels) }
    }
}
