//! The newest values of a series, in order of time and of size, so that median, MAD and rank need
//! no sort.

use super::stored::Stored;

/// A sliding window. Replacing the oldest value costs one count and two short moves of bytes:
/// values stay where they were written, and only one-byte references to them are kept in order of
/// size.
#[derive(Debug, Clone)]
pub(super) struct Window<V, const N: usize> {
    /// Values in order of arrival, a ring.
    ring: [V; N],
    /// Positions in `ring` in order of value; of equal values the older comes first.
    order: [u8; N],
    /// Position in the ring of the next value.
    next: u8,
    /// Number of values.
    len: u8,
}

impl<V: Stored + Copy + Default, const N: usize> Stored for Window<V, N> {
    fn put(&self, out: &mut Vec<u8>) {
        self.ring.put(out);
        self.order.put(out);
        [self.next, self.len].put(out);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let (ring, order) = (Stored::read(from)?, Stored::read(from)?);
        let [next, len] = Stored::read(from)?;
        Some(Self { ring, order, next, len })
    }
}

/// Position of a value in a window: how many values are smaller, how many are not larger.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Position {
    below: u32,
    not_above: u32,
}

/// Median and spread of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Centre {
    /// The middle value, or the mean of the two middle values.
    pub(super) median: f64,
    /// Median absolute deviation from the median.
    pub(super) mad: f64,
}

impl<V: Copy + Default + PartialOrd + Into<f64>, const N: usize> Window<V, N> {
    pub(super) fn new() -> Self {
        const { assert!(N < 256, "positions are one byte") };
        Self { ring: [V::default(); N], order: [0; N], next: 0, len: 0 }
    }

    /// Number of values.
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// The newest values, oldest first. The window must hold at least as many.
    pub(super) fn newest(&self, into: &mut [V]) {
        let (wanted, end) = (into.len(), usize::from(self.next));
        let head = wanted.min(end);
        into[wanted - head..].copy_from_slice(&self.ring[end - head..end]);
        into[..wanted - head].copy_from_slice(&self.ring[N - (wanted - head)..]);
    }

    /// Replaces the values. The change must keep their order.
    pub(super) fn change(&mut self, to: impl Fn(V) -> V) {
        self.ring.iter_mut().take(usize::from(self.len)).for_each(|value| *value = to(*value));
    }

    /// Adds a value; in a full window it replaces the oldest.
    pub(super) fn push(&mut self, value: V) {
        self.push_at(value, self.position_of(value));
    }

    /// Adds a value whose position is known.
    pub(super) fn push_at(&mut self, value: V, position: Position) {
        let slot = self.next;
        let (mut len, mut position) = (self.len(), position.not_above as usize);
        if len == N {
            let removed = self.order.iter().position(|other| *other == slot).unwrap_or(0);
            self.order.copy_within(removed + 1..N, removed);
            len -= 1;
            self.len -= 1;
            position -= usize::from(self.ring[usize::from(slot)] <= value);
        }
        self.order.copy_within(position..len, position + 1);
        self.order[position] = slot;
        self.ring[usize::from(slot)] = value;
        self.next = ((usize::from(slot) + 1) % N) as u8;
        self.len += 1;
    }

    /// Position of a value. Counts over all values: processors do that in parallel, while a search
    /// suffers from mispredicted branches.
    pub(super) fn position_of(&self, value: V) -> Position {
        let (mut below, mut not_above) = (0, 0);
        for held in &self.ring[..self.len()] {
            below += u32::from(*held < value);
            not_above += u32::from(*held <= value);
        }
        Position { below, not_above }
    }

    /// Median and MAD; `None` while empty.
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

    /// The rank from 0, below all values, to 1, above them all. Ties count half; 0.5 while empty.
    pub(super) fn rank(&self, position: Position) -> f64 {
        if self.len == 0 {
            return 0.5;
        }
        f64::from(position.below + position.not_above) / (2.0 * f64::from(self.len))
    }

    fn ranked(&self, rank: usize) -> f64 {
        self.ring[usize::from(self.order[rank])].into()
    }

    /// The distance from `median` within which exactly `rank` values lie.
    ///
    /// Distances grow to the left and to the right of the median, so this selects from two sorted
    /// sequences: a binary search for how many of the `rank + 1` nearest lie on the left.
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
            let mut window = Window::<f64, 64>::new();
            for (i, value) in values.iter().enumerate() {
                window.push(*value);
                let last = &values[(i + 1).saturating_sub(64)..=i];
                prop_assert_eq!(window.centre(), Some(by_sorting(last)));
                let below = last.iter().filter(|v| *v < value).count() as f64;
                let equal = last.iter().filter(|v| *v == value).count() as f64;
                prop_assert_eq!(window.rank(window.position_of(*value)), (below + 0.5 * equal) / last.len() as f64);
            }
        }
    }

    #[test]
    fn an_empty_window_has_no_centre() {
        assert_eq!(Window::<f64, 64>::new().centre(), None);
        let empty = Window::<f64, 64>::new();
        assert_eq!(empty.rank(empty.position_of(3.0)), 0.5);
    }
}
