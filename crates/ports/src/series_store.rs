//! History for queries: samples, scores, rollups and anomalies. A cursor consumer fills it, so it
//! may lag behind the log.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::PortError;
use earcon_model::{Anomaly, AnomalyId, Event, KpiName, Labels, Seq};
use earcon_tenancy::WorkspacePass;

/// Consecutive events to apply to the store.
#[derive(Debug, Clone)]
pub struct StoredBatch {
    /// In `seq` order. The first one follows the last applied event.
    pub events: Vec<Arc<Event>>,
}

/// Which samples to read.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesQuery {
    /// The KPI.
    pub kpi: KpiName,
    /// Series whose labels contain these.
    pub labels: Labels,
    /// First timestamp, milliseconds UTC, inclusive.
    pub from_ms: i64,
    /// Last timestamp, exclusive.
    pub to_ms: i64,
}

/// One stored sample.
///
/// Timestamp and value are exact, and so is a score from 0.125 on. A store may round lower scores
/// to 1/1,024, and expectation and band of such samples by 1/128 of half the band. It never moves a
/// value to another side of the expectation or of an edge of the band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRow {
    /// Milliseconds since the Unix epoch, UTC.
    pub timestamp_ms: i64,
    /// The measured value.
    pub value: f64,
    /// `None` while warming up and for late samples.
    pub score: Option<f32>,
    /// The expected value. NaN if there is no score.
    pub expected: f64,
    /// Lower bound of the band. NaN if there is no score.
    pub lower: f64,
    /// Upper bound of the band. NaN if there is no score.
    pub upper: f64,
}

/// Samples of one series in timestamp order. Of several samples with one timestamp, only the last
/// written one stays.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleSeries {
    /// The labels of the series.
    pub labels: Labels,
    /// Its samples.
    pub rows: Vec<SampleRow>,
    /// More samples matched than the limit allowed. Query again from after the last one.
    pub truncated: bool,
}

/// The samples of one time step, summarised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rollup {
    /// Start of the step, milliseconds UTC; a multiple of the step.
    pub start_ms: i64,
    /// Number of samples.
    pub count: u64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Value of the latest sample.
    pub last: f64,
    /// The highest score. `None` if no sample has one.
    pub max_score: Option<f32>,
    /// Anomalies opened in this step.
    pub anomalies: u32,
}

/// Rollups of one series. Steps without samples are absent.
#[derive(Debug, Clone, PartialEq)]
pub struct RollupSeries {
    /// The labels of the series.
    pub labels: Labels,
    /// In time order.
    pub rows: Vec<Rollup>,
}

/// Which anomalies to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AnomalyFilter {
    /// Only of this KPI.
    pub kpi: Option<KpiName>,
    /// Only of series whose labels contain these.
    pub labels: Option<Labels>,
    /// Only those that were open at this time or later, milliseconds UTC.
    pub from_ms: Option<i64>,
    /// Only those opened before this time.
    pub to_ms: Option<i64>,
    /// Only open ones, or only closed ones.
    pub open: Option<bool>,
    /// Only acknowledged ones, or only others.
    pub acknowledged: Option<bool>,
    /// Only those opened before this anomaly in the listing's order; for paging.
    pub before: Option<(i64, AnomalyId)>,
    /// At most this many.
    pub limit: usize,
}

/// Stores history. Applying events twice must not change the result.
#[async_trait]
pub trait SeriesStore: Send + Sync + 'static {
    /// The last event whose effects are durable. 0 if none. After a restart the consumer continues
    /// after it.
    async fn cursor(&self, pass: &WorkspacePass) -> Result<Seq, PortError>;

    /// Applies events. Reads see them when this returns. They are durable only after
    /// [`Self::flush`], and may take memory until then, so the caller bounds the memory by flushing
    /// in time. Ignores events that were applied before.
    ///
    /// A deletion (`KpiEvent::Deleted`) deletes the samples and anomalies that it covers and that
    /// earlier events brought, durably when this returns. Later events are not covered, whatever
    /// their timestamps. It may flush, works in steps of a bounded size, and may be applied again
    /// after a crash in between.
    async fn apply(&self, pass: &WorkspacePass, batch: StoredBatch) -> Result<(), PortError>;

    /// Makes everything applied so far durable, together with the cursor. Returns the cursor.
    async fn flush(&self, pass: &WorkspacePass) -> Result<Seq, PortError>;

    /// Flushes, then sets the cursor back to 0, durably, and keeps the stored data. For a log of a
    /// new epoch, whose events are applied from its beginning.
    async fn rewind(&self, pass: &WorkspacePass) -> Result<(), PortError>;

    /// Samples in the query's range, the first `limit` of each series. Series come in order of
    /// labels. Those without samples in the range are absent.
    async fn samples(
        &self,
        pass: &WorkspacePass,
        query: &SeriesQuery,
        limit: usize,
    ) -> Result<Vec<SampleSeries>, PortError>;

    /// Rollups over `step_ms`, aligned to its multiples in UTC, of the samples that
    /// [`Self::samples`] returns. A step that the range cuts covers only the part in the range.
    /// Series come in order of labels. Those without samples are absent.
    ///
    /// # Errors
    /// `Invalid` when `step_ms` is less than 1,000.
    async fn rollups(
        &self,
        pass: &WorkspacePass,
        query: &SeriesQuery,
        step_ms: i64,
    ) -> Result<Vec<RollupSeries>, PortError>;

    /// Anomalies, latest opened first (ties in order of identifier).
    async fn anomalies(&self, pass: &WorkspacePass, filter: &AnomalyFilter) -> Result<Vec<Anomaly>, PortError>;

    /// One anomaly.
    async fn anomaly(&self, pass: &WorkspacePass, id: AnomalyId) -> Result<Option<Anomaly>, PortError>;

    /// Deletes samples older than `before_ms`, as far as the storage units allow, and anomalies
    /// that closed before. Deletes the oldest samples first, so the rest of a series is its end.
    /// May flush.
    async fn expire(&self, pass: &WorkspacePass, before_ms: i64) -> Result<(), PortError>;

    /// Deletes the oldest samples until the workspace's history occupies about `max_bytes` or less.
    /// Keeps anomalies. May flush.
    async fn shrink(&self, pass: &WorkspacePass, max_bytes: u64) -> Result<(), PortError>;

    /// The KPIs with stored history, as far as the store can list them. May leave out KPIs whose
    /// history is not flushed.
    async fn kpis(&self, pass: &WorkspacePass) -> Result<Vec<KpiName>, PortError> {
        let _unlisted = pass;
        Ok(Vec::new())
    }

    /// Deletes the history of the workspace, with its cursor, in steps of a bounded size. Nothing
    /// may apply or flush meanwhile. May be repeated. Another workspace of this name has another
    /// generation; a shared store does not serve this one again.
    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError>;

    /// Approximate size of the workspace's history in bytes, without unflushed data.
    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError>;
}
