//! Samples as rows in time order: what is kept of a scored sample, and how newer rows replace older ones.

use earcon_model::{Sample, ScoredSample};
use earcon_ports::SampleRow;

/// What is kept of a scored sample: timestamp, value and score as they are, expectation and band as far as a 32-bit
/// distance from the value can tell (about seven digits of the distance), so that reads give the same before and after
/// the rows are compressed.
pub(super) fn scored(sample: &ScoredSample) -> SampleRow {
    SampleRow {
        timestamp_ms: sample.timestamp_ms,
        value: sample.value,
        score: sample.score.filter(|score| !score.is_nan()),
        expected: settle(sample.value, sample.expected),
        lower: settle(sample.value, sample.lower),
        upper: settle(sample.value, sample.upper),
    }
}

/// A sample that came too late to be scored.
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

/// The nearest number whose distance from `value` is a 32-bit float; `number` itself where that would lose too much
/// (distances outside the range of 32-bit floats).
fn settle(value: f64, number: f64) -> f64 {
    let settled = value + f64::from(distance(value, number));
    let error = (settled - number).abs();
    if error <= (number - value).abs() * 1e-6 || error <= value.abs() * f64::EPSILON { settled } else { number }
}

/// How far `number` is from `value`, in 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "that is the compression")]
pub(super) fn distance(value: f64, number: f64) -> f32 {
    (number - value) as f32
}

/// Sorts by timestamp; of several rows with one timestamp the last in `rows` stays.
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

/// One run from two, each in time order; where both have a timestamp, `newer` stays.
pub(super) fn merged(older: Vec<SampleRow>, newer: &[SampleRow]) -> Vec<SampleRow> {
    let mut rows = older;
    let disjoint = match (rows.last(), newer.first()) {
        (Some(last), Some(first)) => last.timestamp_ms < first.timestamp_ms,
        _ => true,
    };
    rows.extend_from_slice(newer);
    if disjoint { rows } else { in_time_order(rows) }
}

/// The part of `rows`, which are in time order, with `from_ms <= timestamp <= last_ms`.
pub(super) fn within(rows: &[SampleRow], from_ms: i64, last_ms: i64) -> &[SampleRow] {
    let start = rows.partition_point(|row| row.timestamp_ms < from_ms);
    let end = rows.partition_point(|row| row.timestamp_ms <= last_ms);
    rows.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(timestamp_ms: i64, value: f64) -> SampleRow {
        late(&Sample { timestamp_ms, value })
    }

    fn pairs(rows: &[SampleRow]) -> Vec<(i64, f64)> {
        rows.iter().map(|row| (row.timestamp_ms, row.value)).collect()
    }

    #[test]
    fn the_last_written_of_one_timestamp_stays() {
        let rows = in_time_order(vec![row(3, 1.0), row(1, 2.0), row(3, 3.0), row(1, 4.0), row(3, 5.0)]);
        assert_eq!(pairs(&rows), [(1, 4.0), (3, 5.0)]);
        let rows = merged(rows, &[row(2, 6.0), row(3, 7.0)]);
        assert_eq!(pairs(&rows), [(1, 4.0), (2, 6.0), (3, 7.0)]);
    }

    #[test]
    fn a_part_may_be_empty_or_inverted() {
        let rows = [row(1, 0.0), row(5, 0.0)];
        assert_eq!(pairs(within(&rows, 1, 4)), [(1, 0.0)]);
        assert!(within(&rows, 2, 4).is_empty() && within(&rows, 9, 0).is_empty());
    }

    proptest! {
        #[test]
        fn settled_numbers_are_close_and_settle_to_themselves(value in prop::num::f64::NORMAL, number in prop::num::f64::NORMAL) {
            let settled = settle(value, number);
            let error = (settled - number).abs();
            prop_assert!(error <= (number - value).abs() * 1e-6 || error <= value.abs() * f64::EPSILON);
            prop_assert_eq!(settle(value, settled).to_bits(), settled.to_bits());
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        assert!(settle(1.0, f64::NAN).is_nan() && settle(f64::NAN, 1.0) == 1.0);
        assert_eq!(settle(0.0, f64::INFINITY), f64::INFINITY);
    }
}
