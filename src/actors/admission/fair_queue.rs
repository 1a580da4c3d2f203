//! A queue that is fair to senders, not to batches.
//!
//! Self-clocked fair queueing (Golestani, 1994): each item gets a finish tag, which is the later of
//! its sender's last tag and the tag of the item in service, plus its cost. The item with the
//! least tag is next. So a small item passes the large ones of others, and two senders that always
//! have something to send get equal shares.

use std::collections::{BTreeMap, HashMap};

/// Items that wait.
pub(super) struct FairQueue<T> {
    /// By finish tag, then in order of arrival.
    items: BTreeMap<(u64, u64), Waiting<T>>,
    /// The last finish tag of each sender that waits or was served lately.
    tags: HashMap<u64, u64>,
    /// The tag of the item that was served last.
    now: u64,
    arrived: u64,
}

struct Waiting<T> {
    cost: usize,
    item: T,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), tags: HashMap::new(), now: 0, arrived: 0 }
    }
}

impl<T> FairQueue<T> {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds an item of a sender.
    pub(super) fn push(&mut self, sender: u64, cost: usize, item: T) {
        let tag = self.tags.entry(sender).or_default();
        *tag = (*tag).max(self.now).saturating_add(cost as u64);
        self.arrived += 1;
        self.items.insert((*tag, self.arrived), Waiting { cost, item });
    }

    /// The cost of the next item.
    pub(super) fn next_cost(&self) -> Option<usize> {
        self.items.first_key_value().map(|(_, waiting)| waiting.cost)
    }

    /// Takes the next item.
    pub(super) fn pop(&mut self) -> Option<T> {
        let ((tag, _), waiting) = self.items.pop_first()?;
        self.now = tag;
        if self.items.is_empty() {
            // Earlier service counts against no sender when nothing waits.
            *self = Self::default();
        } else if self.tags.len() > 2 * self.items.len() + 16 {
            // A tag in the past has no effect.
            self.tags.retain(|_, tag| *tag > self.now);
        }
        Some(waiting.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut FairQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn a_small_item_passes_the_large_ones_of_others() {
        let mut queue = FairQueue::default();
        for sender in 1..9 {
            queue.push(sender, 50_000, "large");
        }
        queue.push(9, 100, "small");
        assert_eq!((queue.next_cost(), queue.pop()), (Some(100), Some("small")));
        assert_eq!(drain(&mut queue).len(), 8);
        assert!(queue.is_empty() && queue.tags.is_empty());
    }

    #[test]
    fn the_items_of_one_sender_stay_in_order() {
        let mut queue = FairQueue::default();
        [("a", 900), ("b", 1), ("c", 500)].into_iter().for_each(|(item, cost)| queue.push(1, cost, item));
        assert_eq!(drain(&mut queue), ["a", "b", "c"]);
    }

    #[test]
    fn two_senders_that_always_wait_get_equal_shares() {
        let mut queue = FairQueue::default();
        (0..100).for_each(|_| queue.push(1, 1_000, "large"));
        (0..1_000).for_each(|_| queue.push(2, 100, "small"));
        let served: Vec<_> = (0..550).filter_map(|_| queue.pop()).collect();
        let large = served.iter().filter(|item| **item == "large").count();
        assert!((49..=51).contains(&large), "{large} of 100 large ones while 500 of 1,000 small ones");
    }

    #[test]
    fn a_sender_that_begins_late_is_not_owed_the_past() {
        let mut queue = FairQueue::default();
        (0..10).for_each(|_| queue.push(1, 100, "first"));
        assert_eq!((0..5).filter_map(|_| queue.pop()).count(), 5);
        (0..5).for_each(|_| queue.push(2, 100, "second"));
        let next: Vec<_> = (0..4).filter_map(|_| queue.pop()).collect();
        assert_eq!(next.iter().filter(|item| **item == "first").count(), 2, "{next:?}");
    }
}
