//! Expectation and band. Each row has one of three kinds: none, a rounded band in small integers,
//! or any numbers.

use super::bytes::Reader;
use super::ints::{self, Coded};
use super::values;
use crate::series_store::rounding::{Band, distance};
use earcon_ports::SampleRow;

const NONE: i64 = 0;
const ROUNDED: i64 = 1;
const ON_FLOOR: i64 = 2;
const ANY: i64 = 3;

/// Expectations are in steps of their own band.
const OWN_STEPS: u8 = 0;
/// Expectations are in the smallest step of the block, so that one difference is like another.
const SMALLEST_STEPS: u8 = 1;
/// Largest distance between the exponents of the bands for that.
const MOST_SHIFT: u32 = 8;
/// Largest expectation in steps for that.
const MOST_STEPS: u64 = 1 << 54;

const DISTANCES: u8 = 0;
const NUMBERS: u8 = 1;

type Pick = fn(&SampleRow) -> f64;
const COLUMNS: [Pick; 3] = [|row| row.expected, |row| row.lower, |row| row.upper];

/// Appends the columns.
pub(super) fn put(out: &mut Vec<u8>, rows: &[SampleRow]) -> Option<()> {
    let (mut bands, mut others) = (Vec::new(), Vec::new());
    let kinds: Vec<i64> = rows
        .iter()
        .map(|row| {
            if COLUMNS.iter().all(|pick| pick(row).is_nan()) {
                return NONE;
            }
            match Band::of(row) {
                Some(band) => {
                    bands.push(band);
                    if band.on_floor { ON_FLOOR } else { ROUNDED }
                }
                None => {
                    others.push(*row);
                    ANY
                }
            }
        })
        .collect();
    ints::put(out, &kinds, Coded::Numbers)?;
    put_bands(out, &bands)?;
    put_others(out, &others)
}

fn put_bands(out: &mut Vec<u8>, bands: &[Band]) -> Option<()> {
    if bands.is_empty() {
        return Some(());
    }
    let halves: Vec<i64> = bands.iter().map(|band| i64::from(band.half)).collect();
    ints::put(out, &halves, Coded::Differences)?;
    let smallest = bands.iter().map(|band| exponent(band.half)).min()?;
    let shift = |band: &Band| exponent(band.half) - smallest;
    let common =
        bands.iter().all(|band| shift(band) <= MOST_SHIFT && band.expected.unsigned_abs() <= MOST_STEPS >> shift(band));
    out.push(if common { SMALLEST_STEPS } else { OWN_STEPS });
    let steps = |band: &Band| if common { band.expected << shift(band) } else { band.expected };
    ints::put(out, &bands.iter().map(steps).collect::<Vec<_>>(), Coded::Differences)
}

fn exponent(half: u32) -> u32 {
    half >> 7
}

/// Distances from the value in 32 bits where they are exact, else the numbers.
fn put_others(out: &mut Vec<u8>, rows: &[SampleRow]) -> Option<()> {
    if rows.is_empty() {
        return Some(());
    }
    for pick in COLUMNS {
        let exact = |row: &SampleRow| {
            let back = row.value + f64::from(distance(row.value, pick(row)));
            back.to_bits() == pick(row).to_bits() || (back.is_nan() && pick(row).is_nan())
        };
        if rows.iter().all(exact) {
            out.push(DISTANCES);
            let bits = |row: &SampleRow| i64::from(distance(row.value, pick(row)).to_bits());
            ints::put(out, &rows.iter().map(bits).collect::<Vec<_>>(), Coded::Numbers)?;
        } else {
            out.push(NUMBERS);
            values::put(out, &rows.iter().map(pick).collect::<Vec<_>>())?;
        }
    }
    Some(())
}

/// Reads the columns into rows that have their values.
pub(super) fn read(from: &mut Reader<'_>, rows: &mut [SampleRow]) -> Option<()> {
    let kinds = ints::read(from, rows.len())?;
    let count = |of: fn(i64) -> bool| kinds.iter().filter(|kind| of(**kind)).count();
    let bands = read_bands(from, count(|kind| kind == ROUNDED || kind == ON_FLOOR))?;
    let mut bands = bands.into_iter();
    for (row, kind) in rows.iter_mut().zip(&kinds).filter(|(_, kind)| matches!(**kind, ROUNDED | ON_FLOOR)) {
        *row = Band { on_floor: *kind == ON_FLOOR, ..bands.next()? }.applied_to(*row);
    }
    let mut others: Vec<&mut SampleRow> =
        rows.iter_mut().zip(&kinds).filter(|(_, kind)| **kind == ANY).map(|(row, _)| row).collect();
    read_others(from, &mut others)?;
    kinds.iter().all(|kind| (NONE..=ANY).contains(kind)).then_some(())
}

fn read_bands(from: &mut Reader<'_>, count: usize) -> Option<Vec<Band>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let halves = ints::read(from, count)?;
    let halves: Option<Vec<u32>> = halves.into_iter().map(|half| u32::try_from(half).ok()).collect();
    let halves = halves?;
    let common = match from.byte()? {
        OWN_STEPS => false,
        SMALLEST_STEPS => true,
        _ => return None,
    };
    let smallest = halves.iter().map(|half| exponent(*half)).min()?;
    let steps = ints::read(from, count)?;
    let band = |(half, steps): (u32, i64)| {
        let shift = if common { exponent(half) - smallest } else { 0 };
        (shift <= MOST_SHIFT).then(|| Band { expected: steps >> shift, half, on_floor: false })
    };
    halves.into_iter().zip(steps).map(band).collect()
}

fn read_others(from: &mut Reader<'_>, rows: &mut [&mut SampleRow]) -> Option<()> {
    if rows.is_empty() {
        return Some(());
    }
    let fields: [fn(&mut SampleRow) -> &mut f64; 3] =
        [|row| &mut row.expected, |row| &mut row.lower, |row| &mut row.upper];
    for field in fields {
        match from.byte()? {
            DISTANCES => {
                let bits = ints::read(from, rows.len())?;
                for (row, bits) in rows.iter_mut().zip(bits) {
                    *field(row) = row.value + f64::from(f32::from_bits(u32::try_from(bits).ok()?));
                }
            }
            NUMBERS => {
                let numbers = values::read(from, rows.len())?;
                for (row, number) in rows.iter_mut().zip(numbers) {
                    *field(row) = number;
                }
            }
            _ => return None,
        }
    }
    Some(())
}
