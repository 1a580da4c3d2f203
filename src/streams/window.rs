//! The last values of a series, kept in order of size as well as of time, so that median, MAD and rank cost no sort.

use super::stored::stored_fields;

/// How many values the window holds.
pub(super) const WINDOW: usize = 64;

/// A sliding window. Removing the oldest value and inserting a new one are two binary searches and a short move of bytes:
/// the values stay where they were written, and only one-byte references to them are kept in order of size.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// Values in order of arrival, a ring.
    ring: [f64; WINDOW],
    /// Positions in `ring` in order of value; among equal values the older comes first.
    order: [u8; WINDOW],
    /// Where in the ring the next value goes.
    next: u8,
    /// How many values there are.
    len: u8,
}

stored_fields!(Window { ring, order, next, len });

/// Median and spread of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Centre {
    /// The middle value, or the middle of the two middle values.
    pub(super) median: f64,
    /// Median absolute deviation from the median.
    pub(super) mad: f64,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { ring: [0.0; WINDOW], order: [0; WINDOW], next: 0, len: 0 }
    }

    /// Takes a value in; the oldest leaves when the window is full.
    pub(super) fn push(&mut self, value: f64) {
        let slot = self.next;
        let mut len = usize::from(self.len);
        if len == WINDOW {
            // Equal values are in order of age, so the oldest is the first of its equals.
            let gone = self.count_below(self.ring[usize::from(slot)]);
            debug_assert_eq!(self.order[gone], slot);
            self.order.copy_within(gone + 1..WINDOW, gone);
            len -= 1;
            self.len -= 1;
        }
        let place = self.count_not_above(value);
        self.order.copy_within(place..len, place + 1);
        self.order[place] = slot;
        self.ring[usize::from(slot)] = value;
        self.next = (slot + 1) % WINDOW as u8;
        self.len += 1;
    }

    /// Median and MAD, or `None` while empty.
    pub(super) fn centre(&self) -> Option<Centre> {
        let len = usize::from(self.len);
        let middle = len / 2;
        let median = match len {
            0 => return None,
            _ if len % 2 == 1 => self.ranked(middle),
            // Halved before the sum, which would overflow for the largest values.
            _ => 0.5 * self.ranked(middle - 1) + 0.5 * self.ranked(middle),
        };
        Some(Centre { median, mad: self.nearest(median, middle) })
    }

    /// Where `value` stands among the values held: 0 below all, 1 above all, ties in the middle; 0.5 while empty.
    pub(super) fn rank(&self, value: f64) -> f64 {
        if self.len == 0 {
            return 0.5;
        }
        let twice = self.count_below(value) + self.count_not_above(value);
        twice as f64 / (2.0 * f64::from(self.len))
    }

    fn ranked(&self, rank: usize) -> f64 {
        self.ring[usize::from(self.order[rank])]
    }

    fn count_below(&self, value: f64) -> usize {
        self.order[..usize::from(self.len)].partition_point(|&slot| self.ring[usize::from(slot)] < value)
    }

    fn count_not_above(&self, value: f64) -> usize {
        self.order[..usize::from(self.len)].partition_point(|&slot| self.ring[usize::from(slot)] <= value)
    }

    /// The distance from `median` that exactly `rank` values are not farther than.
    ///
    /// Distances grow to the left and to the right of the median, so this selects from two sorted sequences: a binary
    /// search for how many of the `rank + 1` nearest lie on the left.
    fn nearest(&self, median: f64, rank: usize) -> f64 {
        let len = usize::from(self.len);
        let split = len / 2;
        let left = |i: usize| median - self.ranked(split - 1 - i);
        let right = |i: usize| self.ranked(split + i) - median;
        let wanted = rank + 1;
        let (mut low, mut high) = (wanted.saturating_sub(len - split), wanted.min(split));
        while low < high {
            let from_left = (low + high) / 2;
            if left(from_left) < right(wanted - from_left - 1) {
                low = from_left + 1;
            } else {
                high = from_left;
            }
        }
        let farthest_left = if low > 0 { left(low - 1) } else { 0.0 };
        let farthest_right = if wanted > low { right(wanted - low - 1) } else { 0.0 };
        farthest_left.max(farthest_right)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Median and upper-median MAD by sorting everything.
    fn by_sorting(values: &[f64]) -> Centre {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let median = if n % 2 == 1 { sorted[n / 2] } else { 0.5 * sorted[n / 2 - 1] + 0.5 * sorted[n / 2] };
        let mut distances: Vec<f64> = sorted.iter().map(|v| (v - median).abs()).collect();
        distances.sort_by(f64::total_cmp);
        Centre { median, mad: distances[n / 2] }
    }

    proptest! {
        #[test]
        fn equals_a_sort_of_the_last_values(values in prop::collection::vec(prop_oneof![
            (-5i32..5).prop_map(f64::from),
            -1e6..1e6f64,
            Just(1e300), Just(-1e300), Just(-0.0),
        ], 1..400)) {
            let mut window = Window::new();
            for (i, value) in values.iter().enumerate() {
                window.push(*value);
                let last = &values[(i + 1).saturating_sub(WINDOW)..=i];
                prop_assert_eq!(window.centre(), Some(by_sorting(last)));
                let below = last.iter().filter(|v| *v < value).count() as f64;
                let equal = last.iter().filter(|v| *v == value).count() as f64;
                prop_assert_eq!(window.rank(*value), (below + 0.5 * equal) / last.len() as f64);
            }
        }
    }

    #[test]
    fn an_empty_window_has_no_centre() {
        assert_eq!(Window::new().centre(), None);
        assert_eq!(Window::new().rank(3.0), 0.5);
    }
}
