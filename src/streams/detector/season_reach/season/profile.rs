//! Places in the day and the week, and how a profile is read there.

use super::{DAY_MS, HOUR_MS, SLOT_MS};

/// A place in a profile, in slots.
#[derive(Debug, Clone, Copy)]
pub(in crate::detector::season_reach) struct Place {
    pub(super) day: f64,
    pub(super) week: f64,
}

impl Place {
    pub(in crate::detector::season_reach) fn at(local_ms: i64) -> Self {
        let week_ms = local_ms.rem_euclid(7 * DAY_MS as i64);
        let day_ms = week_ms % DAY_MS as i64;
        Self { day: day_ms as f64 / SLOT_MS, week: week_ms as f64 / HOUR_MS }
    }

    /// Hour of the day.
    pub(in crate::detector::season_reach) fn hour(self) -> usize {
        self.week as usize % 24
    }

    /// Elapsed share of the hour.
    pub(in crate::detector::season_reach) fn share_of_hour(self) -> f64 {
        self.week - f64::from(self.week as u32)
    }
}

/// The number of values that a slot's mean has, with one more in the current visit: as many as
/// `memory` visits have, at least `least`. `visits` are the complete ones before.
pub(super) fn counted(visits: u8, rows: &mut u16, rows_a_visit: f64, memory: f64, least: f64) -> f64 {
    *rows = rows.saturating_add(1);
    let a_visit = rows_a_visit.max(1.0);
    let earlier = f64::from(visits) * a_visit;
    (earlier + f64::from(*rows)).min((memory * a_visit).clamp(least, 4_000.0))
}

/// The value of a profile at a place, linear between the middles of slots. `None` if nothing is
/// known there. `known` is the value of a slot; slots go on beyond both ends of the profile.
#[inline(always)]
pub(super) fn profile(place: f64, coarse: bool, known: impl Fn(i32) -> Option<f64>) -> Option<f64> {
    if coarse {
        return known(floor(place));
    }
    let middle = place - 0.5;
    let before = floor(middle);
    let share = middle - f64::from(before);
    match (known(before), known(before + 1)) {
        (Some(a), Some(b)) => Some(a + share * (b - a)),
        (a, b) => a.or(b),
    }
}

/// The largest whole number that is not above a small number.
fn floor(number: f64) -> i32 {
    let whole = number as i32;
    whole - i32::from(number < f64::from(whole))
}
