//! Disturbances that return at irregular times.
//!
//! A batch that runs once a day, at another hour each time, is in no profile. From its fifth day
//! on its size is known, and values up to a little beyond it do not alert, unless they last longer
//! than it usually does. They are still no ordinary values: no baseline follows them.

use crate::stored::stored_fields;

/// Visits on different days until a disturbance is known, and the most that are counted.
const KNOWN: u8 = 5;
const MOST: u8 = 20;
/// Excursions are alike if the ratio of their sizes is at most this.
const ALIKE: f32 = 1.3;
/// Values that one lasts at least: a spike is no batch.
const LEAST: u16 = 3;
/// Hours between two that count, and after which one was left out.
const APART: u32 = 20;
const MISSED: u32 = 40;
/// Rate at which the usual size and length follow.
const RATE: f32 = 0.3;
/// How far beyond the usual size, and how long beyond the usual length, a visit may go.
const FARTHER: f64 = 1.25;
const LONGER: f64 = 2.0;
const LONGER_VALUES: f64 = 3.0;

/// The excursions of one size on one side.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Visits {
    /// Usual largest distance, in units of the values.
    size: f32,
    /// The hour since the Unix epoch of the latest one that counted.
    latest: u32,
    /// Usual number of values.
    lasts: u16,
    count: u8,
}

stored_fields!(Visits { size, latest, lasts, count });

impl Visits {
    /// Ends an excursion that went this far and lasted this many values.
    pub(super) fn end(&mut self, size: f32, lasted: u16, hour: u32) {
        if lasted < LEAST {
            return;
        }
        let since = hour.saturating_sub(self.latest);
        let ratio = size / self.size;
        if self.count > 0 && (1.0 / ALIKE..=ALIKE).contains(&ratio) {
            if since >= APART {
                if since > MISSED {
                    self.count = self.count.saturating_sub(2);
                }
                (self.count, self.latest) = (self.count.saturating_add(1).min(MOST), hour);
            }
            self.size += RATE * (size - self.size);
            let usual = f32::from(self.lasts);
            self.lasts = (usual + RATE * (f32::from(lasted) - usual) + 0.5) as u16;
        } else if self.count <= 1 || since > MISSED {
            *self = Self { size, latest: hour, lasts: lasted, count: 1 };
        }
    }

    /// How far a value may lie from the expected one because such visits are known; 0 if none are,
    /// or if the present excursion has lasted longer than they do. `lasted` are its values so far.
    pub(super) fn reach(&self, lasted: u16, hour: u32) -> f64 {
        let known = self.count >= KNOWN && hour.saturating_sub(self.latest) <= MISSED;
        let longer = f64::from(lasted) > LONGER * f64::from(self.lasts) + LONGER_VALUES;
        if known && !longer { FARTHER * f64::from(self.size) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(sizes: &[(f32, u32)]) -> Visits {
        let mut visits = Visits::default();
        sizes.iter().for_each(|&(size, hour)| visits.end(size, 6, hour));
        visits
    }

    #[test]
    fn excursions_of_one_size_on_five_days_are_known() {
        let days = |count: u32| (0..count).map(|day| (40.0, 500_000 + 24 * day + day % 3)).collect::<Vec<_>>();
        assert_eq!(after(&days(4)).reach(1, 500_100), 0.0);
        let known = after(&days(5));
        assert_eq!(known.reach(1, 500_110), 50.0);
        assert_eq!((known.reach(15, 500_110), known.reach(16, 500_110)), (50.0, 0.0), "twice as long and three");
        assert_eq!(known.reach(1, 500_141), 0.0, "it was left out");
    }

    #[test]
    fn spikes_are_never_known() {
        let mut visits = Visits::default();
        (0..20).for_each(|day| visits.end(40.0, 2, 500_000 + 24 * day));
        assert_eq!(visits.reach(1, 500_460), 0.0);
    }

    #[test]
    fn excursions_of_one_day_count_once_and_others_are_ignored() {
        let one_day: Vec<_> = (0..12).map(|hour| (40.0, 500_000 + hour)).collect();
        assert_eq!(after(&one_day).reach(1, 500_012), 0.0);
        let mut days: Vec<_> = (0..8).map(|day| (40.0, 500_000 + 24 * day)).collect();
        days.push((400.0, 500_180));
        assert_eq!(after(&days).reach(1, 500_181), 50.0, "a larger one neither counts nor replaces it");
        let sizes: Vec<_> = (0..8).map(|day| (40.0 * 2f32.powi(day % 3), 500_000 + 24 * day as u32)).collect();
        assert_eq!(after(&sizes).reach(1, 500_180), 0.0, "each of another size");
    }
}
