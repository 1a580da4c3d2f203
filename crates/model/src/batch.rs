//! The samples of a request, grouped by KPI and series, and its rejected rows.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::ids::{KpiName, Labels};
use super::sample::Sample;
use super::timestamp::rfc3339;
use super::wording::{counted, duration};

/// Samples of one series, each with its row in the request. One sample takes no allocation.
pub type Rows = SmallVec<[(u32, Sample); 1]>;

/// How the values of a series are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Reading {
    /// Each value is the measurement itself.
    #[default]
    Gauge,
    /// A total that only grows and may restart at zero. Its increase per second is scored and
    /// stored.
    Counter,
}

/// Whether samples are live or historical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Arrival {
    /// Live samples: scored, stored and broadcast. They may alert.
    #[default]
    Live,
    /// History: scored, learned from and stored. It never alerts, and a gap in it is no stall.
    Backfill,
}

/// The samples of one series that arrived together, in the order they were sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesBatch {
    /// Which series of the KPI.
    pub labels: Labels,
    /// How its values are read.
    pub reading: Reading,
    /// The samples, each with its row in the request, so that a rejection can name the row.
    #[serde(with = "crate::small")]
    pub rows: Rows,
    /// When the sender marked the end of the series, milliseconds UTC. A silence after it is no
    /// stall.
    pub ended_at_ms: Option<i64>,
    /// The row of a marker that came without a value, so that a refusal can name it.
    pub ended_row: Option<u32>,
    /// Ends that have newer samples after them, milliseconds UTC, in the order they were sent.
    pub earlier_ends: Vec<i64>,
    /// When the sender began to count, milliseconds UTC, if it says so. More than one if counting
    /// began again within the batch. Only for counters.
    pub starts_ms: Vec<i64>,
    /// The KPI's limit of series, if lower than the server's. A new series is added only below it.
    pub max_series: Option<u32>,
}

impl SeriesBatch {
    /// A batch of gauge values, without an end mark.
    pub fn gauge(labels: Labels, rows: impl IntoIterator<Item = (u32, Sample)>) -> Self {
        let rows = rows.into_iter().collect();
        let (reading, starts_ms) = (Reading::Gauge, Vec::new());
        let (ended_at_ms, ended_row, earlier_ends) = (None, None, Vec::new());
        Self { labels, reading, rows, ended_at_ms, ended_row, earlier_ends, starts_ms, max_series: None }
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
    /// The rows of the request that its samples came from.
    pub fn rows(&self) -> impl Iterator<Item = u32> {
        self.series.iter().flat_map(|series| series.rows.iter().map(|(row, _)| *row))
    }

    /// The rows of the request that end a series and hold no sample.
    pub fn end_rows(&self) -> impl Iterator<Item = u32> {
        self.series.iter().filter_map(|series| series.ended_row)
    }
}

/// The rows that were refused because history does not keep samples of their age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TooOld {
    /// How many.
    pub count: u64,
    /// The oldest of their times, milliseconds UTC.
    pub oldest_ms: i64,
    /// The KPI of the first of them in the request.
    pub kpi: KpiName,
    /// The row of that one.
    pub row: u32,
    /// The greatest age that history keeps, in milliseconds.
    pub max_age_ms: i64,
}

impl TooOld {
    /// Both together, of one request.
    pub fn merge(one: Option<TooOld>, other: Option<TooOld>) -> Option<TooOld> {
        let (Some(one), Some(other)) = (&one, &other) else { return one.or(other) };
        let first = if one.row <= other.row { one } else { other };
        let (count, oldest_ms) = (one.count + other.count, one.oldest_ms.min(other.oldest_ms));
        Some(TooOld { count, oldest_ms, ..first.clone() })
    }
}

/// Live samples that are late because the newest sample of their series lies ahead of the server's
/// clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AheadOfClock {
    /// How many.
    pub count: u64,
    /// The KPI of the series whose newest sample lies furthest ahead.
    pub kpi: KpiName,
    /// That series.
    pub labels: Labels,
    /// The time of its newest sample, milliseconds UTC.
    pub newest_ms: i64,
    /// How far that is ahead of the clock, in milliseconds.
    pub ahead_ms: i64,
}

impl AheadOfClock {
    /// Both together, of one request.
    pub fn merge(one: Option<AheadOfClock>, other: Option<AheadOfClock>) -> Option<AheadOfClock> {
        let (Some(one), Some(other)) = (&one, &other) else { return one.or(other) };
        let furthest = if one.ahead_ms >= other.ahead_ms { one } else { other };
        Some(AheadOfClock { count: one.count + other.count, ..furthest.clone() })
    }
}

impl std::fmt::Display for AheadOfClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, kpi, labels, newest_ms, ahead_ms } = self;
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        write!(
            f,
            "{} late, so not scored: the newest sample of {kpi}{braced} is from {}, {} ahead of the server's clock; \
             earlier samples of a series are late until the clock has passed its newest one",
            counted(*count, "sample is", "samples are"),
            rfc3339(*newest_ms),
            duration(*ahead_ms)
        )
    }
}

/// A rejected row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRow {
    /// Index in the request.
    pub row: u32,
    /// The reason, for the sender.
    pub error: String,
}
