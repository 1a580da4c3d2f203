//! The buckets of a block, as columns. They are lossless.
//!
//! `count` first, then starts, counts, times of the last values, the values, sums, and highest
//! scores. Values are integers with a common number of decimals where that is exact; a sum is then
//! close to an integer, and the rest of it is counted in the smallest steps of a float.

use super::bytes::{Reader, put_varint};
use super::ints::{self, Coded};
use super::{scores, values};
use crate::database::corrupt;
use earcon_history::rollup::Bucket;
use earcon_ports::{ErrorKind, PortError};

const VERSION: u8 = 1;
const DECIMAL: u8 = 0;
const NUMBERS: u8 = 1;
/// No block has more rows, so it has no more buckets.
const MOST: usize = super::MOST_ROWS;

/// Encodes buckets of one width, in time order.
pub(in crate::series_store) fn encode(buckets: &[Bucket]) -> Result<Vec<u8>, PortError> {
    let mut out = vec![VERSION];
    columns(&mut out, buckets)
        .ok_or_else(|| PortError::new(ErrorKind::Invalid, "rollups cannot be compressed".to_owned()))?;
    Ok(out)
}

fn columns(out: &mut Vec<u8>, buckets: &[Bucket]) -> Option<()> {
    if buckets.len() > MOST {
        return None;
    }
    put_varint(out, buckets.len() as u64);
    let mut column =
        |of: fn(&Bucket) -> i64| ints::put(out, &buckets.iter().map(of).collect::<Vec<_>>(), Coded::Differences);
    column(|bucket| bucket.start_ms)?;
    column(|bucket| bucket.count as i64)?;
    column(|bucket| bucket.last_at_ms.wrapping_sub(bucket.start_ms))?;
    put_values(out, buckets)?;
    scores::put(out, buckets.iter().map(|bucket| bucket.max_score))
}

fn put_values(out: &mut Vec<u8>, buckets: &[Bucket]) -> Option<()> {
    let together: Vec<f64> = buckets.iter().flat_map(|bucket| [bucket.min, bucket.max, bucket.last]).collect();
    let Some((decimals, scaled)) = values::scaled(&together) else {
        out.push(NUMBERS);
        let fields: [fn(&Bucket) -> f64; 4] =
            [|bucket| bucket.min, |bucket| bucket.max, |bucket| bucket.last, |bucket| bucket.sum];
        for of in fields {
            values::put(out, &buckets.iter().map(of).collect::<Vec<_>>())?;
        }
        return Some(());
    };
    out.extend_from_slice(&[DECIMAL, decimals]);
    let (mut least, mut above, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for values in scaled.chunks_exact(3) {
        least.push(values[0]);
        above.push(values[1].wrapping_sub(values[0]));
        last.push(values[2].wrapping_sub(values[0]));
    }
    let sums = buckets.iter().zip(&least).map(|(bucket, least)| Sum::of(bucket, *least, decimals));
    let (over, odd): (Vec<i64>, Vec<i64>) = sums.map(|sum| (sum.over, sum.odd)).unzip();
    ints::put(out, &least, Coded::Smaller)?;
    for column in [above, last, over, odd] {
        ints::put(out, &column, Coded::Numbers)?;
    }
    Some(())
}

/// A sum as an integer above the smallest possible one, and the steps of a float that are left.
struct Sum {
    over: i64,
    odd: i64,
}

impl Sum {
    fn of(bucket: &Bucket, least: i64, decimals: u8) -> Self {
        // Saturates for huge sums; `odd` then covers the rest.
        let near = (bucket.sum / values::unscale(1, decimals)).round() as i64;
        let over = near.wrapping_sub(Self::base(bucket.count, least));
        let odd = (bucket.sum.to_bits() as i64).wrapping_sub(values::unscale(near, decimals).to_bits() as i64);
        Self { over, odd }
    }

    fn back(&self, count: u64, least: i64, decimals: u8) -> f64 {
        let near = self.over.wrapping_add(Self::base(count, least));
        f64::from_bits((values::unscale(near, decimals).to_bits() as i64).wrapping_add(self.odd) as u64)
    }

    fn base(count: u64, least: i64) -> i64 {
        least.wrapping_mul(count as i64)
    }
}

/// Decodes buckets.
pub(in crate::series_store) fn decode(bytes: &[u8]) -> Result<Vec<Bucket>, PortError> {
    read(&mut Reader(bytes)).ok_or_else(|| corrupt("a rollup"))
}

fn read(from: &mut Reader<'_>) -> Option<Vec<Bucket>> {
    let count = match (from.byte()?, usize::try_from(from.varint()?).ok()?) {
        (VERSION, count @ 0..=MOST) => count,
        _ => return None,
    };
    let starts = ints::read(from, count)?;
    let counts = ints::read(from, count)?;
    let last_at = ints::read(from, count)?;
    let mut buckets: Vec<Bucket> = (0..count)
        .map(|i| Bucket {
            start_ms: starts[i],
            count: counts[i] as u64,
            min: 0.0,
            max: 0.0,
            sum: 0.0,
            last: 0.0,
            last_at_ms: starts[i].wrapping_add(last_at[i]),
            max_score: None,
        })
        .collect();
    read_values(from, &mut buckets)?;
    let scores = scores::read(from, count)?;
    buckets.iter_mut().zip(scores).for_each(|(bucket, score)| bucket.max_score = score);
    from.0.is_empty().then_some(buckets)
}

fn read_values(from: &mut Reader<'_>, buckets: &mut [Bucket]) -> Option<()> {
    let count = buckets.len();
    match from.byte()? {
        DECIMAL => {
            let decimals = from.byte()?;
            let mut column = || ints::read(from, count);
            let (least, above, last, over, odd) = (column()?, column()?, column()?, column()?, column()?);
            for (i, bucket) in buckets.iter_mut().enumerate() {
                bucket.min = values::unscale(least[i], decimals);
                bucket.max = values::unscale(least[i].wrapping_add(above[i]), decimals);
                bucket.last = values::unscale(least[i].wrapping_add(last[i]), decimals);
                bucket.sum = Sum { over: over[i], odd: odd[i] }.back(bucket.count, least[i], decimals);
            }
        }
        NUMBERS => {
            let fields: [fn(&mut Bucket) -> &mut f64; 4] = [
                |bucket| &mut bucket.min,
                |bucket| &mut bucket.max,
                |bucket| &mut bucket.last,
                |bucket| &mut bucket.sum,
            ];
            for field in fields {
                let numbers = values::read(from, count)?;
                buckets.iter_mut().zip(numbers).for_each(|(bucket, number)| *field(bucket) = number);
            }
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use earcon_history::rollup::{MINUTE_MS, buckets};
    use earcon_ports::SampleRow;

    fn row(timestamp_ms: i64, value: f64, score: Option<f32>) -> SampleRow {
        SampleRow { timestamp_ms, value, score, expected: 0.0, lower: 0.0, upper: 0.0 }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn buckets_round_trip_to_the_bit(
            start in any::<i32>(),
            decimals in 0..11i32,
            numbers in prop::collection::vec((-1_000_000..1_000_000i64, 1..90_000i64, prop::option::of(0f32..1.0)), 0..500),
            odd in prop::option::of(prop_oneof![Just(f64::MAX), Just(-0.0), Just(1.0 / 3.0), Just(1e-300)]),
        ) {
            let mut timestamp_ms = i64::from(start);
            let mut rows: Vec<SampleRow> = numbers
                .into_iter()
                .map(|(number, step, score)| {
                    timestamp_ms += step;
                    row(timestamp_ms, format!("{number}e-{decimals}").parse().unwrap(), score)
                })
                .collect();
            rows.extend(odd.map(|value| row(timestamp_ms + 1, value, None)));
            let buckets = buckets(&rows, MINUTE_MS);
            let back = decode(&encode(&buckets).unwrap()).unwrap();
            // A number and its text are equal only if their bits are.
            prop_assert_eq!(format!("{back:?}"), format!("{buckets:?}"));
        }
    }

    #[test]
    fn minute_of_a_sample_a_second_takes_a_few_bytes() {
        let value = |i: i64| (5_000 + (i * 7_919) % 1_001) as f64 / 100.0;
        let rows: Vec<SampleRow> =
            (0..2_040).map(|i| row(i * 1_000, value(i), Some((i % 40) as f32 / 1_024.0))).collect();
        let buckets = buckets(&rows, MINUTE_MS);
        let bytes = encode(&buckets).unwrap();
        assert!(bytes.len() < buckets.len() * 16, "{} bytes for {} buckets", bytes.len(), buckets.len());
    }

    #[test]
    fn truncated_buckets_are_an_error() {
        let rows: Vec<SampleRow> = (0..300).map(|i| row(i * 1_000, i as f64 / 3.0, None)).collect();
        let bytes = encode(&buckets(&rows, MINUTE_MS)).unwrap();
        assert!((0..bytes.len()).all(|cut| decode(&bytes[..cut]).is_err()));
    }
}
