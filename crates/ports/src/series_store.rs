//! History for queries: samples, scores, rollups and anomalies. Filled by a cursor consumer, so it may lag behind the log.

use std::sync::Arc;

use async_trait::async_trait;

use super::PortError;
use earcon_model::{Acknowledgement, Anomaly, AnomalyId, Event, KpiName, Labels, Seq};
use earcon_tenancy::WorkspacePass;

/// Consecutive events to take into the store.
#[derive(Debug, Clone)]
pub struct StoredBatch {
    /// In `seq` order, the first following the last one applied.
    pub events: Vec<Arc<Event>>,
}

/// Which samples to read.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesQuery {
    /// The KPI.
    pub kpi: KpiName,
    /// Series whose labels contain these.
    pub labels: Labels,
    /// First timestamp wanted, milliseconds UTC, inclusive.
    pub from_ms: i64,
    /// First timestamp not wanted.
    pub to_ms: i64,
}

/// One stored sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRow {
    /// Milliseconds since the Unix epoch, UTC.
    pub timestamp_ms: i64,
    /// The measured value.
    pub value: f64,
    /// `None` while warming up and for late samples.
    pub score: Option<f32>,
    /// What was expected; NaN where there is no score.
    pub expected: f64,
    /// Lower edge of the band; NaN where there is no score.
    pub lower: f64,
    /// Upper edge of the band; NaN where there is no score.
    pub upper: f64,
}

/// Samples of one series in timestamp order, one a timestamp: of several samples with one timestamp the last written stays.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleSeries {
    /// Which series.
    pub labels: Labels,
    /// Its samples.
    pub rows: Vec<SampleRow>,
    /// More samples matched than the limit allowed; ask again from after the last one.
    pub truncated: bool,
}

/// What happened in one step of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rollup {
    /// Start of the step, milliseconds UTC; a multiple of the step.
    pub start_ms: i64,
    /// How many samples.
    pub count: u64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Value of the latest sample.
    pub last: f64,
    /// The highest score; `None` when nothing was scored.
    pub max_score: Option<f32>,
    /// Anomalies opened in this step.
    pub anomalies: u32,
}

/// Rollups of one series; steps without samples are absent.
#[derive(Debug, Clone, PartialEq)]
pub struct RollupSeries {
    /// Which series.
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
    /// Only those whose episode touches this time or later, milliseconds UTC.
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
    /// The last event whose effects are durable; 0 when none. After a restart the consumer continues behind it.
    async fn cursor(&self, pass: &WorkspacePass) -> Result<Seq, PortError>;

    /// Takes events in. Reads see them when this returns; they may become durable only with [`Self::flush`], and may take
    /// memory until then: whoever applies decides how much by flushing in time.
    /// Events at or below the last one applied are ignored.
    async fn apply(&self, pass: &WorkspacePass, batch: StoredBatch) -> Result<(), PortError>;

    /// Makes everything applied so far durable, together with the cursor. Returns the cursor.
    async fn flush(&self, pass: &WorkspacePass) -> Result<Seq, PortError>;

    /// Sets the cursor back to 0, durably, and keeps what is stored: the log has begun a new life, and its events are to be
    /// taken in from its beginning. Flushes what was applied.
    async fn rewind(&self, pass: &WorkspacePass) -> Result<(), PortError>;

    /// Samples in the query's range, the first `limit` of each series. Series come in order of their labels; those without
    /// samples in the range are absent.
    async fn samples(
        &self,
        pass: &WorkspacePass,
        query: &SeriesQuery,
        limit: usize,
    ) -> Result<Vec<SampleSeries>, PortError>;

    /// Rollups over `step_ms`, aligned to multiples of it in UTC, of the samples that [`Self::samples`] would give: where the
    /// range cuts a step, of the part inside. Series come in order of their labels; those without samples are absent.
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

    /// Forgets samples older than `before_ms`, as far as the storage units allow (the oldest first, so that what is left of a
    /// series is its end), and closed anomalies that ended before. May flush.
    async fn expire(&self, pass: &WorkspacePass, before_ms: i64) -> Result<(), PortError>;

    /// Forgets the oldest samples until the workspace's history occupies at most about `max_bytes`. Keeps anomalies. May
    /// flush.
    async fn shrink(&self, pass: &WorkspacePass, max_bytes: u64) -> Result<(), PortError>;

    /// About how many bytes the workspace's history occupies, without what is not flushed.
    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError>;
}

/// Takes over what people said of an anomaly from the one stored before: an episode does not know all of it. The first
/// acknowledgement stays; the last verdict that `anomaly` knows of, else the stored one.
pub fn carry_over_feedback(anomaly: &mut Anomaly, before: &Anomaly) {
    if let Some(seen) = &before.acknowledged {
        anomaly.acknowledged = Some(seen.clone());
    }
    if let Some(said) = &before.feedback {
        anomaly.feedback = Some(said.clone());
    }
}

/// Folds an acknowledgement into an anomaly: the first one stays.
pub fn acknowledge(anomaly: &mut Anomaly, acknowledgement: &Acknowledgement) {
    if anomaly.acknowledged.is_none() {
        anomaly.acknowledged = Some(acknowledgement.clone());
    }
}
