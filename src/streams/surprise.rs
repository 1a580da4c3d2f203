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

/// The surprise that reaches a score.
pub(super) fn alert_at(open_score: f32) -> f64 {
    // The default needs no logarithm.
    if open_score == 0.5 { 1.0 } else { surprise_of(open_score) }
}

/// The score of a surprise, which reaches `open_score` if, and only if, the value is `outside` of
/// its band.
pub(super) fn score_within(surprise: f64, outside: bool, open_score: f32) -> f32 {
    let score = score_of(surprise);
    if outside { score.max(open_score) } else { score.min(open_score.next_down()) }
}

/// Whether the peak of an episode has clearly grown since its score was `reported`.
pub fn has_clearly_grown(reported: f32, peak: f32) -> bool {
    peak > reported && surprise_of(peak) > surprise_of(reported) + CLEAR_GAIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_outside_of_the_band_reach_the_score_of_an_alert() {
        assert_eq!(alert_at(0.5), 1.0);
        assert!((alert_at(score_of(1.7)) - 1.7).abs() < 1e-6);
        assert_eq!([0.2, 1.7].map(|surprise| score_within(surprise, true, 0.5)), [0.5, score_of(1.7)]);
        assert!(score_within(1.7, false, 0.5) < 0.5 && score_within(0.2, false, 0.5) == score_of(0.2));
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
