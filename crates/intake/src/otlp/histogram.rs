//! Keeps the newest points of cumulative histograms. The difference of the buckets of two points
//! gives the observations between them.
//!
//! Bounded like the series cache, by two generations. A dropped entry costs the quantiles of one
//! point only. In a cluster, each node compares with the point that it received last.

use super::quantile::Buckets;
use crate::keys::KeyMap;

/// The newest points, by series.
#[derive(Debug)]
pub(crate) struct HistogramCache {
    /// Maximum number of histograms in a generation.
    bound: usize,
    young: KeyMap<Kept>,
    old: KeyMap<Kept>,
}

#[derive(Debug, Clone)]
struct Kept {
    latest: Observed,
    /// The previous point, so that a repeated point gives the same result again.
    previous: Option<Observed>,
}

#[derive(Debug, Clone)]
struct Observed {
    start_ns: u64,
    time_ns: u64,
    buckets: Buckets,
}

impl HistogramCache {
    /// Holds about `bound` histograms.
    pub(crate) fn new(bound: usize) -> Self {
        Self { bound: (bound / 2).max(1), young: KeyMap::default(), old: KeyMap::default() }
    }

    /// The observations since the previous point. `None` for a first point, or one out of order.
    pub(super) fn added_since_previous(
        &mut self,
        key: u128,
        start_ns: u64,
        time_ns: u64,
        buckets: &Buckets,
    ) -> Option<Buckets> {
        let kept = self.young.remove(&key).or_else(|| self.old.remove(&key));
        let now = Observed { start_ns, time_ns, buckets: buckets.clone() };
        let (kept, added) = match kept {
            None => (Kept { latest: now, previous: None }, None),
            Some(kept) if time_ns < kept.latest.time_ns => (kept, None),
            Some(kept) if time_ns == kept.latest.time_ns => {
                let added = kept.previous.as_ref().and_then(|previous| now.since(previous));
                (Kept { latest: now, previous: kept.previous }, added)
            }
            Some(kept) => {
                let added = now.since(&kept.latest);
                (Kept { latest: now, previous: Some(kept.latest) }, added)
            }
        };
        if self.young.len() >= self.bound {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, kept);
        added
    }
}

impl Observed {
    fn since(&self, previous: &Observed) -> Option<Buckets> {
        // It restarted after the previous point: all observations are new.
        let restarted = self.start_ns != previous.start_ns && self.start_ns >= previous.time_ns;
        if restarted { Some(self.buckets.clone()) } else { self.buckets.since(&previous.buckets) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::quantile::MinMax;
    use super::*;

    fn buckets(counts: &[u64]) -> Buckets {
        Buckets::Explicit { bounds: vec![1.0], counts: counts.to_vec(), min_max: MinMax::default() }
    }

    #[test]
    fn repeated_point_gives_the_same_difference() {
        let mut cache = HistogramCache::new(10);
        let mut next = |start, time, counts: &[u64]| cache.added_since_previous(1, start, time, &buckets(counts));
        assert_eq!(next(1, 10, &[5, 5]), None);
        assert_eq!(next(1, 20, &[6, 8]), Some(buckets(&[1, 3])));
        assert_eq!(next(1, 20, &[6, 8]), Some(buckets(&[1, 3])), "sent again");
        assert_eq!(next(1, 15, &[5, 6]), None, "late");
        assert_eq!(next(25, 30, &[2, 0]), Some(buckets(&[2, 0])), "restarted");
        assert_eq!(next(25, 40, &[1, 0]), None, "decreased without a restart");
    }

    #[test]
    fn the_bound_holds() {
        let mut cache = HistogramCache::new(10);
        for key in 0..1_000 {
            cache.added_since_previous(key, 0, 1, &buckets(&[1, 1]));
        }
        assert!(cache.young.len() + cache.old.len() <= 10);
        assert!(cache.added_since_previous(999, 0, 2, &buckets(&[2, 1])).is_some());
    }
}
