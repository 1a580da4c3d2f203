//! Keeps the newest points of cumulative histograms. The difference of the buckets of two points
//! gives the observations between them.
//!
//! Bounded like the series cache, by two generations. A dropped entry costs the quantiles of one
//! point only. In a cluster, each node compares with the point that it received last.

use super::quantile::Shape;
use crate::keys::KeyMap;

/// The newest points, by series.
#[derive(Debug)]
pub struct Buckets {
    /// Maximum number of histograms in a generation.
    bound: usize,
    young: KeyMap<Kept>,
    old: KeyMap<Kept>,
}

#[derive(Debug, Clone)]
struct Kept {
    latest: At,
    /// The previous point, so that a repeated point gives the same result again.
    before: Option<At>,
}

#[derive(Debug, Clone)]
struct At {
    start_ns: u64,
    time_ns: u64,
    shape: Shape,
}

impl Buckets {
    /// Holds about `bound` histograms.
    pub fn new(bound: usize) -> Self {
        Self { bound: (bound / 2).max(1), young: KeyMap::default(), old: KeyMap::default() }
    }

    /// The observations since the previous point. `None` for a first point, or one out of order.
    pub(super) fn since_before(&mut self, key: u128, start_ns: u64, time_ns: u64, shape: &Shape) -> Option<Shape> {
        let kept = self.young.remove(&key).or_else(|| self.old.remove(&key));
        let now = At { start_ns, time_ns, shape: shape.clone() };
        let (kept, added) = match kept {
            None => (Kept { latest: now, before: None }, None),
            Some(kept) if time_ns < kept.latest.time_ns => (kept, None),
            Some(kept) if time_ns == kept.latest.time_ns => {
                let added = kept.before.as_ref().and_then(|before| now.since(before));
                (Kept { latest: now, before: kept.before }, added)
            }
            Some(kept) => {
                let added = now.since(&kept.latest);
                (Kept { latest: now, before: Some(kept.latest) }, added)
            }
        };
        if self.young.len() >= self.bound {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, kept);
        added
    }
}

impl At {
    fn since(&self, before: &At) -> Option<Shape> {
        // It restarted after the previous point: all observations are new.
        let began_anew = self.start_ns != before.start_ns && self.start_ns >= before.time_ns;
        if began_anew { Some(self.shape.clone()) } else { self.shape.since(&before.shape) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::quantile::Ends;
    use super::*;

    fn shape(counts: &[u64]) -> Shape {
        Shape::Explicit { bounds: vec![1.0], counts: counts.to_vec(), ends: Ends::default() }
    }

    #[test]
    fn differences_are_of_neighbouring_points_and_the_same_when_sent_again() {
        let mut buckets = Buckets::new(10);
        let mut next = |start, time, counts: &[u64]| buckets.since_before(1, start, time, &shape(counts));
        assert_eq!(next(1, 10, &[5, 5]), None);
        assert_eq!(next(1, 20, &[6, 8]), Some(shape(&[1, 3])));
        assert_eq!(next(1, 20, &[6, 8]), Some(shape(&[1, 3])), "sent again");
        assert_eq!(next(1, 15, &[5, 6]), None, "late");
        assert_eq!(next(25, 30, &[2, 0]), Some(shape(&[2, 0])), "began anew");
        assert_eq!(next(25, 40, &[1, 0]), None, "less, and nobody said why");
    }

    #[test]
    fn the_bound_holds() {
        let mut buckets = Buckets::new(10);
        for key in 0..1_000 {
            buckets.since_before(key, 0, 1, &shape(&[1, 1]));
        }
        assert!(buckets.young.len() + buckets.old.len() <= 10);
        assert!(buckets.since_before(999, 0, 2, &shape(&[2, 1])).is_some());
    }
}
