//! Converts scores to comparable units: a score of 0.5 is a surprise of 1.

use super::arithmetic::{exp2_neg, log2};

/// Minimum growth of an open episode's peak since its last report, in units of surprise. 1 opens an
/// episode.
const CLEAR_GAIN: f64 = 2.0 / 2.2;

/// The score of a surprise that is not negative.
pub(super) fn score_of(surprise: f64) -> f32 {
    // Most samples have no surprise at all.
    if surprise == 0.0 { 0.0 } else { (1.0 - exp2_neg(surprise * surprise)) as f32 }
}

/// The surprise of a score. A score of 1 covers many surprises; it counts as 5.
fn surprise_of(score: f32) -> f64 {
    let left = (1.0 - f64::from(score)).max(1.0 / 33_554_432.0);
    (-log2(left)).max(0.0).sqrt()
}

/// The score under `factor` times the sensitivity.
pub(super) fn rescored(score: f32, factor: f64) -> f32 {
    if factor == 1.0 || score == 0.0 { score } else { score_of(surprise_of(score) * factor) }
}

/// Whether the peak of an episode has clearly grown since its score was `reported`.
pub fn has_clearly_grown(reported: f32, peak: f32) -> bool {
    peak > reported && surprise_of(peak) > surprise_of(reported) + CLEAR_GAIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_sensitivity_needs_twice_the_surprise() {
        assert_eq!(rescored(0.3, 1.0), 0.3);
        assert!((rescored(0.5, 0.5) - score_of(0.5)).abs() < 1e-6 && (rescored(score_of(2.0), 0.5) - 0.5).abs() < 1e-6);
        assert!(rescored(1.0, 0.5) > 0.98, "the highest score stays an alert");
    }

    #[test]
    fn growth_is_measured_in_surprise_and_not_in_score() {
        assert!((surprise_of(0.5) - 1.0).abs() < 1e-6 && surprise_of(0.0) == 0.0);
        assert!((surprise_of(1.0) - 5.0).abs() < 1e-6);
        assert!((surprise_of(score_of(2.2)) - 2.2).abs() < 1e-4 && score_of(0.0) == 0.0 && score_of(40.0) == 1.0);
        assert!(has_clearly_grown(0.5, 0.93) && !has_clearly_grown(0.5, 0.9));
        assert!(has_clearly_grown(0.99, 0.99999), "a score near 1 has room for growth");
        assert!(!has_clearly_grown(0.9, 0.9));
    }
}
