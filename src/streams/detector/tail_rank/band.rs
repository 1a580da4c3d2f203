//! The second path: what is not new, but still wrong.
//!
//! A rank in the tail is about novelty: the tenth spike of a kind is no news. Here a value is held against a band of what the
//! series allows itself. It is measured as it stands out of its hour (the smaller distance of those to the hour of the day
//! and of the week) and out of its last dozen values, so that a new level is told once, by the other path, and not for days. The
//! band is learned twice: how far one value in two hundred goes at any time, and how far the values of each hour of the day go;
//! what happens every night at two belongs to the series, what happens once in a while does not.

use super::quantize::{Code, decode, encode};
use crate::stored::stored_fields;

const HOURS: usize = 24;
/// Values that the deviation is a mean of, and how many it takes to begin.
const MEMORY: u32 = 4_000;
const NEEDED: u32 = 30;
/// From mean absolute deviation to standard deviation, for a normal distribution.
const MEAN_TO_SIGMA: f32 = 1.2533;
/// What one value may be, in usual ones, for the deviation to learn from it.
const OUTLIER: f32 = 8.0;
/// The reach that one value in two hundred exceeds: raised by a tenth when one does, lowered so that the two balance.
const RAISE: f32 = 1.1;
const LOWER: f32 = 1.0 - 0.1 / 200.0;
/// The reach, in standard deviations, to begin with, and the least: that of normal noise.
const FIRST_REACH: f32 = 8.0;
const LEAST_REACH: f32 = 2.8;
/// The band ends at so many reaches, …
const REACHES: f32 = 4.5;
/// … and not before so many times what the hour of the day is known for.
const HOUR_REACHES: f32 = 1.5;
/// How quickly that follows a day that went farther, and one that did not go as far.
const HOUR_RISE: f32 = 0.5;
const HOUR_FALL: f32 = 0.1;
/// No distance is larger.
const MOST: f32 = 1e6;
/// No hour is open yet.
const NEVER: u8 = u8::MAX;

/// What a series allows itself.
#[derive(Debug, Clone)]
pub(super) struct Band {
    /// Mean absolute distance.
    deviation: f32,
    /// What one distance in two hundred exceeds, in standard deviations.
    reach: f32,
    /// How far each hour of the day goes, in standard deviations.
    hours: [Code; HOURS],
    /// The hour of the day under way, or [`NEVER`], and how far it went so far.
    hour: u8,
    farthest: f32,
}

stored_fields!(Band { deviation, reach, hours, hour, farthest });

impl Band {
    pub(super) fn new() -> Self {
        Self { deviation: 0.0, reach: FIRST_REACH, hours: [0; HOURS], hour: NEVER, farthest: 0.0 }
    }

    /// How far a distance goes in bands, from 0; 1 is the edge. Learns from it. `hour` is that of the day, `seen` how many
    /// distances came before.
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

    /// Replaces the deviation after the unit has changed.
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

    /// Feeds one distance a minute, from midnight on; returns how far each went.
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
    fn the_tenth_spike_is_as_far_out_as_the_first() {
        let spike = |i: usize| i % 701 == 700;
        let out = fed((0..30_000).map(|i| if spike(i) { 30.0 } else { jitter(i) }));
        let spikes: Vec<f32> = (0..30_000).filter(|&i| spike(i) && i > 4_000).map(|i| out[i]).collect();
        assert!(spikes.len() > 30 && spikes.iter().all(|far| *far >= 1.0), "{spikes:?}");
        assert!((0..30_000).all(|i| spike(i) || out[i] < 1.0));
    }

    #[test]
    fn what_comes_at_the_same_hour_every_day_is_accepted_within_days_and_missed_nowhere_else() {
        let nightly = |i: usize| i % 1_440 == 130;
        let once = 1_440 * 19 + 700;
        let out = fed((0..1_440 * 20).map(|i| if nightly(i) || i == once { 30.0 } else { jitter(i) }));
        let nights: Vec<f32> = (0..20).map(|day| out[day * 1_440 + 130]).collect();
        assert!(nights[5..].iter().all(|far| *far < 1.0), "{nights:?}");
        assert!(out[once] >= 1.0, "{}", out[once]);
    }

    #[test]
    fn a_series_that_often_goes_far_has_a_wide_band() {
        let out = fed((0..20_000).map(|i| if i % 50 == 0 { 30.0 } else { jitter(i) }));
        assert!(out[5_000..].iter().all(|far| *far < 1.0));
    }
}
