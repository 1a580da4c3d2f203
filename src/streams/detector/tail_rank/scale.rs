//! The distance of stream values from their means, on a learned scale for each stream.
//!
//! A rank in the tail ignores the size of a value: of any ten thousand harmless values one is the
//! largest. So a surprise counts in full only if some stream is also distant from its mean, in
//! standard deviations that are robust against a few outliers. If a series has become more volatile
//! recently, that volatility is the unit for its values.

use super::tails::STREAMS;
use crate::stored::stored_fields;

/// Values in the means of value and deviation.
const MEMORY: u32 = 4_000;
/// Values needed before a distance counts.
const NEEDED: u32 = 50;
/// From mean absolute deviation to standard deviation, for a normal distribution.
const MEAN_TO_SIGMA: f32 = 1.2533;
/// Limit of one value in mean and deviation, in units of the deviation.
const OUTLIER: f32 = 8.0;
/// Rate of the recent volatility, and the limit of one value in it, in units of the deviation.
const RECENT_RATE: f32 = 1.0 / 24.0;
const RECENT_OUTLIER: f32 = 6.0;
/// The streams that are measured by the recent volatility, and the stream it is derived from.
const VALUES: [usize; 3] = [0, 1, 2];
const RESTLESS: usize = 2;
/// Limit of distances: a constant stream has no scale.
const MOST: f32 = 1e6;

/// Mean and mean absolute deviation of each stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scales {
    means: [f32; STREAMS],
    deviations: [f32; STREAMS],
    /// Mean absolute robust distance of about the last 24 values.
    recent: f32,
}

stored_fields!(Scales { means, deviations, recent });

impl Scales {
    pub(super) fn new() -> Self {
        Self { means: [0.0; STREAMS], deviations: [0.0; STREAMS], recent: 0.0 }
    }

    /// The largest distance of a stream from its mean, in its standard deviations. `seen` is the
    /// number of values that each stream has learned before.
    pub(super) fn farthest(&self, values: &[f32; STREAMS], seen: &[u32; STREAMS]) -> f32 {
        let usual = self.deviations[RESTLESS];
        let restless = if usual > 0.0 && self.recent > usual { (self.recent / usual).sqrt() } else { 1.0 };
        let mut farthest = 0.0;
        for stream in 0..STREAMS {
            if seen[stream] <= NEEDED {
                continue;
            }
            let sigma = MEAN_TO_SIGMA * self.deviations[stream] + 1e-12;
            let distance = (values[stream] - self.means[stream]).abs() / sigma;
            let distance = if VALUES.contains(&stream) { distance / restless } else { distance };
            farthest = if distance > farthest { distance } else { farthest };
        }
        if farthest < MOST { farthest } else { MOST }
    }

    /// Learns from the values.
    pub(super) fn learn(&mut self, values: &[f32; STREAMS], seen: &[u32; STREAMS]) {
        let distance = (values[RESTLESS] - self.means[RESTLESS]).abs();
        let most = RECENT_OUTLIER * self.deviations[RESTLESS];
        let rate = RECENT_RATE.max(1.0 / (seen[RESTLESS] as f32 + 1.0));
        self.recent += rate * (distance.min(most) - self.recent);
        for stream in 0..STREAMS {
            let rate = 1.0 / (seen[stream].min(MEMORY - 1) + 1) as f32;
            let deviation = self.deviations[stream];
            let distance = values[stream] - self.means[stream];
            let free = seen[stream] <= NEEDED || deviation == 0.0;
            let cap = if free { f32::MAX } else { OUTLIER * deviation };
            self.means[stream] += rate * distance.clamp(-cap, cap);
            // The first value has no mean to be distant from.
            let away = if seen[stream] == 0 { 0.0 } else { distance.abs().min(cap) };
            self.deviations[stream] += rate * (away - deviation);
        }
    }

    /// Forgets a stream whose values have another meaning from here on.
    pub(super) fn forget(&mut self, stream: usize) {
        (self.means[stream], self.deviations[stream]) = (0.0, 0.0);
    }

    /// Replaces mean and deviation of a stream after a change of the scaling.
    pub(super) fn change(&mut self, stream: usize, value: impl Fn(f32) -> f32, size: impl Fn(f32) -> f32) {
        self.means[stream] = value(self.means[stream]);
        self.deviations[stream] = size(self.deviations[stream]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scales of streams that alternated between -1 and 1.
    fn learned(turns: u32) -> (Scales, [u32; STREAMS]) {
        let mut scales = Scales::new();
        for i in 0..turns {
            scales.learn(&[if i % 2 == 0 { 1.0 } else { -1.0 }; STREAMS], &[i; STREAMS]);
        }
        (scales, [turns; STREAMS])
    }

    fn with(stream: usize, value: f32) -> [f32; STREAMS] {
        let mut values = [0.0; STREAMS];
        values[stream] = value;
        values
    }

    #[test]
    fn distances_are_in_standard_deviations_of_the_stream() {
        let (scales, seen) = learned(1_000);
        let far = scales.farthest(&with(3, 12.533), &seen);
        assert!((far - 10.0).abs() < 0.1, "{far}");
        assert_eq!(scales.farthest(&with(3, 12.533), &[NEEDED; STREAMS]), 0.0, "too early");
    }

    #[test]
    fn one_outlier_hardly_moves_the_scale() {
        let (mut scales, mut seen) = learned(1_000);
        let before = scales.farthest(&with(3, 20.0), &seen);
        scales.learn(&with(3, 1e9), &seen);
        seen = seen.map(|seen| seen + 1);
        let after = scales.farthest(&with(3, 20.0), &seen);
        assert!((after / before - 1.0).abs() < 0.02, "{before} {after}");
    }

    #[test]
    fn volatility_reduces_the_distance() {
        let (mut scales, seen) = learned(1_000);
        let calm = scales.farthest(&with(0, 9.0), &seen);
        (0..24).for_each(|_| scales.learn(&with(RESTLESS, 5.0), &seen));
        let restless = scales.farthest(&with(0, 9.0), &seen);
        assert!(restless < 0.8 * calm, "{calm} {restless}");
    }

    #[test]
    fn leaving_a_constant_stream_is_a_very_large_distance() {
        let mut scales = Scales::new();
        (0..100).for_each(|i| scales.learn(&[7.0; STREAMS], &[i; STREAMS]));
        // A running mean of equal values ends at the value.
        let far = scales.farthest(&[8.0; STREAMS], &[100; STREAMS]);
        assert!(far > 1_000.0, "{far}");
    }
}
