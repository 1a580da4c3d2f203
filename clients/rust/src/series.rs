//! Series, their samples and scores.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// The labels of a series.
pub type Labels = BTreeMap<String, String>;

/// A sample with its score: `[timestamp, value, score, expected, lower, upper]` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "ScoredRow", into = "ScoredRow")]
pub struct ScoredSample {
    /// Milliseconds since the Unix epoch, UTC.
    pub timestamp: i64,
    /// The measured value.
    pub value: f64,
    /// Anomaly score, 0 (expected) to 1 (never seen). `None` while the series warms up.
    pub score: Option<f32>,
    /// Expected value. `None` while the series warms up.
    pub expected: Option<f64>,
    /// Lower bound of the expected range.
    pub lower: Option<f64>,
    /// Upper bound of the expected range.
    pub upper: Option<f64>,
}

type ScoredRow = (i64, f64, Option<f32>, Option<f64>, Option<f64>, Option<f64>);

impl From<ScoredRow> for ScoredSample {
    fn from((timestamp, value, score, expected, lower, upper): ScoredRow) -> Self {
        Self { timestamp, value, score, expected, lower, upper }
    }
}

impl From<ScoredSample> for ScoredRow {
    fn from(sample: ScoredSample) -> Self {
        let ScoredSample { timestamp, value, score, expected, lower, upper } = sample;
        (timestamp, value, score, expected, lower, upper)
    }
}

/// State of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesState {
    /// The series has too few samples to be scored.
    Warming,
    /// The series is scored, and no anomaly is open.
    Normal,
    /// An anomaly is open.
    Anomalous,
    /// No sample arrived for longer than usual.
    Stalled,
    /// No samples are expected: the sender ended the series, or it has only history.
    Ended,
    /// A state that this version of the client does not know.
    #[serde(other)]
    Unknown,
}

/// Progress of the warm-up of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warming {
    /// Number of samples received.
    pub seen: u32,
    /// Number of samples needed before scoring starts.
    pub needed: u32,
}

/// The feature values behind the last score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Distance from the recent median in robust standard deviations.
    #[serde(deserialize_with = "number_or_null")]
    pub robust_z: f32,
    /// Distance from the forecast in standard deviations of the residuals.
    #[serde(deserialize_with = "number_or_null")]
    pub residual_z: f32,
    /// Ratio of the current spread to the usual spread.
    #[serde(deserialize_with = "number_or_null")]
    pub volatility: f32,
    /// Trend per sample in standard deviations.
    #[serde(deserialize_with = "number_or_null")]
    pub slope: f32,
    /// Quantile of the value among recent values: 0 is the lowest, 1 the highest.
    #[serde(deserialize_with = "number_or_null")]
    pub level: f32,
}

/// Reads null as NaN. NaN is written as null again.
fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f32::NAN))
}

/// New samples of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesSamples {
    /// The labels of the series.
    pub labels: Labels,
    /// The samples, in timestamp order.
    pub samples: Vec<ScoredSample>,
    /// `(timestamp, value)` of late samples. They are stored, but not scored.
    pub late: Vec<(i64, f64)>,
    /// State of the series after these samples.
    pub state: SeriesState,
    /// Progress of the warm-up, while the series warms up.
    pub warming: Option<Warming>,
    /// The features of the last scored sample.
    pub features: Option<Features>,
}

/// A series: its newest sample, its score and its open anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The labels of the series.
    pub labels: Labels,
    /// State of the series.
    pub state: SeriesState,
    /// Progress of the warm-up, while the series warms up.
    pub warming: Option<Warming>,
    /// Timestamp of the newest sample, milliseconds since the Unix epoch, UTC.
    pub timestamp: Option<i64>,
    /// Value of the newest sample.
    pub value: Option<f64>,
    /// Score of the newest sample.
    pub score: Option<f32>,
    /// Expected value of the newest sample.
    pub expected: Option<f64>,
    /// Lower bound of the expected range.
    pub lower: Option<f64>,
    /// Upper bound of the expected range.
    pub upper: Option<f64>,
    /// The features behind the last score.
    pub features: Option<Features>,
    /// Number of late samples since the server started.
    pub late: u64,
    /// Id of the open anomaly.
    pub anomaly: Option<String>,
    /// Feedback multiplies the configured sensitivity by this.
    pub sensitivity: f32,
    /// `counter` or `clock` if the values are sent as measurements and seem to be that.
    #[serde(default)]
    pub looks_like: Option<String>,
}

/// A KPI with all its series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kpi {
    /// Name of the KPI.
    pub kpi: String,
    /// `running` or `parked`.
    pub state: String,
    /// The reason for parking.
    pub reason: Option<String>,
    /// The series of the KPI.
    pub series: Vec<Series>,
}
