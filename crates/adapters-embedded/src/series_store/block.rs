//! A block: up to about a thousand rows of one series, as columns.
//!
//! `version u8 | packing u8 | count u32 | last timestamp i64`, then six columns `kind u8 | length
//! u32 | bytes`, little endian. Small blocks, which are soon merged into larger ones, hold plain
//! numbers. Larger ones are compressed with pco. Encoding is lossless to the bit, except that every
//! NaN becomes the canonical NaN.

use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress};
use pco::{ChunkConfig, DeltaSpec};

use super::rows::distance;
use crate::database::corrupt;
use earcon_ports::{ErrorKind, PortError, SampleRow};

/// Rows of a sealed block.
pub(super) const SEALED_ROWS: usize = 1_024;

/// Below this many rows, pco's headers and tables cost more than they save.
const PACKED_ROWS: usize = 128;
const VERSION: u8 = 1;
const HEADER: usize = 14;

const PLAIN: u8 = 0;
const PCO: u8 = 1;

/// The encoding of a column's numbers.
const ABSENT: u8 = 0;
const NARROW: u8 = 1;
const WIDE: u8 = 2;

/// Encodes at least one row, in time order.
pub(super) fn encode(rows: &[SampleRow]) -> Result<Vec<u8>, PortError> {
    let (Some(last), Ok(count)) = (rows.last(), u32::try_from(rows.len())) else {
        return Err(PortError::new(ErrorKind::Invalid, "a block has one row or more"));
    };
    let packing = if rows.len() < PACKED_ROWS { PLAIN } else { PCO };
    let mut out = Vec::with_capacity(HEADER + rows.len() * 24);
    out.push(VERSION);
    out.push(packing);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&last.timestamp_ms.to_le_bytes());
    let timestamps: Vec<i64> = rows.iter().map(|row| row.timestamp_ms).collect();
    let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
    column(&mut out, packing, WIDE, &timestamps, DeltaSpec::TryConsecutive(2))?;
    column(&mut out, packing, WIDE, &values, DeltaSpec::Auto)?;
    if rows.iter().all(|row| row.score.is_none()) {
        absent(&mut out);
    } else {
        let scores: Vec<f32> = rows.iter().map(|row| row.score.unwrap_or(f32::NAN)).collect();
        column(&mut out, packing, NARROW, &scores, DeltaSpec::NoOp)?;
    }
    for pick in BAND {
        band_column(&mut out, packing, rows, pick)?;
    }
    Ok(out)
}

type Pick = fn(&SampleRow) -> f64;
const BAND: [Pick; 3] = [|row| row.expected, |row| row.lower, |row| row.upper];

/// Expectation and band are close to the value, so their distance from it needs fewer bits.
fn band_column(out: &mut Vec<u8>, packing: u8, rows: &[SampleRow], pick: Pick) -> Result<(), PortError> {
    if rows.iter().all(|row| pick(row).is_nan()) {
        absent(out);
        return Ok(());
    }
    let distances: Vec<f32> = rows.iter().map(|row| distance(row.value, pick(row))).collect();
    let exact = rows.iter().zip(&distances).all(|(row, distance)| {
        let back = row.value + f64::from(*distance);
        back.to_bits() == pick(row).to_bits() || (back.is_nan() && pick(row).is_nan())
    });
    if exact {
        column(out, packing, NARROW, &distances, DeltaSpec::NoOp)
    } else {
        let numbers: Vec<f64> = rows.iter().map(pick).collect();
        column(out, packing, WIDE, &numbers, DeltaSpec::Auto)
    }
}

fn absent(out: &mut Vec<u8>) {
    out.push(ABSENT);
    out.extend_from_slice(&0u32.to_le_bytes());
}

/// A number that a plain column can hold.
trait Plain: Number {
    const WIDTH: usize;
    fn put(self, out: &mut Vec<u8>);
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

macro_rules! plain {
    ($($type:ty),*) => {$(
        impl Plain for $type {
            const WIDTH: usize = size_of::<$type>();
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(<$type>::from_le_bytes)
            }
        }
    )*};
}
plain!(i64, f64, f32);

fn column<T: Plain>(
    out: &mut Vec<u8>,
    packing: u8,
    kind: u8,
    numbers: &[T],
    delta: DeltaSpec,
) -> Result<(), PortError> {
    out.push(kind);
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    if packing == PLAIN {
        numbers.iter().for_each(|number| number.put(out));
    } else {
        // Level 4 is within a few percent of the default in size and takes about half the time.
        let config = ChunkConfig::default().with_compression_level(4).with_delta_spec(delta);
        let packed = simple_compress(numbers, &config)
            .map_err(|error| PortError::caused(ErrorKind::Invalid, "a block cannot be compressed", error))?;
        out.extend_from_slice(&packed);
    }
    let length = u32::try_from(out.len() - length_at - 4).map_err(|_| corrupt("a block"))?;
    out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Number of rows and timestamp of the last row, without decoding the columns.
pub(super) fn extent(bytes: &[u8]) -> Result<(u32, i64), PortError> {
    let damaged = || corrupt("a block");
    let (Some(&VERSION), Some(rest)) = (bytes.first(), bytes.get(2..)) else { return Err(damaged()) };
    let (count, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let last = rest.first_chunk().ok_or_else(damaged)?;
    Ok((u32::from_le_bytes(*count), i64::from_le_bytes(*last)))
}

/// All rows of a block.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<SampleRow>, PortError> {
    let (count, _) = extent(bytes)?;
    let mut columns = Columns { packing: bytes[1], count: count as usize, rest: &bytes[HEADER..] };
    let timestamps = columns.wide::<i64>()?;
    let values = columns.wide::<f64>()?;
    let scores = columns.scores()?;
    let expected = columns.band(&values)?;
    let lower = columns.band(&values)?;
    let upper = columns.band(&values)?;
    let at = |column: &[f64], i: usize| column.get(i).copied().unwrap_or(f64::NAN);
    Ok((0..values.len())
        .map(|i| SampleRow {
            timestamp_ms: timestamps[i],
            value: values[i],
            score: scores.get(i).copied().filter(|score| !score.is_nan()),
            expected: at(&expected, i),
            lower: at(&lower, i),
            upper: at(&upper, i),
        })
        .collect())
}

struct Columns<'a> {
    packing: u8,
    count: usize,
    rest: &'a [u8],
}

impl<'a> Columns<'a> {
    fn next(&mut self) -> Result<(u8, &'a [u8]), PortError> {
        let damaged = || corrupt("a block");
        let (&kind, rest) = self.rest.split_first().ok_or_else(damaged)?;
        let (length, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (bytes, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
        self.rest = rest;
        Ok((kind, bytes))
    }

    fn numbers<T: Plain>(&self, bytes: &[u8]) -> Result<Vec<T>, PortError> {
        let numbers = if self.packing == PLAIN {
            bytes.chunks(T::WIDTH).map(T::from_bytes).collect::<Option<Vec<T>>>().ok_or_else(|| corrupt("a block"))?
        } else {
            simple_decompress(bytes)
                .map_err(|error| PortError::caused(ErrorKind::Corrupt, "a block cannot be decompressed", error))?
        };
        if numbers.len() == self.count { Ok(numbers) } else { Err(corrupt("a block")) }
    }

    fn wide<T: Plain>(&mut self) -> Result<Vec<T>, PortError> {
        match self.next()? {
            (WIDE, bytes) => self.numbers(bytes),
            _ => Err(corrupt("a block")),
        }
    }

    /// Empty if no row has a score.
    fn scores(&mut self) -> Result<Vec<f32>, PortError> {
        match self.next()? {
            (ABSENT, _) => Ok(Vec::new()),
            (NARROW, bytes) => self.numbers(bytes),
            _ => Err(corrupt("a block")),
        }
    }

    /// Empty if no row has this value of the band.
    fn band(&mut self, values: &[f64]) -> Result<Vec<f64>, PortError> {
        match self.next()? {
            (ABSENT, _) => Ok(Vec::new()),
            (WIDE, bytes) => self.numbers(bytes),
            (NARROW, bytes) => {
                let distances: Vec<f32> = self.numbers(bytes)?;
                Ok(values.iter().zip(distances).map(|(value, distance)| value + f64::from(distance)).collect())
            }
            _ => Err(corrupt("a block")),
        }
    }
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rows_round_trip_to_the_bit(rows in prop::collection::vec(any_row(), 1..400)) {
            let rows = rows::in_time_order(rows);
            let bytes = encode(&rows).unwrap();
            prop_assert_eq!(extent(&bytes).unwrap(), (rows.len() as u32, rows.last().unwrap().timestamp_ms));
            let back = decode(&bytes).unwrap();
            prop_assert_eq!(back.len(), rows.len());
            prop_assert!(rows.iter().zip(&back).all(|(a, b)| same(a, b)));
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
        assert!(bytes.len() < rows.len() * 24, "{} bytes for {} rows", bytes.len(), rows.len());
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
