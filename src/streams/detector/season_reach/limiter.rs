//! Raises the edge of a series that crosses it more often than about once in two days.
//!
//! It is raised by at most 60 %, so large anomalies cannot hide later ones.

use crate::arithmetic::larger;
use crate::stored::stored_fields;

const LEAST: f64 = 0.6;
const MOST: f64 = 1.6;
const RAISE: f64 = 1.25;
/// ln 1.25, so that one crossing in the memory balances the fall.
const LN_RAISE: f64 = 0.223_143_551_314_209_76;
const DAYS: f64 = 2.0;
const LEAST_MEMORY: f64 = 300.0;
/// Bounds of the samples (minutes, on a series that is faster) between two raises; in between it
/// is an hour.
const COOL_DOWN: (f64, f64) = (6.0, 30.0);

/// The level that crossings have raised.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limiter {
    level: f64,
    cooling: u16,
}

stored_fields!(Limiter { level, cooling });

impl Limiter {
    pub(super) fn new() -> Self {
        Self { level: LEAST, cooling: 0 }
    }

    /// Factor on the edges, at least 1.
    pub(super) fn factor(&self) -> f64 {
        larger(self.level, 1.0)
    }

    /// Learns a surprise before this factor; 1 is a crossing at the level 0.87. `pace` is as in
    /// [`super::pace`].
    pub(super) fn learn(&mut self, surprise: f64, per_day: f64, pace: f64) {
        self.level *= 1.0 - LN_RAISE / larger(DAYS * per_day, LEAST_MEMORY);
        self.cooling = self.cooling.saturating_sub(1);
        if surprise > self.level && self.cooling == 0 {
            self.level *= RAISE;
            self.cooling = ((per_day / 24.0).clamp(COOL_DOWN.0, COOL_DOWN.1) / pace) as u16;
        }
        self.level = self.level.clamp(LEAST, MOST);
    }
}
