//! The pace of series faster than a sample a minute.
//!
//! A detector that counts samples would follow a fault of minutes if there are ten or sixty samples
//! a minute. So everything that learns counts minutes there: a sample has a share of one.

use crate::arithmetic::{exp2_neg, larger, log2, smaller};

const MINUTE_MS: f64 = 60_000.0;
/// Samples from which the pace slows down. The first ones count in full, so that a new series is
/// known after minutes and not after hours.
const FULL: f64 = 300.0;
/// What the rare quantile of [`reach`](super::reach) exceeds, and what its edge exceeds, as the
/// logarithms (of base 2) of one in 200 and one in a million.
const QUANTILE: f64 = 7.643_856_189_774_724;
const EDGE: f64 = 19.931_568_569_324_174;
/// Exponent of a Weibull tail in the usual extrapolation.
const TAIL: f64 = 0.825;

/// The share of a minute that a sample stands for, at most 1, after `seen` samples.
pub(super) fn pace(interval_ms: f64, seen: f64) -> f64 {
    larger(smaller(interval_ms / MINUTE_MS, 1.0), smaller(FULL / (seen + 1.0), 1.0))
}

/// The interval that counts for a mean of `size` samples: at least a minute.
pub(super) fn counted_interval(interval_ms: f64, size: f64) -> f64 {
    larger(interval_ms * size, MINUTE_MS)
}

/// Factor on the edge of single samples, at most 1. One excursion in 200 minutes is rarer than one
/// in 200 samples, so less is left to extrapolate.
pub(super) fn shorter_tail(pace: f64) -> f64 {
    if pace >= 1.0 {
        return 1.0;
    }
    let faster = -log2(pace);
    let ratio = (EDGE + faster) / (QUANTILE + faster) / (EDGE / QUANTILE);
    exp2_neg(-TAIL * log2(ratio))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_the_fullest_pace_and_first_samples_count_in_full() {
        for interval in [60_000.0, 300_000.0, 3_600_000.0] {
            assert_eq!(pace(interval, 1e6), 1.0);
        }
        assert_eq!(pace(1_000.0, 0.0), 1.0);
        assert_eq!(pace(1_000.0, 299.0), 1.0);
        assert_eq!(pace(10_000.0, 1e6), 1.0 / 6.0);
        assert!((pace(1_000.0, 2_999.0) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn the_tail_is_shorter_the_rarer_the_quantile_is() {
        assert_eq!(shorter_tail(1.0), 1.0);
        let by_definition = |faster: f64| {
            let (edge, quantile) = ((1e6 * faster).ln() / 1e6_f64.ln(), (200.0 * faster).ln() / 200_f64.ln());
            (edge / quantile).powf(TAIL)
        };
        for faster in [2.0, 6.0, 60.0, 600.0] {
            assert!((shorter_tail(1.0 / faster) - by_definition(faster)).abs() < 1e-6, "{faster}");
        }
        assert!((0.75..0.8).contains(&shorter_tail(1.0 / 60.0)));
    }
}
