//! An anomaly is an *episode* of a series: opened, updated and closed. People acknowledge it and
//! give feedback.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::{KpiName, Labels, SeriesId, WorkspaceId};

/// Names an anomaly. The same episode found again in a replay has the same identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AnomalyId(pub Uuid);

impl AnomalyId {
    /// Version 5 UUID (RFC 9562) of workspace, series, opening time and detector version.
    pub fn of(workspace: &WorkspaceId, series: SeriesId, opened_at_ms: i64, detector: &str) -> Self {
        let name = format!("earcon:{workspace}:{:032x}:{opened_at_ms}:{detector}", series.0);
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
    }
}

impl std::fmt::Display for AnomalyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// On which side of its band of ordinary values a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Above the band.
    Above,
    /// Below the band.
    Below,
}

/// The feature that contributed most to a score: the reason an anomaly can state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// The distance from the recent median.
    RobustZ,
    /// The distance from the forecast.
    ResidualZ,
    /// The value repeats for an unlikely time.
    Volatility,
    /// Several values in a row lie on one side.
    Slope,
    /// At least three quarters of a value that is never negative are gone.
    Loss,
}

/// A person has seen it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Wall time, milliseconds since the Unix epoch, UTC.
    pub at_ms: i64,
    /// The principal that acknowledged.
    pub by: String,
    /// Their note, if any.
    pub note: Option<String>,
}

/// The outcome that a person gives an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackOutcome {
    /// Worth the alert.
    Real,
    /// Not worth the alert.
    False,
}

impl FeedbackOutcome {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            FeedbackOutcome::Real => "real",
            FeedbackOutcome::False => "false",
        }
    }
}

/// A person's feedback on an anomaly. The last one holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// Whether it was worth the alert.
    pub outcome: FeedbackOutcome,
    /// Wall time, milliseconds since the Unix epoch, UTC.
    pub at_ms: i64,
    /// The principal that gave it.
    pub by: String,
    /// Their note, if any.
    pub note: Option<String>,
}

/// Why an episode is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpisodeEnd {
    /// Enough samples in a row were ordinary.
    Calm,
    /// The series has ended.
    SeriesEnded,
    /// The series has stalled: nothing says whether the anomaly goes on.
    Stalled,
    /// A person deleted samples of it.
    Deleted,
    /// The values crossed to the other side of the band, which is another event.
    OtherSide,
}

impl EpisodeEnd {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            EpisodeEnd::Calm => "calm",
            EpisodeEnd::SeriesEnded => "series_ended",
            EpisodeEnd::Stalled => "stalled",
            EpisodeEnd::Deleted => "deleted",
            EpisodeEnd::OtherSide => "other_side",
        }
    }
}

/// One episode of one series, as of its latest event. The order of the fields is part of the
/// stored format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The identifier. A replay gives the same one.
    pub id: AnomalyId,
    /// The KPI it belongs to.
    pub kpi: KpiName,
    /// The series of that KPI.
    pub labels: Labels,
    /// Timestamp of the sample that opened it, milliseconds UTC.
    pub opened_at_ms: i64,
    /// Timestamp of the latest anomalous sample.
    pub last_at_ms: i64,
    /// Timestamp of the sample that closed it; `None` while open.
    pub closed_at_ms: Option<i64>,
    /// The highest score so far on its side.
    pub peak_score: f32,
    /// Timestamp of the sample with the highest score.
    pub peak_at_ms: i64,
    /// That sample's value.
    pub peak_value: f64,
    /// The expected value at the peak.
    pub peak_expected: f64,
    /// Lower edge of the band of ordinary values at the peak.
    pub peak_lower: f64,
    /// Upper edge of the band of ordinary values at the peak.
    pub peak_upper: f64,
    /// The direction at the peak.
    pub direction: Direction,
    /// The feature that contributed most at its peak.
    pub reason: Feature,
    /// How many samples were anomalous so far.
    pub samples: u32,
    /// The detector version that found it.
    pub detector: String,
    /// Set once a person has seen it.
    pub acknowledged: Option<Acknowledgement>,
    /// The last feedback of a person.
    pub feedback: Option<Feedback>,
    /// The name of the mute that suppressed it at its latest event.
    pub muted: Option<String>,
    /// The unit of the KPI's values at its latest event, if it was stated.
    pub unit: Option<String>,
    /// Why it is over; `None` while open.
    pub end: Option<EpisodeEnd>,
    /// Whether its series was known for less than two hours when it opened.
    pub learning: bool,
}
