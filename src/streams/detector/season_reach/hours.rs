//! Usual disturbances: the largest distance of each hour of the day.
//!
//! A job at two every night raises the edge of that hour, and less so of the quarter hours next to
//! it.

use super::halves::{Half, decode, encode};
use crate::arithmetic::{larger, smaller};
use crate::stored::Stored;

const HOURS: usize = 24;
/// Rates at which an hour follows a more distant day and a less distant one.
const RISE: f32 = 0.3;
const FALL: f32 = 0.12;
/// One distance counts at most this many times the edge in force.
const MOST: f64 = 1.3;
/// 1 / the part of an hour over which a neighbour counts.
const QUARTERS: f64 = 4.0;
/// No hour has begun yet.
const NEVER: u8 = u8::MAX;

/// The usual daily maximum of the present hour's distances, and of its neighbours.
#[derive(Debug, Clone)]
pub(super) struct Hours {
    farthest: f32,
    /// The usual maximum of the hour before, of the present one, and of the next.
    near: [Half; 3],
    hour: u8,
}

/// The usual daily maximum of each hour. A sample touches it if its hour is another one than that
/// of the sample before.
#[derive(Debug, Clone)]
pub(super) struct UsualMaxima([Half; HOURS]);

impl UsualMaxima {
    pub(super) fn new() -> Self {
        Self([0; HOURS])
    }
}

impl Hours {
    pub(super) fn new() -> Self {
        Self { farthest: 0.0, near: [0; 3], hour: NEVER }
    }

    /// The usual maximum in the present hour.
    pub(super) fn usual(&self, share_of_hour: f64) -> f64 {
        let [before, now, after] = self.near.map(|usual| f64::from(decode(usual)));
        // The share of the neighbour falls with the distance from it, so that no edge jumps.
        let (near, share) = if share_of_hour < 0.5 { (before, share_of_hour) } else { (after, 1.0 - share_of_hour) };
        let share = larger(1.0 - QUARTERS * share, 0.0);
        larger(now, now + share * (near - now))
    }

    /// Ends the hour before, if another one has begun.
    pub(super) fn turn_to(&mut self, hour: usize, maxima: &mut UsualMaxima) {
        if hour == usize::from(self.hour) {
            return;
        }
        if let Some(usual) = maxima.0.get_mut(usize::from(self.hour)) {
            let known = decode(*usual);
            let rate = if self.farthest > known { RISE } else { FALL };
            *usual = encode(known + rate * (self.farthest - known));
        }
        (self.hour, self.farthest) = (hour as u8, 0.0);
        self.look_around(maxima);
    }

    fn look_around(&mut self, maxima: &UsualMaxima) {
        let hour = usize::from(self.hour);
        self.near = [hour + HOURS - 1, hour, hour + 1].map(|hour| maxima.0[hour % HOURS]);
    }

    /// Learns a distance, given the edge in force.
    pub(super) fn learn(&mut self, distance: f64, edge: f64) {
        self.farthest = self.farthest.max(smaller(distance, MOST * edge) as f32);
    }

    pub(super) fn put(&self, maxima: &UsualMaxima, out: &mut Vec<u8>) {
        self.farthest.put(out);
        maxima.0.put(out);
        self.hour.put(out);
    }

    pub(super) fn read(from: &mut &[u8]) -> Option<(Self, UsualMaxima)> {
        let farthest = Stored::read(from)?;
        let maxima = UsualMaxima(Stored::read(from)?);
        let mut hours = Self { farthest, near: [0; 3], hour: Stored::read(from)? };
        hours.look_around(&maxima);
        Some((hours, maxima))
    }
}
