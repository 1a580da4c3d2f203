//! Incidents: anomalies of several series that belong together.

use serde::{Deserialize, Serialize};

use crate::anomaly::{Acknowledgement, Direction};
use crate::series::Labels;

/// An incident as it stands after its latest event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Stable for ever.
    pub id: String,
    /// Counts the events that speak of it, from 1.
    pub revision: u32,
    /// What it is, in a few words.
    pub title: String,
    /// How it stands.
    pub state: IncidentState,
    /// Whether it was alerted; else it is only recorded.
    pub told: bool,
    /// When it was alerted, milliseconds UTC.
    pub told_at: Option<i64>,
    /// Onset of its first member, milliseconds UTC.
    pub opened_at: i64,
    /// When it was over.
    pub closed_at: Option<i64>,
    /// The incident this one became part of.
    pub merged_into: Option<String>,
    /// How surprising it is, in bits.
    pub surprise: f32,
    /// The highest score among its members.
    pub peak_score: f32,
    /// The newest event it takes into account.
    pub cause_seq: u64,
    /// The member that probably moved first.
    pub first_mover: Option<FirstMover>,
    /// How many series there are in it.
    pub members_total: u32,
    /// How many of them are anomalous now.
    pub members_open: u32,
    /// At most 200; further ones are only counted.
    pub members: Vec<Member>,
    /// What happened, in order; when it is long, the middle is missing.
    pub timeline: Vec<Moment>,
    /// How many entries are missing.
    pub timeline_left_out: u32,
    /// Once somebody has seen it.
    pub acknowledged: Option<Acknowledgement>,
}

/// How an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// It goes on.
    Open,
    /// It is over.
    Closed,
    /// It became part of another.
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
    /// With `shared`: what it has in common with a member.
    pub shared: Option<String>,
    /// Why nobody is alerted because of it.
    pub muted: Option<String>,
    /// Somebody has seen its latest anomaly.
    pub acknowledged: bool,
}

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When, milliseconds UTC.
    pub at: i64,
    /// What: `joined`, `returned`, `grew`, `ended`, `acknowledged`, `told`, `merged`.
    pub what: String,
    /// The KPI it happened to.
    pub kpi: String,
    /// The series of that KPI.
    pub labels: Labels,
}
