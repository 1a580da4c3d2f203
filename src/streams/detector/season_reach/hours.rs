//! Usual disturbances: the largest distance of each hour of the day.
//!
//! A job at two every night raises the edge of that hour, and less so of the quarter hours next to
//! it. On ten days in a row it becomes *regular*, if it goes far beyond what other hours have. A
//! regular disturbance may go further than usual. When its hour ends without it, it is missing.

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
/// Days in a row on which an hour had its disturbance until it is a regular one; a day without it
/// takes back as many.
const REGULAR: i8 = 10;
const MISSED: i8 = 4;
const MOST_DAYS: i8 = 20;
/// A disturbance of at least this share of the usual one is one; a smaller distance than this share
/// is none.
const PRESENT: f32 = 0.5;
const ABSENT: f32 = 0.35;
/// It is this many times as far as the hours that are not next to it go, and this far at least.
const TIMES_OTHERS: f32 = 3.0;
const LEAST: f32 = 5.0;
/// How much further than usual a regular disturbance may go.
const FURTHER: f64 = 1.5;
/// Samples in an hour below which nothing is said about it, and the share of the usual number.
const LEAST_ROWS: f64 = 4.0;
const SHARE_OF_ROWS: f64 = 0.75;

/// No hour has begun yet.
const NEVER: u8 = u8::MAX;

/// The usual daily maximum of the present hour's distances, and of its neighbours.
#[derive(Debug, Clone)]
pub(super) struct Hours {
    /// The largest distance of the present hour, and its side.
    farthest: f32,
    above: bool,
    /// Samples of the present hour.
    rows: u16,
    /// The usual maximum of the hour before, of the present one, and of the next.
    near: [Half; 3],
    /// The side on which one of these has a regular disturbance; 0 if none has.
    regular: i8,
    hour: u8,
}

/// The usual daily maximum of each hour. A sample touches it if its hour is another one than that
/// of the sample before.
#[derive(Debug, Clone)]
pub(super) struct UsualMaxima {
    usual: [Half; HOURS],
    /// Days with the disturbance: above 0 above, below 0 below.
    days: [i8; HOURS],
}

/// A regular disturbance that did not come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missing {
    /// Its usual distance, in standard deviations: above 0 above.
    pub(super) usual: f64,
}

impl UsualMaxima {
    pub(super) fn new() -> Self {
        Self { usual: [0; HOURS], days: [0; HOURS] }
    }
}

impl UsualMaxima {
    /// Counts a day of an hour: whether it had the disturbance, and on which side.
    fn count_day(&mut self, hour: usize, farthest: f32, above: bool) {
        let days = self.days[hour];
        let side = if above { 1 } else { -1 };
        let present = farthest >= PRESENT * decode(self.usual[hour]);
        self.days[hour] = if present && days.signum() * side >= 0 {
            (days + side).clamp(-MOST_DAYS, MOST_DAYS)
        } else {
            days.signum() * (days.abs() - MISSED).max(0)
        };
    }

    /// Whether an hour has its disturbance on most days, far beyond what other hours have.
    fn is_regular(&self, hour: usize) -> bool {
        let usual = decode(self.usual[hour]);
        self.days[hour].abs() >= REGULAR && usual >= LEAST && usual >= TIMES_OTHERS * self.elsewhere(hour)
    }

    /// How far the hours usually go that are not next to this one.
    fn elsewhere(&self, hour: usize) -> f32 {
        let far = |other: &usize| !matches!((other + HOURS - hour) % HOURS, 0 | 1 | 23);
        let others = (0..HOURS).filter(far).map(|other| decode(self.usual[other]));
        others.sum::<f32>() / (HOURS - 3) as f32
    }
}

impl Hours {
    pub(super) fn new() -> Self {
        Self { farthest: 0.0, above: false, rows: 0, near: [0; 3], regular: 0, hour: NEVER }
    }

    /// The usual maximum in the present hour, below and above. A regular disturbance may go further
    /// than usual.
    pub(super) fn usual(&self, share_of_hour: f64) -> [f64; 2] {
        let [before, now, after] = self.near.map(|usual| f64::from(decode(usual)));
        // The share of the neighbour falls with the distance from it, so that no edge jumps.
        let (near, share) = if share_of_hour < 0.5 { (before, share_of_hour) } else { (after, 1.0 - share_of_hour) };
        let share = larger(1.0 - QUARTERS * share, 0.0);
        let usual = larger(now, now + share * (near - now));
        [-1, 1].map(|side| if self.regular == side { FURTHER * usual } else { usual })
    }

    /// Ends the hour before, if another one has begun. Returns its regular disturbance if that did
    /// not come.
    pub(super) fn turn_to(&mut self, hour: usize, per_day: f64, maxima: &mut UsualMaxima) -> Option<Missing> {
        if hour == usize::from(self.hour) {
            return None;
        }
        let usual_rows = per_day / 24.0;
        let complete = usual_rows >= LEAST_ROWS && f64::from(self.rows) >= SHARE_OF_ROWS * usual_rows;
        let missing = if complete { self.missing(maxima) } else { None };
        let before = usize::from(self.hour);
        if complete && before < HOURS {
            maxima.count_day(before, self.farthest, self.above);
        }
        if let Some(usual) = maxima.usual.get_mut(before) {
            let known = decode(*usual);
            let rate = if self.farthest > known { RISE } else { FALL };
            *usual = encode(known + rate * (self.farthest - known));
        }
        (self.hour, self.farthest, self.rows) = (hour as u8, 0.0, 0);
        self.look_around(maxima);
        missing
    }

    /// The regular disturbance of the hour that ends, if it did not come.
    fn missing(&self, maxima: &UsualMaxima) -> Option<Missing> {
        let hour = usize::from(self.hour);
        let days = *maxima.days.get(hour)?;
        let usual = decode(maxima.usual[hour]);
        let side = f64::from(days.signum());
        (maxima.is_regular(hour) && self.farthest < ABSENT * usual)
            .then_some(Missing { usual: side * f64::from(usual) })
    }

    fn look_around(&mut self, maxima: &UsualMaxima) {
        let hour = usize::from(self.hour);
        let near = [hour + HOURS - 1, hour, hour + 1].map(|hour| hour % HOURS);
        self.near = near.map(|hour| maxima.usual[hour]);
        let regular = near.into_iter().find(|&hour| maxima.is_regular(hour));
        self.regular = regular.map_or(0, |hour| maxima.days[hour].signum());
    }

    /// Learns a distance, which is above 0 above, given the edge in force.
    pub(super) fn learn(&mut self, distance: f64, edge: f64) {
        let counted = smaller(distance.abs(), MOST * edge) as f32;
        if counted > self.farthest {
            (self.farthest, self.above) = (counted, distance > 0.0);
        }
        self.rows = self.rows.saturating_add(1);
    }

    pub(super) fn put(&self, maxima: &UsualMaxima, out: &mut Vec<u8>) {
        self.farthest.put(out);
        self.above.put(out);
        self.rows.put(out);
        maxima.usual.put(out);
        maxima.days.put(out);
        self.hour.put(out);
    }

    pub(super) fn read(from: &mut &[u8]) -> Option<(Self, UsualMaxima)> {
        let (farthest, above, rows) = (Stored::read(from)?, Stored::read(from)?, Stored::read(from)?);
        let maxima = UsualMaxima { usual: Stored::read(from)?, days: Stored::read(from)? };
        let mut hours = Self { farthest, above, rows, near: [0; 3], regular: 0, hour: Stored::read(from)? };
        hours.look_around(&maxima);
        Some((hours, maxima))
    }
}
