//! Anomalies: episodes of a series.

use serde::{Deserialize, Serialize};

use crate::series::Labels;

/// An anomaly as of its latest event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Never changes.
    pub id: String,
    /// The KPI.
    pub kpi: String,
    /// The series of that KPI.
    pub labels: Labels,
    /// Open or closed.
    pub state: AnomalyState,
    /// Timestamp of the sample that opened it, milliseconds UTC.
    pub opened_at: i64,
    /// Timestamp of its latest anomalous sample.
    pub last_at: i64,
    /// Timestamp of the sample that closed it.
    pub closed_at: Option<i64>,
    /// Its most surprising sample.
    pub peak: Peak,
    /// Which way the value left its band.
    pub direction: Direction,
    /// The feature that contributed most.
    pub reason: Reason,
    /// Anomalous samples so far.
    pub samples: u32,
    /// The version of the detector that found it.
    pub detector: String,
    /// Set once a person has seen it.
    pub acknowledged: Option<Acknowledgement>,
    /// The last feedback of a person.
    pub feedback: Option<Feedback>,
    /// How rare the reason was at the peak.
    pub rank: Option<Rank>,
    /// Why, in a sentence.
    pub sentence: String,
    /// The name of the mute that suppresses its alert.
    pub muted: Option<String>,
}

/// A person's answer to whether an anomaly was worth the alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackOutcome {
    /// Worth the alert.
    Real,
    /// Not worth the alert.
    False,
}

/// A person's feedback on an anomaly; the last one holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// Whether it was worth the alert.
    pub outcome: FeedbackOutcome,
    /// When, milliseconds since the Unix epoch, UTC.
    pub at: i64,
    /// Who.
    pub by: String,
    /// Their note.
    pub note: Option<String>,
}

/// How rare a feature was, in the detector's memory of its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rank {
    /// How often it was as extreme.
    pub reached: u32,
    /// Among how many earlier samples.
    pub of: u32,
}

/// Whether an anomaly goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyState {
    /// It goes on.
    Open,
    /// It has ended.
    Closed,
}

/// The most surprising sample of an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Milliseconds since the Unix epoch, UTC.
    pub timestamp: i64,
    /// The measured value.
    pub value: f64,
    /// 0 to 1.
    pub score: f32,
    /// What was expected instead.
    pub expected: Option<f64>,
    /// Lower edge of the band of ordinary values.
    pub lower: Option<f64>,
    /// Upper edge of the band of ordinary values.
    pub upper: Option<f64>,
}

/// Which way a value left its band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Above what was expected.
    Above,
    /// Below what was expected.
    Below,
    /// One this version of the client does not know.
    #[serde(other)]
    Unknown,
}

/// The feature that contributed most to a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The distance from the recent median.
    RobustZ,
    /// The distance from the forecast.
    ResidualZ,
    /// Unusually high or low volatility.
    Volatility,
    /// An unusually fast change.
    Slope,
    /// One this version of the client does not know.
    #[serde(other)]
    Unknown,
}

/// A person has seen an anomaly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Milliseconds since the Unix epoch, UTC.
    pub at: i64,
    /// Who.
    pub by: String,
    /// Their note.
    pub note: Option<String>,
}
