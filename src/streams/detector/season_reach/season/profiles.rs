//! The profiles of day and week, and the few slots of them that ordinary samples need.

use super::super::halves::{Half, decode, encode};
use super::profile::profile;
use super::{HOURS, LEVELLED_DAYS, SLOTS};

/// All slots. A sample touches them if its slot is another one than that of the sample before.
#[derive(Debug, Clone)]
pub(in crate::detector::season_reach) struct Profiles {
    pub(super) day: Slots<SLOTS>,
    pub(super) week: Slots<HOURS>,
}

impl Profiles {
    pub(in crate::detector::season_reach) fn new() -> Self {
        Self { day: Slots::new(), week: Slots::new() }
    }
}

/// Mean and number of complete visits of each slot.
#[derive(Debug, Clone)]
pub(super) struct Slots<const N: usize> {
    pub(super) means: [Half; N],
    pub(super) visits: [u8; N],
}

impl<const N: usize> Slots<N> {
    fn new() -> Self {
        Self { means: [0; N], visits: [0; N] }
    }

    pub(super) fn mean(&self, slot: usize) -> f64 {
        f64::from(decode(self.means[slot]))
    }

    /// The value at a place.
    pub(super) fn at(&self, place: f64, coarse: bool) -> Option<f64> {
        profile(place, coarse, |slot| {
            let slot = slot.rem_euclid(N as i32) as usize;
            (self.visits[slot] > 0).then(|| self.mean(slot))
        })
    }
}

impl Slots<SLOTS> {
    /// The mean of all slots that are known. Takes it out of them.
    pub(super) fn centre(&mut self) -> Option<f64> {
        let known = |slot: &usize| self.visits[*slot] > 0;
        let values = (0..SLOTS).filter(known).map(|slot| self.mean(slot));
        let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        if count == 0.0 {
            return None;
        }
        let mean = sum / count;
        for slot in 0..SLOTS {
            if self.visits[slot] > 0 {
                self.means[slot] = encode((self.mean(slot) - mean) as f32);
            }
        }
        Some(mean)
    }

    /// Takes out the ramp that a trend has left in the first days, when the mean of the day lagged
    /// less than later. It shows as a jump where the first sample was; a course of the day has none
    /// between two slots there.
    pub(super) fn level_out(&mut self, from: usize) {
        let slot = |i: usize| (from + i) % SLOTS;
        if !(1..=LEVELLED_DAYS).contains(&self.visits[from]) || self.visits.contains(&0) {
            return;
        }
        // Straight lines through two means of half an hour on each side.
        let mean = |i: usize| (0..3).map(|k| self.mean(slot(i + k))).sum::<f64>() / 3.0;
        let jump = 1.5 * mean(SLOTS - 3) - 0.5 * mean(SLOTS - 6) - 1.5 * mean(0) + 0.5 * mean(3);
        for i in 0..SLOTS {
            let share = i as f64 / (SLOTS - 1) as f64 - 0.5;
            self.means[slot(i)] = encode((self.mean(slot(i)) - jump * share) as f32);
        }
    }
}

/// The present slot of a profile, and its neighbours: `W` slots with the present one in the middle.
/// What the present visit adds is written to the slots when it is over. A slot that knew its own
/// values would follow a fault, and call the values after it anomalous.
#[derive(Debug, Clone)]
pub(super) struct Near<const W: usize> {
    /// The mean of the present slot with the present visit, in full precision.
    pub(super) mean: f64,
    means: [Half; W],
    /// Values in the present visit.
    pub(super) rows: u16,
    /// Complete visits of the present slot.
    pub(super) visits: u8,
    /// The present slot; `NONE` before the first value.
    pub(super) slot: u8,
    /// A bit for each of `means` that is known.
    known: u8,
}

/// No slot has been visited yet.
pub(super) const NONE: u8 = u8::MAX;

impl<const W: usize> Near<W> {
    pub(super) fn new() -> Self {
        Self { mean: 0.0, means: [0; W], rows: 0, visits: 0, slot: NONE, known: 0 }
    }

    /// The value at a place that is at most as many slots away as the window has on a side.
    #[inline(always)]
    pub(super) fn at(&self, place: f64, coarse: bool) -> Option<f64> {
        let first = i32::from(self.slot) - (W / 2) as i32;
        profile(place, coarse, |slot| {
            let at = ((slot - first) as usize).min(W - 1);
            (self.known >> at & 1 == 1).then(|| f64::from(decode(self.means[at])))
        })
    }

    /// Begins a visit of another slot. The one before must have been ended.
    pub(super) fn visit<const N: usize>(&mut self, slot: usize, all: &Slots<N>) {
        (self.slot, self.rows) = (slot as u8, 0);
        self.mean = all.mean(slot);
        self.look_around(all);
    }

    /// Ends the present visit: writes its mean to the slots. Does nothing if that was done.
    pub(super) fn end_visit<const N: usize>(&mut self, all: &mut Slots<N>) {
        let slot = usize::from(self.slot);
        if self.rows > 0 && slot < N {
            all.means[slot] = encode(self.mean as f32);
            all.visits[slot] = all.visits[slot].saturating_add(1);
        }
        self.rows = 0;
    }

    /// Reads the window again.
    pub(super) fn look_around<const N: usize>(&mut self, all: &Slots<N>) {
        let slot = usize::from(self.slot);
        if slot >= N {
            return;
        }
        self.visits = all.visits[slot];
        self.known = 0;
        for at in 0..W {
            let near = (slot + N + at - W / 2) % N;
            self.means[at] = all.means[near];
            self.known |= u8::from(all.visits[near] > 0) << at;
        }
    }
}
