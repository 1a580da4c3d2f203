//! A block: up to a few thousand rows of one series, as columns.
//!
//! `version u8 | count u32 | last timestamp i64` (little endian), then timestamps, values, scores,
//! and bands. Nearly all columns become small integers. A block is lossless, except for the bits of
//! a NaN; rows were rounded before (see `rounding`).

mod bands;
pub(super) mod buckets;
mod bytes;
mod ints;
mod scores;
mod values;

use self::bytes::Reader;
use self::ints::Coded;
use crate::database::corrupt;
use earcon_ports::{ErrorKind, PortError, SampleRow};

/// Rows of a sealed block.
pub(super) const SEALED_ROWS: usize = 2_048;

/// No block has more rows. Damage cannot ask for more memory than that.
const MOST_ROWS: usize = 1 << 16;
const VERSION: u8 = 1;
const HEADER: usize = 13;

/// Encodes at least one row, in time order.
pub(super) fn encode(rows: &[SampleRow]) -> Result<Vec<u8>, PortError> {
    let (Some(last), true) = (rows.last(), rows.len() <= MOST_ROWS) else {
        return Err(PortError::new(ErrorKind::Invalid, format!("a block cannot have {} rows", rows.len())));
    };
    let mut out = Vec::with_capacity(HEADER + rows.len() * 10);
    out.push(VERSION);
    out.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    out.extend_from_slice(&last.timestamp_ms.to_le_bytes());
    columns(&mut out, rows)
        .ok_or_else(|| PortError::new(ErrorKind::Invalid, "a block cannot be compressed".to_owned()))?;
    out.shrink_to_fit();
    Ok(out)
}

fn columns(out: &mut Vec<u8>, rows: &[SampleRow]) -> Option<()> {
    let timestamps: Vec<i64> = rows.iter().map(|row| row.timestamp_ms).collect();
    ints::put(out, &timestamps, Coded::Differences)?;
    let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
    values::put(out, &values)?;
    scores::put(out, rows.iter().map(|row| row.score))?;
    bands::put(out, rows)
}

/// Number of rows and timestamp of the last row, without decoding the columns.
pub(super) fn extent(bytes: &[u8]) -> Result<(u32, i64), PortError> {
    read_extent(&mut Reader(bytes)).ok_or_else(|| corrupt("a block"))
}

fn read_extent(from: &mut Reader<'_>) -> Option<(u32, i64)> {
    let (version, count) = (from.byte()?, u32::from_le_bytes(from.array()?));
    let last_ms = i64::from_le_bytes(from.array()?);
    (version == VERSION && (1..=MOST_ROWS).contains(&(count as usize))).then_some((count, last_ms))
}

/// All rows of a block.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<SampleRow>, PortError> {
    let mut from = Reader(bytes);
    let rows = read_unbanded(&mut from).and_then(|mut rows| {
        bands::read(&mut from, &mut rows)?;
        from.0.is_empty().then_some(rows)
    });
    rows.ok_or_else(|| corrupt("a block"))
}

/// The rows of a block without expectation and band, for rollups.
pub(super) fn decode_unbanded(bytes: &[u8]) -> Result<Vec<SampleRow>, PortError> {
    read_unbanded(&mut Reader(bytes)).ok_or_else(|| corrupt("a block"))
}

fn read_unbanded(from: &mut Reader<'_>) -> Option<Vec<SampleRow>> {
    let (count, _) = read_extent(from)?;
    let count = count as usize;
    let timestamps = ints::read(from, count)?;
    let values = values::read(from, count)?;
    let scores = scores::read(from, count)?;
    let rows = timestamps.into_iter().zip(values).zip(scores).map(|((timestamp_ms, value), score)| SampleRow {
        timestamp_ms,
        value,
        score,
        expected: f64::NAN,
        lower: f64::NAN,
        upper: f64::NAN,
    });
    Some(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::*;
    use earcon_model::ScoredSample;
    use proptest::prelude::*;

    fn same(a: &SampleRow, b: &SampleRow) -> bool {
        let bits = |x: f64, y: f64| x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan());
        a.timestamp_ms == b.timestamp_ms
            && bits(a.value, b.value)
            && a.score == b.score
            && bits(a.expected, b.expected)
            && bits(a.lower, b.lower)
            && bits(a.upper, b.upper)
    }

    fn any_row() -> impl Strategy<Value = SampleRow> {
        let number = prop_oneof![4 => -1e3..1e3f64, 1 => prop::num::f64::ANY];
        let band = (number.clone(), number.clone(), number.clone());
        (any::<i64>(), number, prop::option::of(0f32..1.0), band).prop_map(
            |(timestamp_ms, value, score, (expected, lower, upper))| SampleRow {
                timestamp_ms,
                value,
                score,
                expected,
                lower,
                upper,
            },
        )
    }

    /// Like the rows of a detector, rounded as history rounds them.
    fn scored_row() -> impl Strategy<Value = SampleRow> {
        let band = (-4..4i64, 0.01..9.0f64, -1.5..1.5f64, any::<bool>());
        (0..10_000_000i64, -500..5_000i64, prop::option::of(0f32..0.3), band).prop_map(
            |(timestamp_ms, hundredths, score, (scale, half, off, floor))| {
                let value = hundredths as f64 / 100.0;
                let half = half * 10f64.powi(scale as i32);
                let expected = value + off * half;
                let lower = if floor { (expected - half).max(0.0) } else { expected - half };
                let score = score.map(|score| score * score);
                let upper = expected + half;
                rows::scored(&ScoredSample { timestamp_ms, value, score, expected, lower, upper })
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rows_round_trip_to_the_bit(
            rows in prop_oneof![
                prop::collection::vec(any_row(), 1..400),
                prop::collection::vec(scored_row(), 1..900),
                prop::collection::vec(prop_oneof![30 => scored_row(), 1 => any_row()], 1..900),
            ]
        ) {
            let rows = rows::in_time_order(rows);
            let bytes = encode(&rows).unwrap();
            prop_assert_eq!(extent(&bytes).unwrap(), (rows.len() as u32, rows.last().unwrap().timestamp_ms));
            let back = decode(&bytes).unwrap();
            prop_assert_eq!(back.len(), rows.len());
            prop_assert!(rows.iter().zip(&back).all(|(a, b)| same(a, b)));
            let unbanded = decode_unbanded(&bytes).unwrap();
            let known = |row: &SampleRow| (row.timestamp_ms, row.value.to_bits(), row.score.map(f32::to_bits));
            prop_assert!(back.iter().map(known).eq(unbanded.iter().map(known)));
        }

        /// A flipped bit may go unnoticed here; the database has checksums.
        #[test]
        fn damage_never_panics(
            rows in prop::collection::vec(prop_oneof![30 => scored_row(), 1 => any_row()], 1..500),
            flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u32), 1..5),
        ) {
            let mut bytes = encode(&rows::in_time_order(rows)).unwrap();
            for (at, bit) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            let (count, decoded) = (extent(&bytes), decode(&bytes));
            prop_assert!(decoded.is_err() || decoded.unwrap().len() == count.unwrap().0 as usize);
        }
    }

    #[test]
    fn block_of_ordinary_samples_is_smaller_than_its_numbers() {
        let rows: Vec<SampleRow> = (0..SEALED_ROWS as i64)
            .map(|i| {
                let value = (f64::from(i as i32) / 40.0).sin().mul_add(10.0, 50.0);
                let expected = value + f64::from((i * 7 % 13) as i32) * 0.01;
                let (lower, upper) = (expected - 3.0, expected + 3.0);
                rows::scored(&ScoredSample { timestamp_ms: i * 1_000, value, score: Some(0.1), expected, lower, upper })
            })
            .collect();
        let bytes = encode(&rows).unwrap();
        assert!(bytes.len() < rows.len() * 10, "{} bytes for {} rows", bytes.len(), rows.len());
    }

    #[test]
    fn truncated_block_is_an_error() {
        let rows: Vec<SampleRow> =
            (0..20).map(|i| rows::late(&earcon_model::Sample { timestamp_ms: i, value: 0.5 })).collect();
        let bytes = encode(&rows).unwrap();
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]).unwrap_err().kind, ErrorKind::Corrupt, "cut at {cut}");
        }
    }
}
