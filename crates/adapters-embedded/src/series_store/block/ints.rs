//! A column of integers. The reader knows how many there are.
//!
//! `kind u8`, then: a first number and a step, if all have the same distance; variable-length
//! differences, for short columns; or the smallest number and pco of the rest. pco codes the
//! frequent ones of many small numbers in few bits, and the frequent ones differ by column.

use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress_into};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

use super::bytes::{Reader, put_varint, varint_len, zigzag};

/// Below this many numbers, pco's headers and tables cost more than they save.
pub(super) const PACKED: usize = 256;
/// From this many numbers on, finer tables are worth their bytes.
const LARGE: usize = 1_024;

const LINEAR: u8 = 0;
const FROM_BASE: u8 = 1;
const FROM_PREVIOUS: u8 = 2;
const PCO_16: u8 = 3;
const PCO_32: u8 = 4;
const PCO_64: u8 = 5;

/// What pco codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coded {
    /// The numbers themselves.
    Numbers,
    /// The difference of each number from the one before.
    Differences,
    /// Whichever is smaller.
    Smaller,
}

/// Appends a column.
pub(super) fn put(out: &mut Vec<u8>, numbers: &[i64], coded: Coded) -> Option<()> {
    let Some((&first, rest)) = numbers.split_first() else { return Some(()) };
    let step = rest.first().map_or(0, |second| second.wrapping_sub(first));
    if numbers.windows(2).all(|two| two[1].wrapping_sub(two[0]) == step) {
        out.push(LINEAR);
        put_varint(out, zigzag(first));
        put_varint(out, zigzag(step));
    } else if numbers.len() < PACKED {
        put_short(out, numbers);
    } else {
        put_packed(out, numbers, coded)?;
    }
    Some(())
}

/// The smaller of two forms.
fn put_short(out: &mut Vec<u8>, numbers: &[i64]) {
    let base = numbers.iter().copied().min().unwrap_or(0);
    let differences = || {
        let before = std::iter::once(0).chain(numbers.iter().copied());
        numbers.iter().zip(before).map(|(number, before)| zigzag(number.wrapping_sub(before)))
    };
    let above = || numbers.iter().map(|number| number.wrapping_sub(base) as u64);
    let from_base: usize = varint_len(zigzag(base)) + above().map(varint_len).sum::<usize>();
    if from_base <= differences().map(varint_len).sum() {
        out.push(FROM_BASE);
        put_varint(out, zigzag(base));
        above().for_each(|number| put_varint(out, number));
    } else {
        out.push(FROM_PREVIOUS);
        differences().for_each(|number| put_varint(out, number));
    }
}

fn put_packed(out: &mut Vec<u8>, numbers: &[i64], coded: Coded) -> Option<()> {
    let (least, most) = (numbers.iter().copied().min()?, numbers.iter().copied().max()?);
    let above = |number: &i64| number.wrapping_sub(least) as u64;
    // Narrow numbers have smaller tables.
    let (kind, packed) = match above(&most) {
        0..=0xffff => (PCO_16, pack(&numbers.iter().map(|number| above(number) as u16).collect::<Vec<_>>(), coded)?),
        0x1_0000..=0xffff_ffff => {
            (PCO_32, pack(&numbers.iter().map(|number| above(number) as u32).collect::<Vec<_>>(), coded)?)
        }
        _ => (PCO_64, pack(&numbers.iter().map(above).collect::<Vec<_>>(), coded)?),
    };
    out.push(kind);
    put_varint(out, zigzag(least));
    put_varint(out, packed.len() as u64);
    out.extend_from_slice(&packed);
    Some(())
}

fn pack<T: Number>(numbers: &[T], coded: Coded) -> Option<Vec<u8>> {
    let level = if numbers.len() < LARGE { 2 } else { 4 };
    let with = |delta| {
        // Both are given, because finding out costs more than compressing.
        let config = ChunkConfig::default().with_compression_level(level).with_mode_spec(ModeSpec::Classic);
        simple_compress(numbers, &config.with_delta_spec(delta)).ok()
    };
    match coded {
        Coded::Numbers => with(DeltaSpec::NoOp),
        Coded::Differences => with(DeltaSpec::TryConsecutive(1)),
        Coded::Smaller => {
            let (one, other) = (with(DeltaSpec::NoOp)?, with(DeltaSpec::TryConsecutive(1))?);
            Some(if one.len() <= other.len() { one } else { other })
        }
    }
}

/// Reads `count` numbers.
pub(super) fn read(from: &mut Reader<'_>, count: usize) -> Option<Vec<i64>> {
    if count == 0 {
        return Some(Vec::new());
    }
    match from.byte()? {
        LINEAR => {
            let (first, step) = (from.signed()?, from.signed()?);
            Some((0..count as i64).map(|i| first.wrapping_add(step.wrapping_mul(i))).collect())
        }
        FROM_BASE => {
            let base = from.signed()?;
            (0..count).map(|_| Some(base.wrapping_add(from.varint()? as i64))).collect()
        }
        FROM_PREVIOUS => {
            let mut number = 0i64;
            (0..count)
                .map(|_| {
                    number = number.wrapping_add(from.signed()?);
                    Some(number)
                })
                .collect()
        }
        PCO_16 => unpacked::<u16>(from, count),
        PCO_32 => unpacked::<u32>(from, count),
        PCO_64 => unpacked::<u64>(from, count),
        _ => None,
    }
}

fn unpacked<T: Number + Default + Into<u64>>(from: &mut Reader<'_>, count: usize) -> Option<Vec<i64>> {
    let least = from.signed()?;
    let numbers: Vec<T> = read_packed(from, count)?;
    Some(numbers.into_iter().map(|number| least.wrapping_add(number.into() as i64)).collect())
}

/// Reads a length and `count` numbers that pco coded.
pub(super) fn read_packed<T: Number + Default>(from: &mut Reader<'_>, count: usize) -> Option<Vec<T>> {
    let length = usize::try_from(from.varint()?).ok()?;
    let packed = from.take(length)?;
    // A damaged length inside cannot ask for memory.
    let mut numbers = vec![T::default(); count];
    let progress = simple_decompress_into(packed, &mut numbers).ok()?;
    (progress.finished && progress.n_processed == count).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trips(numbers: &[i64]) {
        for coded in [Coded::Numbers, Coded::Differences, Coded::Smaller] {
            let mut out = Vec::new();
            put(&mut out, numbers, coded).unwrap();
            let mut reader = Reader(&out);
            assert_eq!(read(&mut reader, numbers.len()).as_deref(), Some(numbers));
            assert!(reader.0.is_empty());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_numbers_round_trip(
            numbers in prop_oneof![
                prop::collection::vec(any::<i64>(), 0..600),
                prop::collection::vec(-100..100i64, 0..600),
                prop::collection::vec(prop_oneof![20 => 0..9i64, 1 => any::<i64>()], 200..600),
            ]
        ) {
            round_trips(&numbers);
        }
    }

    #[test]
    fn regular_numbers_take_a_few_bytes_whatever_their_count() {
        let regular: Vec<i64> = (0..5_000).map(|i| 1_767_225_600_000 + i * 10_000).collect();
        let mut out = Vec::new();
        put(&mut out, &regular, Coded::Differences).unwrap();
        assert!(out.len() < 16);
        round_trips(&regular);
        round_trips(&[i64::MIN, i64::MAX, i64::MIN]);
        round_trips(&[7]);
        round_trips(&[]);
    }
}
