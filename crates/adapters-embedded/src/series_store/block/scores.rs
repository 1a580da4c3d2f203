//! A column of scores. Most are small multiples of a step; the exact ones follow.

use super::bytes::Reader;
use super::ints::{self, Coded};
use crate::series_store::rounding::{NOTABLE, SCORE_STEPS};

const NONE: i64 = 0;
const EXACT: i64 = 1;
/// The code of a score of 0.
const ZERO: i64 = 2;

/// Appends a column. A NaN is no score.
pub(super) fn put(out: &mut Vec<u8>, scores: impl Iterator<Item = Option<f32>>) -> Option<()> {
    let mut exact = Vec::new();
    let codes: Vec<i64> = scores
        .map(|score| match score {
            None => NONE,
            Some(score) if score.is_nan() => NONE,
            Some(score) => code(score).unwrap_or_else(|| {
                exact.push(i64::from(score.to_bits()));
                EXACT
            }),
        })
        .collect();
    ints::put(out, &codes, Coded::Numbers)?;
    ints::put(out, &exact, Coded::Numbers)
}

fn code(score: f32) -> Option<i64> {
    let steps = (score * SCORE_STEPS).round();
    let range = 0.0..=NOTABLE * SCORE_STEPS;
    (range.contains(&steps) && (steps / SCORE_STEPS).to_bits() == score.to_bits()).then_some(steps as i64 + ZERO)
}

/// Reads `count` scores.
pub(super) fn read(from: &mut Reader<'_>, count: usize) -> Option<Vec<Option<f32>>> {
    let codes = ints::read(from, count)?;
    let exact = ints::read(from, codes.iter().filter(|code| **code == EXACT).count())?;
    let mut exact = exact.into_iter();
    codes
        .into_iter()
        .map(|code| match code {
            NONE => Some(None),
            EXACT => Some(Some(f32::from_bits(u32::try_from(exact.next()?).ok()?))),
            steps => Some(Some((steps - ZERO) as f32 / SCORE_STEPS)),
        })
        .collect()
}
