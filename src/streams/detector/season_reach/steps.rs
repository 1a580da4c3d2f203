//! The steps by which a series changes: the floor of its scale.
//!
//! Counts, held values and spiky flat series have a mean absolute distance near 0. A change of the
//! usual size must not be many standard deviations there.

use crate::arithmetic::{larger, smaller};
use crate::stored::stored_fields;

/// Rate of the mean change, over changes only; one change counts at most this many usual ones.
const RATE: f64 = 1.0 / 100.0;
const OUTLIER: f64 = 4.0;
/// Shares of the smallest change ever, and of the mean change, in the scale.
const OF_SMALLEST: f64 = 0.4;
const OF_MEAN: f64 = 0.25;
/// Changes after which a mean change is known.
const KNOWN: u32 = 10;

/// The changes from value to value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    last: f64,
    smallest: f64,
    mean: f64,
    changes: u32,
}

stored_fields!(Steps { last, smallest, mean, changes });

impl Steps {
    pub(super) fn starting_at(value: f64) -> Self {
        Self { last: value, smallest: 0.0, mean: 0.0, changes: 0 }
    }

    /// The least standard deviation of single values.
    pub(super) fn floor(&self) -> f64 {
        larger(OF_SMALLEST * self.smallest, OF_MEAN * self.mean)
    }

    pub(super) fn changes(&self) -> u32 {
        self.changes
    }

    pub(super) fn last(&self) -> f64 {
        self.last
    }

    /// The smallest change; 0 while there was none.
    pub(super) fn smallest(&self) -> f64 {
        self.smallest
    }

    pub(super) fn learn(&mut self, value: f64) {
        let change = (value - self.last).abs();
        self.last = value;
        if change == 0.0 {
            return;
        }
        self.changes = self.changes.saturating_add(1);
        self.smallest = if self.changes == 1 { change } else { smaller(self.smallest, change) };
        let counted = if self.changes > KNOWN { smaller(change, OUTLIER * self.mean) } else { change };
        self.mean += larger(RATE, 1.0 / f64::from(self.changes)) * (counted - self.mean);
    }
}
