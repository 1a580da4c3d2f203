//! Keeps the newest points of cumulative histograms. The difference of the buckets of two points
//! gives the observations between them.
//!
//! Bounded like the series cache, by two generations. A dropped entry costs the quantiles of one
//! point only. In a cluster, each node compares with the point that it received last.

use super::buckets::Buckets;
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

/// A point of a cumulative histogram.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    /// When counting began; 0 if the sender does not say.
    pub(crate) start_ns: u64,
    /// When it was observed.
    pub(crate) time_ns: u64,
    /// All observations since the start.
    pub(crate) buckets: Buckets,
}

impl HistogramCache {
    /// Holds about `bound` histograms.
    pub(crate) fn new(bound: usize) -> Self {
        Self { bound: (bound / 2).max(1), young: KeyMap::default(), old: KeyMap::default() }
    }

    /// The observations since the previous point. `None` for a first point, or one out of order.
    /// With `less_is_a_restart`, a histogram that holds less than before has begun again.
    pub(crate) fn added_since_previous(
        &mut self,
        key: u128,
        now: Observed,
        less_is_a_restart: bool,
    ) -> Option<Buckets> {
        let kept = self.young.remove(&key).or_else(|| self.old.remove(&key));
        let (kept, added) = match kept {
            None => (Kept { latest: now, previous: None }, None),
            Some(kept) if now.time_ns < kept.latest.time_ns => (kept, None),
            Some(kept) if now.time_ns == kept.latest.time_ns => {
                let added = kept.previous.as_ref().and_then(|previous| now.since(previous, less_is_a_restart));
                (Kept { latest: now, previous: kept.previous }, added)
            }
            Some(kept) => {
                let added = now.since(&kept.latest, less_is_a_restart);
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
    fn since(&self, previous: &Observed, less_is_a_restart: bool) -> Option<Buckets> {
        // It restarted after the previous point: all observations are new.
        let restarted = (self.start_ns != previous.start_ns && self.start_ns >= previous.time_ns)
            || (less_is_a_restart && self.buckets.total() < previous.buckets.total());
        if restarted { Some(self.buckets.clone()) } else { self.buckets.since(&previous.buckets) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::buckets::MinMax;
    use super::*;

    fn buckets(counts: &[u64]) -> Buckets {
        Buckets::Explicit { bounds: vec![1.0], counts: counts.to_vec(), min_max: MinMax::default() }
    }

    #[test]
    fn repeated_point_gives_the_same_difference() {
        let mut cache = HistogramCache::new(10);
        let mut next = |start_ns, time_ns, counts: &[u64]| {
            cache.added_since_previous(1, Observed { start_ns, time_ns, buckets: buckets(counts) }, false)
        };
        assert_eq!(next(1, 10, &[5, 5]), None);
        assert_eq!(next(1, 20, &[6, 8]), Some(buckets(&[1, 3])));
        assert_eq!(next(1, 20, &[6, 8]), Some(buckets(&[1, 3])), "sent again");
        assert_eq!(next(1, 15, &[5, 6]), None, "late");
        assert_eq!(next(25, 30, &[2, 0]), Some(buckets(&[2, 0])), "restarted");
        assert_eq!(next(25, 40, &[1, 0]), None, "decreased without a restart");
    }

    #[test]
    fn less_than_before_is_a_restart_where_the_protocol_says_so() {
        let mut cache = HistogramCache::new(10);
        let mut next = |time_ns, counts: &[u64]| {
            cache.added_since_previous(1, Observed { start_ns: 0, time_ns, buckets: buckets(counts) }, true)
        };
        assert_eq!(next(10, &[5, 5]), None);
        assert_eq!(next(20, &[2, 1]), Some(buckets(&[2, 1])));
        assert_eq!(next(30, &[2, 3]), Some(buckets(&[0, 2])));
    }

    #[test]
    fn the_bound_holds() {
        let mut cache = HistogramCache::new(10);
        for key in 0..1_000 {
            cache.added_since_previous(key, Observed { start_ns: 0, time_ns: 1, buckets: buckets(&[1, 1]) }, false);
        }
        assert!(cache.young.len() + cache.old.len() <= 10);
        let now = Observed { start_ns: 0, time_ns: 2, buckets: buckets(&[2, 1]) };
        assert!(cache.added_since_previous(999, now, false).is_some());
    }
}
