//! Buckets: aggregates of a time range. Rows and smaller buckets give the same result.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use earcon_ports::{Rollup, SampleRow};

/// Width of the finer stored tier, milliseconds.
pub const MINUTE_MS: i64 = 60_000;
/// Width of the coarser stored tier, milliseconds.
pub const HOUR_MS: i64 = 3_600_000;

/// Aggregates at least one row from `start_ms` on. The caller knows the width.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Start of the bucket, milliseconds UTC.
    pub start_ms: i64,
    /// Samples in it.
    pub count: u64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Sum of the values.
    pub sum: f64,
    /// Value of the newest sample.
    pub last: f64,
    /// Timestamp of the newest sample, milliseconds UTC.
    pub last_at_ms: i64,
    /// Highest score; `None` if no sample has one.
    pub max_score: Option<f32>,
}

impl Bucket {
    /// The bucket of one row.
    pub fn from_row(row: &SampleRow, width_ms: i64) -> Self {
        Self {
            start_ms: start_of(row.timestamp_ms, width_ms),
            count: 1,
            min: row.value,
            max: row.value,
            sum: row.value,
            last: row.value,
            last_at_ms: row.timestamp_ms,
            max_score: row.score,
        }
    }

    /// Merges `other` into this one. The start stays.
    pub fn merge(&mut self, other: &Bucket) {
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        if other.last_at_ms >= self.last_at_ms {
            (self.last, self.last_at_ms) = (other.last, other.last_at_ms);
        }
        self.max_score = match (self.max_score, other.max_score) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
    }

    fn mean(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a step has fewer than 2^53 samples")]
        let mean = self.sum / self.count as f64;
        // The sum overflows only for values near `f64::MAX`.
        if mean.is_finite() { mean } else { self.min / 2.0 + self.max / 2.0 }
    }
}

/// The multiple of `width_ms` at or before `timestamp_ms`, or `i64::MIN` if that is out of range.
pub fn start_of(timestamp_ms: i64, width_ms: i64) -> i64 {
    timestamp_ms.saturating_sub(timestamp_ms.rem_euclid(width_ms))
}

/// The buckets of rows in time order.
pub fn buckets(rows: &[SampleRow], width_ms: i64) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for row in rows {
        let bucket = Bucket::from_row(row, width_ms);
        match buckets.last_mut() {
            Some(last) if last.start_ms == bucket.start_ms => last.merge(&bucket),
            _ => buckets.push(bucket),
        }
    }
    buckets
}

/// Collects rows and buckets into steps. Any order works; time order is fastest.
pub struct Steps {
    step_ms: i64,
    done: BTreeMap<i64, Bucket>,
    /// The step being filled. Most rows belong to it.
    current: Option<Bucket>,
}

impl Steps {
    /// No steps yet; each will be `step_ms` wide.
    pub fn new(step_ms: i64) -> Self {
        Self { step_ms, done: BTreeMap::new(), current: None }
    }

    /// Width of a step, milliseconds.
    pub fn step_ms(&self) -> i64 {
        self.step_ms
    }

    /// Adds one row to its step.
    pub fn add_row(&mut self, row: &SampleRow) {
        self.add(Bucket::from_row(row, self.step_ms));
    }

    /// `bucket` must lie inside one step.
    pub fn add_bucket(&mut self, bucket: &Bucket) {
        self.add(Bucket { start_ms: start_of(bucket.start_ms, self.step_ms), ..*bucket });
    }

    fn add(&mut self, bucket: Bucket) {
        match &mut self.current {
            Some(current) if current.start_ms == bucket.start_ms => current.merge(&bucket),
            _ => {
                self.finish_current();
                self.current = Some(bucket);
            }
        }
    }

    fn finish_current(&mut self) {
        if let Some(bucket) = self.current.take() {
            self.done.entry(bucket.start_ms).and_modify(|known| known.merge(&bucket)).or_insert(bucket);
        }
    }

    /// The steps in time order. `opened` has the number of anomalies by start of the step.
    pub fn into_rows(mut self, opened: &BTreeMap<i64, u32>) -> Vec<Rollup> {
        self.finish_current();
        let rollup = |bucket: Bucket| Rollup {
            start_ms: bucket.start_ms,
            count: bucket.count,
            min: bucket.min,
            max: bucket.max,
            mean: bucket.mean(),
            last: bucket.last,
            max_score: bucket.max_score,
            anomalies: opened.get(&bucket.start_ms).copied().unwrap_or(0),
        };
        self.done.into_values().map(rollup).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(timestamp_ms: i64, value: f64, score: Option<f32>) -> SampleRow {
        SampleRow { timestamp_ms, value, score, expected: 0.0, lower: 0.0, upper: 0.0 }
    }

    #[test]
    fn buckets_and_rows_make_the_same_steps() {
        let rows: Vec<_> =
            (-500..500).map(|i| row(i * 7_001, f64::from(i as i32 % 17), Some((i % 5) as f32))).collect();
        let (mut from_rows, mut from_buckets) = (Steps::new(HOUR_MS), Steps::new(HOUR_MS));
        rows.iter().for_each(|row| from_rows.add_row(row));
        for part in rows.chunks(33) {
            buckets(part, MINUTE_MS).iter().for_each(|bucket| from_buckets.add_bucket(bucket));
        }
        let none = BTreeMap::new();
        assert_eq!(from_rows.into_rows(&none), from_buckets.into_rows(&none));
    }

    #[test]
    fn steps_before_1970_start_at_a_multiple_too() {
        assert_eq!(start_of(-1, 1_000), -1_000);
        assert_eq!(start_of(-1_000, 1_000), -1_000);
        assert_eq!(start_of(i64::MIN, 1_000), i64::MIN);
    }

    #[test]
    fn the_mean_of_huge_values_stays_finite() {
        let mut steps = Steps::new(1_000);
        (0..4).for_each(|i| steps.add_row(&row(i, f64::MAX, None)));
        assert_eq!(steps.into_rows(&BTreeMap::new())[0].mean, f64::MAX);
    }
}
