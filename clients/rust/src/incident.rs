//! Incidents: anomalies of several series that belong together.

use serde::{Deserialize, Serialize};

use crate::anomaly::{Acknowledgement, Direction};
use crate::series::Labels;

/// An incident as of its latest event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Never changes.
    pub id: String,
    /// Counts the events about it, from 1.
    pub revision: u32,
    /// A short description.
    pub title: String,
    /// Open, closed or merged.
    pub state: IncidentState,
    /// Whether it was alerted. If not, it is only recorded.
    pub alerted: bool,
    /// When it was alerted, milliseconds UTC.
    pub alerted_at: Option<i64>,
    /// Onset of its first member, milliseconds UTC.
    pub opened_at: i64,
    /// When it was over.
    pub closed_at: Option<i64>,
    /// The incident it was merged into.
    pub merged_into: Option<String>,
    /// Its surprise in bits.
    pub surprise: f32,
    /// The highest score among its members.
    pub peak_score: f32,
    /// The newest event that it includes.
    pub cause_seq: u64,
    /// The member that probably moved first.
    pub first_mover: Option<FirstMover>,
    /// How many series there are in it.
    pub members_total: u32,
    /// How many of them are anomalous now.
    pub members_open: u32,
    /// At most 200; further ones are only counted.
    pub members: Vec<Member>,
    /// What happened, in order. The middle of a long timeline is left out.
    pub timeline: Vec<TimelineEntry>,
    /// How many entries are missing.
    pub timeline_left_out: u32,
    /// Set once a person has seen it.
    pub acknowledged: Option<Acknowledgement>,
}

/// State of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// It goes on.
    Open,
    /// It is over.
    Closed,
    /// It was merged into another.
    Merged,
    /// A state this version of the client does not know.
    #[serde(other)]
    Unknown,
}

/// The series that probably moved first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstMover {
    /// The KPI.
    pub kpi: String,
    /// The series of that KPI.
    pub labels: Labels,
    /// Its anomaly.
    pub anomaly: String,
}

/// One series in an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its latest anomaly.
    pub anomaly: String,
    /// The KPI.
    pub kpi: String,
    /// The series of that KPI.
    pub labels: Labels,
    /// Whether it is anomalous now: `open` or `closed`.
    pub state: String,
    /// When its first episode began, milliseconds UTC.
    pub opened_at: i64,
    /// When its latest episode ended.
    pub closed_at: Option<i64>,
    /// The highest score of its episodes.
    pub peak_score: f32,
    /// When that was.
    pub peak_at: i64,
    /// Which way it left its band then.
    pub direction: Direction,
    /// How many episodes it has had in this incident.
    pub episodes: u32,
    /// Why it is a member: `first`, `same_kpi`, `shared`, `companion`, `burst`, `overflow`.
    pub link: String,
    /// With `shared`: the property it shares with a member.
    pub shared: Option<String>,
    /// The mute that suppresses its alert.
    pub muted: Option<String>,
    /// A person has seen its latest anomaly.
    pub acknowledged: bool,
}

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When, milliseconds UTC.
    pub at: i64,
    /// What: `joined`, `returned`, `grew`, `ended`, `acknowledged`, `alerted`, `merged`.
    pub what: String,
    /// The KPI it happened to.
    pub kpi: String,
    /// The series of that KPI.
    pub labels: Labels,
}
