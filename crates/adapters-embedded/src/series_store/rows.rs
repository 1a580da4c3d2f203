//! Samples as rows in time order: conversion of scored samples, and merging of newer rows.

use super::rounding;
use earcon_model::{Sample, ScoredSample};
use earcon_ports::SampleRow;

/// The row of a scored sample, in the precision that history keeps.
pub(super) fn scored(sample: &ScoredSample) -> SampleRow {
    let row = SampleRow {
        timestamp_ms: sample.timestamp_ms,
        value: sample.value,
        score: sample.score.filter(|score| !score.is_nan()),
        expected: sample.expected,
        lower: sample.lower,
        upper: sample.upper,
    };
    SampleRow { score: row.score.map(rounding::score), ..rounding::band(row) }
}

/// The row of a sample that arrived too late to be scored.
pub(super) fn late(sample: &Sample) -> SampleRow {
    SampleRow {
        timestamp_ms: sample.timestamp_ms,
        value: sample.value,
        score: None,
        expected: f64::NAN,
        lower: f64::NAN,
        upper: f64::NAN,
    }
}

/// Sorts by timestamp. Of several rows with one timestamp, keeps the last in `rows`.
pub(super) fn in_time_order(mut rows: Vec<SampleRow>) -> Vec<SampleRow> {
    if rows.is_sorted_by(|a, b| a.timestamp_ms < b.timestamp_ms) {
        return rows;
    }
    rows.sort_by_key(|row| row.timestamp_ms);
    rows.dedup_by(|later, earlier| {
        let same = later.timestamp_ms == earlier.timestamp_ms;
        if same {
            *earlier = *later;
        }
        same
    });
    rows
}

/// Merges two runs that are in time order. If both have a timestamp, the `newer` row stays.
pub(super) fn merged(older: Vec<SampleRow>, newer: &[SampleRow]) -> Vec<SampleRow> {
    let mut rows = older;
    let disjoint = match (rows.last(), newer.first()) {
        (Some(last), Some(first)) => last.timestamp_ms < first.timestamp_ms,
        _ => true,
    };
    rows.extend_from_slice(newer);
    if disjoint { rows } else { in_time_order(rows) }
}

/// The rows with `from_ms <= timestamp <= last_ms`. `rows` must be in time order.
pub(super) fn within(rows: &[SampleRow], from_ms: i64, last_ms: i64) -> &[SampleRow] {
    let start = rows.partition_point(|row| row.timestamp_ms < from_ms);
    let end = rows.partition_point(|row| row.timestamp_ms <= last_ms);
    rows.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(timestamp_ms: i64, value: f64) -> SampleRow {
        late(&Sample { timestamp_ms, value })
    }

    fn pairs(rows: &[SampleRow]) -> Vec<(i64, f64)> {
        rows.iter().map(|row| (row.timestamp_ms, row.value)).collect()
    }

    #[test]
    fn last_row_of_a_timestamp_stays() {
        let rows = in_time_order(vec![row(3, 1.0), row(1, 2.0), row(3, 3.0), row(1, 4.0), row(3, 5.0)]);
        assert_eq!(pairs(&rows), [(1, 4.0), (3, 5.0)]);
        let rows = merged(rows, &[row(2, 6.0), row(3, 7.0)]);
        assert_eq!(pairs(&rows), [(1, 4.0), (2, 6.0), (3, 7.0)]);
    }

    #[test]
    fn range_may_be_empty_or_inverted() {
        let rows = [row(1, 0.0), row(5, 0.0)];
        assert_eq!(pairs(within(&rows, 1, 4)), [(1, 0.0)]);
        assert!(within(&rows, 2, 4).is_empty() && within(&rows, 9, 0).is_empty());
    }
}
