//! A column of values, exact to the bit (except for the bits of a NaN).
//!
//! Most measured values have few decimals. They are stored as integers with a common number of
//! decimals, as in ALP (Afroozeh, Kuffó and Boncz, 2023). Others are stored as they are, or with
//! pco if there are many.

use pco::standalone::simple_compress;
use pco::{ChunkConfig, DeltaSpec};

use super::bytes::{Reader, put_varint};
use super::ints::{self, Coded, PACKED};

const DECIMAL: u8 = 0;
const PLAIN: u8 = 1;
const PCO: u8 = 2;

const POWERS: [f64; 10] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// Integers up to here are exact in 64-bit floats, with room for one more decimal.
const LARGEST: f64 = (1u64 << 49) as f64;

/// Appends a column.
pub(super) fn put(out: &mut Vec<u8>, values: &[f64]) -> Option<()> {
    if let Some((decimals, scaled)) = scaled(values) {
        out.push(DECIMAL);
        out.push(decimals);
        ints::put(out, &scaled, Coded::Smaller)
    } else if values.len() < PACKED {
        out.push(PLAIN);
        values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        Some(())
    } else {
        let config = ChunkConfig::default().with_compression_level(4).with_delta_spec(DeltaSpec::NoOp);
        let packed = simple_compress(values, &config).ok()?;
        out.push(PCO);
        put_varint(out, packed.len() as u64);
        out.extend_from_slice(&packed);
        Some(())
    }
}

/// Reads `count` values.
pub(super) fn read(from: &mut Reader<'_>, count: usize) -> Option<Vec<f64>> {
    match from.byte()? {
        DECIMAL => {
            let decimals = from.byte()?;
            POWERS.get(usize::from(decimals))?;
            let numbers = ints::read(from, count)?;
            Some(numbers.into_iter().map(|number| unscale(number, decimals)).collect())
        }
        PLAIN => {
            let bytes = from.take(count.checked_mul(8)?)?;
            Some(bytes.chunks_exact(8).filter_map(|bytes| Some(f64::from_le_bytes(bytes.try_into().ok()?))).collect())
        }
        PCO => ints::read_packed(from, count),
        _ => None,
    }
}

/// Values as integers with a number of decimals; `None` if that would lose something.
pub(super) fn scaled(values: &[f64]) -> Option<(u8, Vec<i64>)> {
    let mut decimals = 0;
    for &value in values {
        while scale(value, decimals).is_none() {
            decimals += 1;
            if usize::from(decimals) == POWERS.len() || value.abs() >= LARGEST {
                return None;
            }
        }
    }
    let scaled: Option<Vec<i64>> = values.iter().map(|value| scale(*value, decimals)).collect();
    Some((decimals, scaled?))
}

/// The value as an integer with `decimals`, if that is exact.
pub(super) fn scale(value: f64, decimals: u8) -> Option<i64> {
    let number = (value * POWERS[usize::from(decimals)]).round();
    // Out of range, or NaN.
    if number.is_nan() || number.abs() > LARGEST {
        return None;
    }
    (unscale(number as i64, decimals).to_bits() == value.to_bits()).then_some(number as i64)
}

/// The value of an integer with `decimals`, of which there are at most nine.
pub(super) fn unscale(number: i64, decimals: u8) -> f64 {
    number as f64 / POWERS[usize::from(decimals).min(POWERS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trips(values: &[f64]) {
        let mut out = Vec::new();
        put(&mut out, values).unwrap();
        let mut reader = Reader(&out);
        let back = read(&mut reader, values.len()).unwrap();
        assert!(reader.0.is_empty());
        assert!(values.iter().map(|value| value.to_bits()).eq(back.iter().map(|value| value.to_bits())), "{values:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn values_round_trip_to_the_bit(
            decimals in 0..12i32,
            numbers in prop::collection::vec(-1_000_000_000..1_000_000_000i64, 1..600),
            odd in prop::collection::vec(prop::num::f64::ANY, 0..3),
        ) {
            // A parser makes the nearest float of a decimal text.
            let mut values: Vec<f64> =
                numbers.iter().map(|number| format!("{number}e-{decimals}").parse().unwrap()).collect();
            round_trips(&values);
            values.extend(odd.into_iter().filter(|value| !value.is_nan()));
            round_trips(&values);
        }
    }

    #[test]
    fn zeros_of_both_signs_and_extremes_round_trip() {
        round_trips(&[0.0, -0.0, 1.5]);
        round_trips(&[f64::MAX, f64::MIN_POSITIVE, 5e-324, f64::INFINITY]);
        round_trips(&[9_007_199_254_740_993.0, 0.1]);
        assert_eq!(scaled(&[12.5, 3.0, 0.25]), Some((2, vec![1_250, 300, 25])));
        assert_eq!(scaled(&[1.0 / 3.0]), None);
    }
}
