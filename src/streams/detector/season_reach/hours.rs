//! Usual disturbances: the largest distance of each hour of the day.
//!
//! A job at two every night raises the edge of that hour, and of the quarter hours next to it.

use super::halves::{Half, decode, encode};
use crate::stored::stored_fields;

const HOURS: usize = 24;
/// Rates at which an hour follows a more distant day and a less distant one.
const RISE: f32 = 0.3;
const FALL: f32 = 0.12;
/// One distance counts at most this many times the edge in force.
const MOST: f64 = 1.3;
/// No hour has begun yet.
const NEVER: u8 = u8::MAX;

/// The usual daily maximum of each hour's distances.
#[derive(Debug, Clone)]
pub(super) struct Hours {
    farthest: f32,
    usual: [Half; HOURS],
    hour: u8,
}

stored_fields!(Hours { farthest, usual, hour });

impl Hours {
    pub(super) fn new() -> Self {
        Self { farthest: 0.0, usual: [0; HOURS], hour: NEVER }
    }

    /// The usual maximum at a time of day.
    pub(super) fn usual(&self, hour: usize, share_of_hour: f64) -> f64 {
        let of = |hour: usize| decode(self.usual[hour % HOURS]);
        let near = if share_of_hour < 0.25 {
            of(hour + HOURS - 1)
        } else if share_of_hour > 0.75 {
            of(hour + 1)
        } else {
            0.0
        };
        f64::from(of(hour).max(near))
    }

    /// Ends the hour before, if another one has begun.
    pub(super) fn turn_to(&mut self, hour: usize) {
        if hour == usize::from(self.hour) {
            return;
        }
        if let Some(usual) = self.usual.get_mut(usize::from(self.hour)) {
            let known = decode(*usual);
            let rate = if self.farthest > known { RISE } else { FALL };
            *usual = encode(known + rate * (self.farthest - known));
        }
        (self.hour, self.farthest) = (hour as u8, 0.0);
    }

    /// Learns a distance, given the edge in force.
    pub(super) fn learn(&mut self, distance: f64, edge: f64) {
        self.farthest = self.farthest.max(distance.min(MOST * edge) as f32);
    }
}
