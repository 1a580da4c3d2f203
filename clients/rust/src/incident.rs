//! Incidents: anomalies of several series that belong together.

use serde::{Deserialize, Serialize};

use crate::anomaly::{Acknowledgement, Direction, Reason};
use crate::series::Labels;

/// An incident as of its latest event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Immutable identifier.
    pub id: String,
    /// Number of events about this incident, from 1.
    pub revision: u32,
    /// A short description.
    pub title: String,
    /// Open, closed or merged.
    pub state: IncidentState,
    /// Whether the incident was alerted. If not, it is only recorded.
    pub alerted: bool,
    /// Time of the alert, milliseconds UTC.
    pub alerted_at: Option<i64>,
    /// Onset of the first member, milliseconds UTC.
    pub opened_at: i64,
    /// The latest anomalous sample of a member, as of this event, milliseconds UTC.
    pub last_at: i64,
    /// Time at which the incident ended, milliseconds UTC.
    pub closed_at: Option<i64>,
    /// The incident that this one was merged into.
    pub merged_into: Option<String>,
    /// `info`, `warning` or `critical`, by surprise, members and duration.
    pub severity: String,
    /// Surprise in bits.
    pub surprise: f32,
    /// The highest score of all members.
    pub peak_score: f32,
    /// The newest event that the incident includes.
    pub cause_seq: u64,
    /// The member that probably moved first.
    pub first_mover: Option<FirstMover>,
    /// Number of member series.
    pub members_total: u32,
    /// Number of member series that are anomalous now.
    pub members_open: u32,
    /// The members, at most 200. Further members are only counted.
    pub members: Vec<Member>,
    /// The timeline, in order. The middle of a long timeline is omitted.
    pub timeline: Vec<TimelineEntry>,
    /// Number of omitted timeline entries.
    pub timeline_left_out: u32,
    /// The acknowledgement, if a person acknowledged the incident.
    pub acknowledged: Option<Acknowledgement>,
}

/// State of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// The incident continues.
    Open,
    /// The incident has ended.
    Closed,
    /// The incident was merged into another.
    Merged,
    /// A state that this version of the client does not know.
    #[serde(other)]
    Unknown,
}

/// The series that probably moved first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstMover {
    /// The KPI.
    pub kpi: String,
    /// The labels of the series.
    pub labels: Labels,
    /// Id of its anomaly.
    pub anomaly: String,
}

/// One series in an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Id of the latest anomaly of the series.
    pub anomaly: String,
    /// The KPI.
    pub kpi: String,
    /// The labels of the series.
    pub labels: Labels,
    /// `open` if the series is anomalous now, else `closed`.
    pub state: String,
    /// Start of the first episode, milliseconds UTC.
    pub opened_at: i64,
    /// End of the latest episode, milliseconds UTC.
    pub closed_at: Option<i64>,
    /// The highest score of all episodes.
    pub peak_score: f32,
    /// Time of the highest score, milliseconds UTC.
    pub peak_at: i64,
    /// Whether the value was above or below the expected range at the peak. Without a meaning if
    /// `reason` is [`Reason::Volatility`].
    pub direction: Direction,
    /// The feature that contributed most at the peak.
    pub reason: Reason,
    /// Number of episodes of the series in this incident.
    pub episodes: u32,
    /// The reason for membership: `first`, `same_kpi`, `shared`, `companion`, `burst`, `overflow`.
    pub link: String,
    /// With `shared`: the property shared with another member.
    pub shared: Option<String>,
    /// The name of the mute that suppresses the alert.
    pub muted: Option<String>,
    /// Whether a person acknowledged the latest anomaly.
    pub acknowledged: bool,
    /// Whether the series was known for less than two hours when it joined.
    pub learning: bool,
}

/// One entry of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// Time of the entry, milliseconds UTC.
    pub at: i64,
    /// `joined`, `returned`, `grew`, `ended`, `acknowledged`, `alerted`, `merged` or `left`.
    pub what: String,
    /// The KPI that the entry is about.
    pub kpi: String,
    /// The labels of the series.
    pub labels: Labels,
}
