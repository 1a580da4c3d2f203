//! Samples and buckets as rows of their tables.

use std::collections::BTreeSet;

use scylla::value::CqlTimestamp;

use super::layout::{DAY_MS, corrupt, day_of};
use super::memtable::VersionedRow;
use super::statements::{Tables, Tier};
use crate::database::pages::Pages;
use earcon_history::rollup::Bucket;
use earcon_model::{SeriesId, WorkspaceKey};
use earcon_ports::{PortError, SampleRow};

/// A time range, both ends inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from_ms: i64,
    pub(super) last_ms: i64,
}

/// One series of one workspace.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeriesKey<'a> {
    pub(super) workspace: &'a WorkspaceKey,
    pub(super) id: SeriesId,
}

/// Score, expectation, lower and upper bound.
type Scored = (Option<f32>, f64, f64, f64);
pub(super) type StoredSample = (CqlTimestamp, Option<f64>, Option<Scored>);
type StoredBucket = (i64, f64, f64, f64, f64, CqlTimestamp, Option<f32>);

impl Tables {
    /// Stores rows of one day.
    pub(super) async fn put_samples(
        &self,
        key: SeriesKey<'_>,
        day: i64,
        rows: &[VersionedRow],
    ) -> Result<(), PortError> {
        let id = key.id.to_bytes();
        let values = |versioned: &VersionedRow| {
            let row = &versioned.row;
            let scored: Scored = (row.score, row.expected, row.lower, row.upper);
            let (workspace, at) = (key.workspace.as_str(), CqlTimestamp(row.timestamp_ms));
            (workspace, id.as_slice(), day, at, row.value, scored, versioned.write_timestamp, self.ttl_seconds)
        };
        match rows {
            [] => Ok(()),
            [one] => self.database.execute(&self.samples.write, values(one)).await.map(drop),
            many => {
                let values: Vec<_> = many.iter().map(values).collect();
                self.database.batch(&self.samples.write, &values).await
            }
        }
    }

    /// The stored rows of one day in `span`, at most `limit`, in time order, page by page.
    pub(super) fn samples(
        &self,
        key: SeriesKey<'_>,
        day: i64,
        span: Span,
        limit: usize,
    ) -> Result<Pages<'_, StoredSample>, PortError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let (from, last) = (CqlTimestamp(span.from_ms), CqlTimestamp(span.last_ms));
        let id = key.id.to_bytes();
        let values = (key.workspace.as_str(), id.as_slice(), day, from, last, limit);
        self.database.pages(&self.samples.read, values)
    }

    /// All stored rows of one day in `span`, in time order.
    pub(super) async fn day_rows(&self, key: SeriesKey<'_>, span: Span) -> Result<Vec<SampleRow>, PortError> {
        let mut pages = self.samples(key, day_of(span.from_ms), span, usize::MAX)?;
        let mut rows = Vec::new();
        while let Some(page) = pages.next().await? {
            rows.extend(page.into_iter().filter_map(sample));
        }
        Ok(rows)
    }

    pub(super) async fn forget_samples(
        &self,
        key: SeriesKey<'_>,
        day: i64,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let id = key.id.to_bytes();
        let values = (write_timestamp, key.workspace.as_str(), id.as_slice(), day);
        self.database.execute(&self.samples.forget_day, values).await.map(drop)
    }

    pub(super) async fn forget_samples_before(
        &self,
        key: SeriesKey<'_>,
        before_ms: i64,
        day: i64,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let id = key.id.to_bytes();
        let values = (write_timestamp, key.workspace.as_str(), id.as_slice(), day, CqlTimestamp(before_ms));
        self.database.execute(&self.samples.forget_before, values).await.map(drop)
    }

    /// Deletes the samples of one day in `span`.
    pub(super) async fn forget_samples_in(
        &self,
        key: SeriesKey<'_>,
        span: Span,
        day: i64,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let id = key.id.to_bytes();
        let (from, last) = (CqlTimestamp(span.from_ms), CqlTimestamp(span.last_ms));
        let values = (write_timestamp, key.workspace.as_str(), id.as_slice(), day, from, last);
        self.database.execute(&self.samples.forget_range, values).await.map(drop)
    }

    /// Stores buckets of one partition of the tier.
    pub(super) async fn put_buckets(
        &self,
        tier: &Tier,
        key: SeriesKey<'_>,
        buckets: &[Bucket],
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let id = key.id.to_bytes();
        let values = |bucket: &Bucket| {
            let partition = tier.partition(bucket.start_ms);
            let (last_at, start) = (CqlTimestamp(bucket.last_at_ms), CqlTimestamp(bucket.start_ms));
            let count = bucket.count.cast_signed();
            let stored: StoredBucket =
                (count, bucket.min, bucket.max, bucket.sum, bucket.last, last_at, bucket.max_score);
            (key.workspace.as_str(), id.as_slice(), partition, start, stored, write_timestamp, self.ttl_seconds)
        };
        match buckets {
            [] => Ok(()),
            [one] => self.database.execute(&tier.write, values(one)).await.map(drop),
            many => {
                let values: Vec<_> = many.iter().map(values).collect();
                self.database.batch(&tier.write, &values).await
            }
        }
    }

    /// The stored buckets that start in `span`, in time order. `days` may have samples.
    pub(super) async fn buckets(
        &self,
        tier: &Tier,
        key: SeriesKey<'_>,
        span: Span,
        days: impl IntoIterator<Item = i64>,
    ) -> Result<Vec<Bucket>, PortError> {
        let (first, last) = (tier.partition(span.from_ms), tier.partition(span.last_ms));
        let of_day = |day: i64| tier.partition(day.saturating_mul(DAY_MS));
        let partitions: BTreeSet<i64> = days.into_iter().map(of_day).filter(|p| (first..=last).contains(p)).collect();
        let id = key.id.to_bytes();
        let (from, last) = (CqlTimestamp(span.from_ms), CqlTimestamp(span.last_ms));
        let mut found = Vec::new();
        for partition in partitions {
            let values = (key.workspace.as_str(), id.as_slice(), partition, from, last);
            let mut pages = self.database.pages::<(CqlTimestamp, Option<StoredBucket>)>(&tier.read, values)?;
            while let Some(page) = pages.next().await? {
                for (start, stored) in page {
                    found.push(bucket(start.0, stored.ok_or_else(|| corrupt("a rollup"))?));
                }
            }
        }
        Ok(found)
    }

    /// Deletes the buckets of one day that start in `span`.
    pub(super) async fn forget_buckets(
        &self,
        tier: &Tier,
        key: SeriesKey<'_>,
        span: Span,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let id = key.id.to_bytes();
        let partition = tier.partition(span.from_ms);
        let (from, last) = (CqlTimestamp(span.from_ms), CqlTimestamp(span.last_ms));
        let values = (write_timestamp, key.workspace.as_str(), id.as_slice(), partition, from, last);
        self.database.execute(&tier.forget, values).await.map(drop)
    }
}

impl Tier {
    /// The partition of a bucket that starts at `start_ms`.
    pub(super) fn partition(&self, start_ms: i64) -> i64 {
        start_ms.div_euclid(self.partition_ms)
    }
}

/// The row. `None` for the rest of a partly deleted row, which this program never creates.
pub(super) fn sample((at, value, scored): StoredSample) -> Option<SampleRow> {
    let (score, expected, lower, upper) = scored.unwrap_or((None, f64::NAN, f64::NAN, f64::NAN));
    Some(SampleRow { timestamp_ms: at.0, value: value?, score, expected, lower, upper })
}

fn bucket(start_ms: i64, (count, min, max, sum, last, last_at, max_score): StoredBucket) -> Bucket {
    Bucket { start_ms, count: count.cast_unsigned(), min, max, sum, last, last_at_ms: last_at.0, max_score }
}
