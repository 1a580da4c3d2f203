//! Median and median absolute deviation of the same time of day.

use std::collections::VecDeque;

use super::distance::Distance;

const SLOT_MS: i64 = 600_000;
const SLOTS: usize = 144;
/// Values that a slot remembers, and values needed around a slot.
const KEPT: usize = 60;
const NEEDED: usize = 4;
/// Distances that the usual distance is the median of.
const RECENT: usize = 500;

pub(super) struct SeasonalMedian {
    slots: Vec<VecDeque<f64>>,
    distances: VecDeque<f64>,
    usual: f64,
    rows: usize,
}

impl Default for SeasonalMedian {
    fn default() -> Self {
        Self { slots: vec![VecDeque::new(); SLOTS], distances: VecDeque::new(), usual: 0.0, rows: 0 }
    }
}

impl Distance for SeasonalMedian {
    fn push(&mut self, local_ms: i64, value: f64) -> f64 {
        let slot = local_ms.div_euclid(SLOT_MS).rem_euclid(SLOTS as i64) as usize;
        let near = [(slot + SLOTS - 1) % SLOTS, slot, (slot + 1) % SLOTS];
        let mut values: Vec<f64> = near.iter().flat_map(|&slot| self.slots[slot].iter().copied()).collect();
        let mut result = 0.0;
        if values.len() >= NEEDED {
            let centre = median(&mut values);
            let distance = (value - centre).abs();
            let mut spread: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
            let scale = 1.4826 * median(&mut spread).max(0.5 * self.usual);
            result = if scale > 0.0 && self.rows >= 60 { distance / scale } else { 0.0 };
            self.distances.push_back(distance);
            if self.distances.len() > RECENT {
                self.distances.pop_front();
            }
            if self.rows.is_multiple_of(20) {
                self.usual = median(&mut self.distances.iter().copied().collect::<Vec<_>>());
            }
        }
        self.rows += 1;
        self.slots[slot].push_back(value);
        if self.slots[slot].len() > KEPT {
            self.slots[slot].pop_front();
        }
        result
    }
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f64::total_cmp).1 }
}
