//! Anomalies: episodes of anomalous samples of a series.

use serde::{Deserialize, Serialize};

use crate::series::Labels;

/// An anomaly as of its latest event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Immutable identifier.
    pub id: String,
    /// The KPI.
    pub kpi: String,
    /// The labels of the series.
    pub labels: Labels,
    /// Open or closed.
    pub state: AnomalyState,
    /// Timestamp of the sample that opened the anomaly, milliseconds UTC.
    pub opened_at: i64,
    /// Timestamp of the latest anomalous sample.
    pub last_at: i64,
    /// Timestamp of the sample that closed the anomaly.
    pub closed_at: Option<i64>,
    /// The sample with the highest score.
    pub peak: Peak,
    /// Whether the value was above or below the expected range. Without a meaning if `reason` is
    /// [`Reason::Volatility`].
    pub direction: Direction,
    /// The feature that contributed most.
    pub reason: Reason,
    /// Number of anomalous samples so far.
    pub samples: u32,
    /// The version of the detector that found the anomaly.
    pub detector: String,
    /// The acknowledgement, if a person acknowledged the anomaly.
    pub acknowledged: Option<Acknowledgement>,
    /// The latest feedback of a person.
    pub feedback: Option<Feedback>,
    /// The sentence without times, the number of samples and the end.
    pub finding: String,
    /// The anomaly in words: series, value, expectation, start and end. Times are UTC;
    /// [`sentence`](crate::sentence()) writes them in another zone.
    pub sentence: String,
    /// The name of the mute that suppresses the alert.
    pub muted: Option<String>,
    /// The unit of the values, if it was stated.
    #[serde(default)]
    pub unit: Option<String>,
    /// Why the anomaly is over: `calm`, `series_ended`, `stalled`, `deleted` or
    /// `other_side`.
    #[serde(default)]
    pub end: Option<String>,
}

/// A person's answer to the question whether an anomaly was worth the alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackOutcome {
    /// The anomaly was worth the alert.
    Real,
    /// The anomaly was not worth the alert.
    False,
}

/// A person's feedback on an anomaly. Later feedback replaces earlier feedback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// Whether the anomaly was worth the alert.
    pub outcome: FeedbackOutcome,
    /// Time of the feedback, milliseconds since the Unix epoch, UTC.
    pub at: i64,
    /// The author.
    pub by: String,
    /// The author's note.
    pub note: Option<String>,
}

/// State of an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyState {
    /// The anomaly continues.
    Open,
    /// The anomaly has ended.
    Closed,
}

/// The sample of an anomaly with the highest score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Milliseconds since the Unix epoch, UTC.
    pub timestamp: i64,
    /// The measured value.
    pub value: f64,
    /// Anomaly score, 0 to 1.
    pub score: f32,
    /// Expected value.
    pub expected: Option<f64>,
    /// Lower bound of the expected range.
    pub lower: Option<f64>,
    /// Upper bound of the expected range.
    pub upper: Option<f64>,
}

/// The side on which a value left the expected range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Above the expected range.
    Above,
    /// Below the expected range.
    Below,
    /// A value that this version of the client does not know.
    #[serde(other)]
    Unknown,
}

/// The feature that contributed most to a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Distance from the recent median.
    RobustZ,
    /// Distance from the forecast.
    ResidualZ,
    /// The value repeats for an unlikely time.
    Volatility,
    /// Several values in a row lie on one side.
    Slope,
    /// At least three quarters of a value that is never negative are gone.
    Loss,
    /// A value that this version of the client does not know.
    #[serde(other)]
    Unknown,
}

/// An acknowledgement by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Milliseconds since the Unix epoch, UTC.
    pub at: i64,
    /// The author.
    pub by: String,
    /// The author's note.
    pub note: Option<String>,
}
