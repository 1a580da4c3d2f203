//! Samples on their way in: what a request carried, gathered by KPI and series, and the rows of it that were not taken.

use serde::{Deserialize, Serialize};

use super::ids::{KpiName, Labels};
use super::sample::Sample;

/// How the values of a series are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Reading {
    /// Each value is the measurement itself.
    #[default]
    Gauge,
    /// A total that only grows and starts again at zero: what is scored and stored is its increase per second.
    Counter,
}

/// Whether samples are what happens now, or what has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Arrival {
    /// They are news: scored, broadcast, worth an alert.
    #[default]
    Live,
    /// They are history: scored, learned from and stored, but nobody is alerted and no silence is judged by them.
    Backfill,
}

/// The samples of one series that arrived together, in the order they were sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesBatch {
    /// Which series of the KPI.
    pub labels: Labels,
    /// How its values are to be read.
    pub reading: Reading,
    /// The samples with the row of the request each came from, so that a refusal can name it.
    pub rows: Vec<(u32, Sample)>,
    /// Timestamp of a sender's word that the series ends here, milliseconds UTC: its silence is no stall.
    pub ended_at_ms: Option<i64>,
    /// Most series its KPI may have for this one to be added, when that is fewer than the server allows.
    pub max_series: Option<u32>,
}

impl SeriesBatch {
    /// Values that are measurements themselves, of a series that goes on.
    pub fn gauge(labels: Labels, rows: Vec<(u32, Sample)>) -> Self {
        Self { labels, reading: Reading::Gauge, rows, ended_at_ms: None, max_series: None }
    }
}

/// The samples of one KPI in a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KpiBatch {
    /// The KPI.
    pub kpi: KpiName,
    /// Its series.
    pub series: Vec<SeriesBatch>,
}

impl KpiBatch {
    /// The rows of the request it came from.
    pub fn rows(&self) -> impl Iterator<Item = u32> {
        self.series.iter().flat_map(|series| series.rows.iter().map(|(row, _)| *row))
    }
}

/// A row that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRow {
    /// Index in the request.
    pub row: u32,
    /// Why, fit to show to the sender.
    pub error: String,
}
