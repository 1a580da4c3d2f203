//! The second path: finds values that are not new but out of the usual range of the series.
//!
//! The tail rank finds new values only; the tenth spike of a kind has no surprise. This path
//! compares a value with a band. The distance is measured from the usual value of its hour (the
//! nearer of hour of the day and hour of the week) and from the last dozen values. So a new level
//! alerts once, by the other path, and not for days.
//!
//! The band has two parts: the distance that one value in two hundred exceeds at any time, and the
//! usual distance in each hour of the day. An event at two every night is accepted; an occasional
//! one is not.

use super::quantize::{Code, decode, encode};
use crate::stored::stored_fields;

const HOURS: usize = 24;
/// Values in the mean deviation, and the values needed to begin.
const MEMORY: u32 = 4_000;
const NEEDED: u32 = 30;
/// From mean absolute deviation to standard deviation, for a normal distribution.
const MEAN_TO_SIGMA: f32 = 1.2533;
/// Limit of one value in the deviation, in units of the deviation.
const OUTLIER: f32 = 8.0;
/// The reach that one value in two hundred exceeds: raised by a tenth if one does, lowered
/// otherwise so that the two balance.
const RAISE: f32 = 1.1;
const LOWER: f32 = 1.0 - 0.1 / 200.0;
/// The initial reach and the minimum, in standard deviations. The minimum is that of normal noise.
const FIRST_REACH: f32 = 8.0;
const LEAST_REACH: f32 = 2.8;
/// The edge of the band, in reaches.
const REACHES: f32 = 4.5;
/// The minimum edge, in usual distances of the hour of the day.
const HOUR_REACHES: f32 = 1.5;
/// Rates at which the hour's distance follows a more distant day and a less distant one.
const HOUR_RISE: f32 = 0.5;
const HOUR_FALL: f32 = 0.1;
/// Limit of distances.
const MOST: f32 = 1e6;
/// No hour has started yet.
const NEVER: u8 = u8::MAX;

/// The band of a series.
#[derive(Debug, Clone)]
pub(super) struct Band {
    /// Mean absolute distance.
    deviation: f32,
    /// The distance that one value in two hundred exceeds, in standard deviations.
    reach: f32,
    /// Usual distance in each hour of the day, in standard deviations.
    hours: [Code; HOURS],
    /// The current hour of the day, or [`NEVER`], and its largest distance so far.
    hour: u8,
    farthest: f32,
}

stored_fields!(Band { deviation, reach, hours, hour, farthest });

impl Band {
    pub(super) fn new() -> Self {
        Self { deviation: 0.0, reach: FIRST_REACH, hours: [0; HOURS], hour: NEVER, farthest: 0.0 }
    }

    /// A distance in units of the band, from 0; 1 is the edge. Learns from it. `hour` is the hour
    /// of the day, `seen` the number of earlier distances.
    pub(super) fn push(&mut self, hour: u8, distance: f32, seen: u32) -> f32 {
        let distance = distance.abs();
        let known = seen >= NEEDED && self.deviation > 0.0;
        let sigmas = if known { (distance / (MEAN_TO_SIGMA * self.deviation)).min(MOST) } else { 0.0 };
        self.turn_to(hour);
        let edge = (REACHES * self.reach).max(HOUR_REACHES * decode(self.hours[usize::from(hour) % HOURS]));
        let out = sigmas / edge;

        let cap = if known { OUTLIER * self.deviation } else { f32::MAX };
        self.deviation += (distance.min(cap) - self.deviation) / (seen.min(MEMORY - 1) + 1) as f32;
        if known {
            let reach = self.reach * if sigmas > self.reach { RAISE } else { LOWER };
            self.reach = reach.max(LEAST_REACH);
            self.farthest = self.farthest.max(sigmas);
        }
        out
    }

    /// Replaces the deviation after a change of the scaling.
    pub(super) fn change(&mut self, size: impl Fn(f32) -> f32) {
        self.deviation = size(self.deviation);
    }

    fn turn_to(&mut self, hour: u8) {
        if hour == self.hour {
            return;
        }
        if self.hour != NEVER {
            let code = &mut self.hours[usize::from(self.hour) % HOURS];
            let known = decode(*code);
            let rate = if self.farthest > known { HOUR_RISE } else { HOUR_FALL };
            *code = encode(known + rate * (self.farthest - known));
        }
        (self.hour, self.farthest) = (hour, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds one distance a minute from midnight on; returns the result for each.
    fn fed(distances: impl IntoIterator<Item = f32>) -> Vec<f32> {
        let mut band = Band::new();
        let hour = |i: usize| (i / 60 % HOURS) as u8;
        distances.into_iter().enumerate().map(|(i, distance)| band.push(hour(i), distance, i as u32)).collect()
    }

    /// Deterministic noise in -1..1.
    fn jitter(i: usize) -> f32 {
        (i as u32).wrapping_mul(2_654_435_761) as f32 / (1u32 << 31) as f32 - 1.0
    }

    #[test]
    fn tenth_spike_is_as_far_out_of_band_as_the_first() {
        let spike = |i: usize| i % 701 == 700;
        let out = fed((0..30_000).map(|i| if spike(i) { 30.0 } else { jitter(i) }));
        let spikes: Vec<f32> = (0..30_000).filter(|&i| spike(i) && i > 4_000).map(|i| out[i]).collect();
        assert!(spikes.len() > 30 && spikes.iter().all(|far| *far >= 1.0), "{spikes:?}");
        assert!((0..30_000).all(|i| spike(i) || out[i] < 1.0));
    }

    #[test]
    fn daily_spike_is_accepted_at_its_hour_only() {
        let nightly = |i: usize| i % 1_440 == 130;
        let once = 1_440 * 19 + 700;
        let out = fed((0..1_440 * 20).map(|i| if nightly(i) || i == once { 30.0 } else { jitter(i) }));
        let nights: Vec<f32> = (0..20).map(|day| out[day * 1_440 + 130]).collect();
        assert!(nights[5..].iter().all(|far| *far < 1.0), "{nights:?}");
        assert!(out[once] >= 1.0, "{}", out[once]);
    }

    #[test]
    fn frequent_large_values_widen_the_band() {
        let out = fed((0..20_000).map(|i| if i % 50 == 0 { 30.0 } else { jitter(i) }));
        assert!(out[5_000..].iter().all(|far| *far < 1.0));
    }
}
