//! Series with their samples and scores.

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
    /// Surprise, 0 (ordinary) to 1 (never seen); `None` while the series warms up.
    pub score: Option<f32>,
    /// What was expected; `None` while the series warms up.
    pub expected: Option<f64>,
    /// Lower edge of the band of ordinary values.
    pub lower: Option<f64>,
    /// Upper edge of the band of ordinary values.
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
    /// Too few samples to score yet.
    Warming,
    /// Scored, and no anomaly is open.
    Normal,
    /// An anomaly is open.
    Anomalous,
    /// Nothing arrived for longer than usual.
    Stalled,
    /// No samples are expected: the sender marked its end, or it has history only.
    Ended,
    /// A state this version of the client does not know.
    #[serde(other)]
    Unknown,
}

/// How many samples a series needs to be scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warming {
    /// Samples seen.
    pub seen: u32,
    /// Samples needed.
    pub needed: u32,
}

/// The feature values behind the last score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Distance from the recent median in robust standard deviations.
    #[serde(deserialize_with = "number_or_null")]
    pub robust_z: f32,
    /// Distance from the forecast in standard deviations of its residuals.
    #[serde(deserialize_with = "number_or_null")]
    pub residual_z: f32,
    /// Spread relative to the usual spread; 1 is usual.
    #[serde(deserialize_with = "number_or_null")]
    pub volatility: f32,
    /// Trend per sample in standard deviations.
    #[serde(deserialize_with = "number_or_null")]
    pub slope: f32,
    /// Where the value stands among recent ones: 0 lowest, 1 highest.
    #[serde(deserialize_with = "number_or_null")]
    pub level: f32,
}

/// Null, for a number that is none, becomes NaN, which is written as null again.
fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f32::NAN))
}

/// New samples of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesSamples {
    /// The series.
    pub labels: Labels,
    /// In timestamp order.
    pub samples: Vec<ScoredSample>,
    /// `(timestamp, value)` of samples that came too late to be scored.
    pub late: Vec<(i64, f64)>,
    /// State of the series after them.
    pub state: SeriesState,
    /// While it warms up.
    pub warming: Option<Warming>,
    /// Of the last scored sample.
    pub features: Option<Features>,
}

/// A series: its newest sample, its score and its open anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The series.
    pub labels: Labels,
    /// Its state.
    pub state: SeriesState,
    /// While it warms up.
    pub warming: Option<Warming>,
    /// Of the newest sample, milliseconds since the Unix epoch, UTC.
    pub timestamp: Option<i64>,
    /// The newest value.
    pub value: Option<f64>,
    /// Its score.
    pub score: Option<f32>,
    /// What was expected.
    pub expected: Option<f64>,
    /// Lower edge of the band of ordinary values.
    pub lower: Option<f64>,
    /// Upper edge of the band of ordinary values.
    pub upper: Option<f64>,
    /// Behind the last score.
    pub features: Option<Features>,
    /// Late samples since the server started.
    pub late: u64,
    /// The open anomaly.
    pub anomaly: Option<String>,
    /// Feedback multiplies the configured sensitivity by this.
    pub sensitivity: f32,
}

/// A KPI with all its series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kpi {
    /// Its name.
    pub kpi: String,
    /// `running` or `parked`.
    pub state: String,
    /// Why it is parked.
    pub reason: Option<String>,
    /// Its series.
    pub series: Vec<Series>,
}
