//! The edges that a fault left stay in force while it lasts.
//!
//! The samples of a fault teach the reach, and it has to know them later. If they also moved the
//! edges that judge the rest of the same fault, a level that stays high would be inside of the band
//! after minutes. So the reach that is learned meanwhile counts from the end of the fault.

use super::GOES_ON;
use super::judgement::Distances;
use super::visits::Visits;
use crate::detector::season_reach::ladder::STEPS;
use crate::stored::stored_fields;

/// Values in a row that are back within the usual range, after which a fault is over.
const CALM: u8 = 3;

/// The edges at the beginning of the present fault.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hold {
    /// On its side, in units of the values, with all factors.
    edges: [f32; STEPS],
    /// The farthest value of the fault, in the same unit.
    farthest: f32,
    /// Values since its beginning.
    values: u16,
    /// 1 above, −1 below, 0 without a fault.
    side: i8,
    /// Values in a row that are back.
    calm: u8,
}

stored_fields!(Hold { edges, farthest, values, side, calm });

/// What a value says about the fault.
pub(super) struct Course<'a> {
    pub(super) found: &'a Distances,
    /// Factor of the limiter on the edges.
    pub(super) factor: f64,
    /// The level of the fault is accepted with this value.
    pub(super) accepted: bool,
    /// Values after which a level is accepted.
    pub(super) accepted_after: f64,
    /// Hours since the Unix epoch.
    pub(super) hour: u32,
}

impl Hold {
    /// The edge that is held for a step on a side, in units of the values; infinite if none is.
    pub(super) fn edge(&self, step: usize, side: usize) -> f64 {
        if self.values_on(side) > 0 { f64::from(self.edges[step]) } else { f64::INFINITY }
    }

    /// Values since the beginning of a fault on this side (0 below, 1 above); 0 without one.
    pub(super) fn values_on(&self, side: usize) -> u16 {
        if self.side == sign(side == 1) { self.values } else { 0 }
    }

    /// Follows a value. An excursion that ends is one of `visits`.
    pub(super) fn learn(&mut self, course: &Course<'_>, visits: &mut [Visits; 2]) {
        let found = course.found;
        let (above, distance) = (found.z[0] > 0.0, found.z[0].abs() * found.scales[0]);
        if self.side != 0 {
            self.values = self.values.saturating_add(1);
            self.calm = self.calm.saturating_add(1);
            if self.side == sign(above) {
                self.farthest = self.farthest.max(distance as f32);
                if distance >= GOES_ON * f64::from(self.edges[0]) {
                    self.calm = 0;
                }
            }
            if self.calm >= CALM {
                let lasted = self.values - u16::from(self.calm);
                visits[usize::from(self.side > 0)].end(self.farthest, lasted, course.hour);
            }
            if course.accepted || self.calm >= CALM || f64::from(self.values) >= course.accepted_after {
                self.side = 0;
            }
        }
        let alerts = found.surprise >= course.factor;
        if alerts && !course.accepted && self.side != sign(above) {
            let in_values = |step: usize| found.edges[step][usize::from(above)] * found.scales[step] * course.factor;
            for step in 0..STEPS {
                self.edges[step] = in_values(step).min(f64::from(f32::MAX)) as f32;
            }
            (self.side, self.values, self.calm, self.farthest) = (sign(above), 1, 0, distance as f32);
        }
    }
}

fn sign(above: bool) -> i8 {
    if above { 1 } else { -1 }
}
