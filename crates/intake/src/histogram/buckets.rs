//! Histograms as buckets, the difference of two of them, and their quantiles.

/// Maximum number of buckets of a histogram.
const MAX_BUCKETS: usize = 4_096;

/// Buckets with their counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Buckets {
    /// `counts` has one entry more than `bounds`. Bucket `i` includes its upper bound `bounds[i]`.
    Explicit { bounds: Vec<f64>, counts: Vec<u64>, min_max: MinMax },
    /// Bucket `i` of `positive` holds values above `base^(offset+i)` up to `base^(offset+i+1)`,
    /// where `base` is `2^(2^-scale)`. `negative` holds the negated values likewise.
    Exponential { scale: i32, zeros: u64, positive: BucketRun, negative: BucketRun, min_max: MinMax },
}

/// Smallest and largest observation, if the sender knows them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct MinMax {
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
}

/// Consecutive buckets.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct BucketRun {
    pub(crate) offset: i32,
    pub(crate) counts: Vec<u64>,
}

impl Buckets {
    /// Checks the consistency of the buckets.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Explicit { bounds, counts, .. } => {
                // A histogram without buckets has count and sum only.
                if counts.len() != bounds.len() + 1 && !(counts.is_empty() && bounds.is_empty()) {
                    return Err(format!("{} bounds need one bucket more, not {}", bounds.len(), counts.len()));
                }
                if bounds.windows(2).any(|pair| pair[0] >= pair[1]) || bounds.iter().any(|bound| bound.is_nan()) {
                    return Err("the bounds of buckets must increase".to_owned());
                }
                too_many(counts.len())
            }
            Self::Exponential { scale, positive, negative, .. } => {
                if !(-10..=20).contains(scale) {
                    return Err(format!("the scale of an exponential histogram is -10 to 20, not {scale}"));
                }
                too_many(positive.counts.len().max(negative.counts.len()))
            }
        }
    }

    /// Checks that the buckets hold `count` observations. A histogram without buckets has count and
    /// sum only.
    pub(crate) fn check_count(&self, count: u64) -> Result<(), String> {
        let total = self.total();
        let has_buckets = match self {
            Self::Explicit { counts, .. } => !counts.is_empty(),
            Self::Exponential { zeros, positive, negative, .. } => {
                *zeros > 0 || !positive.counts.is_empty() || !negative.counts.is_empty()
            }
        };
        if has_buckets && total != count {
            return Err(format!("the count is {count}, but the buckets hold {total}"));
        }
        Ok(())
    }

    /// Number of observations.
    pub(crate) fn total(&self) -> u64 {
        match self {
            Self::Explicit { counts, .. } => sum(counts),
            Self::Exponential { zeros, positive, negative, .. } => {
                zeros.saturating_add(sum(&positive.counts)).saturating_add(sum(&negative.counts))
            }
        }
    }

    /// The observations added since `previous`. `None` if the two are not comparable or a count has
    /// decreased.
    pub(crate) fn since(&self, previous: &Buckets) -> Option<Buckets> {
        match (self, previous) {
            (Self::Explicit { bounds, counts, .. }, Self::Explicit { bounds: old_bounds, counts: old, .. }) => {
                if bounds != old_bounds || counts.len() != old.len() {
                    return None;
                }
                let counts = counts.iter().zip(old).map(|(new, old)| new.checked_sub(*old)).collect::<Option<_>>()?;
                // Smallest and largest cover all observations, not only the added ones.
                Some(Self::Explicit { bounds: bounds.clone(), counts, min_max: MinMax::default() })
            }
            (
                Self::Exponential { scale, zeros, positive, negative, .. },
                Self::Exponential { scale: old_scale, zeros: old_zeros, positive: old_p, negative: old_n, .. },
            ) => {
                let coarse = *scale.min(old_scale);
                let (fine, old_fine) = ((scale - coarse) as u32, (old_scale - coarse) as u32);
                Some(Self::Exponential {
                    scale: coarse,
                    zeros: zeros.checked_sub(*old_zeros)?,
                    positive: positive.coarser(fine).minus(&old_p.coarser(old_fine))?,
                    negative: negative.coarser(fine).minus(&old_n.coarser(old_fine))?,
                    min_max: MinMax::default(),
                })
            }
            _ => None,
        }
    }

    /// The value below which the share `q` of all observations lies. Assumes that observations are
    /// spread evenly over their bucket; for an open outermost bucket, returns its inner bound.
    /// `None` without observations.
    pub(crate) fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let rank = q * total as f64;
        let mut below = 0.0;
        let mut last = None;
        for (lower, upper, count) in self.buckets() {
            if count == 0 {
                continue;
            }
            let count = count as f64;
            if below + count >= rank {
                let part = ((rank - below) / count).clamp(0.0, 1.0);
                return Some(lower + (upper - lower) * part).filter(|value| value.is_finite());
            }
            below += count;
            last = Some(upper);
        }
        last
    }

    /// Lower bound, upper bound and count of each bucket, in order.
    fn buckets(&self) -> Vec<(f64, f64, u64)> {
        match self {
            Self::Explicit { bounds, counts, min_max } => explicit(bounds, counts, *min_max),
            Self::Exponential { scale, zeros, positive, negative, min_max } => {
                let base = (-f64::from(*scale)).exp2();
                let bound = |index: i64| (index as f64 * base).exp2();
                let mut all = Vec::new();
                for (i, count) in negative.counts.iter().enumerate().rev() {
                    let index = i64::from(negative.offset) + i as i64;
                    all.push((-bound(index + 1), -bound(index), *count));
                }
                all.push((0.0, 0.0, *zeros));
                for (i, count) in positive.counts.iter().enumerate() {
                    let index = i64::from(positive.offset) + i as i64;
                    all.push((bound(index), bound(index + 1), *count));
                }
                let (min, max) = (min_max.min.unwrap_or(f64::NEG_INFINITY), min_max.max.unwrap_or(f64::INFINITY));
                // `max` and `min` of f64 ignore a NaN that a sender might send.
                all.into_iter()
                    .map(|(lower, upper, count)| (lower.max(min).min(max), upper.min(max).max(min), count))
                    .collect()
            }
        }
    }
}

fn explicit(bounds: &[f64], counts: &[u64], min_max: MinMax) -> Vec<(f64, f64, u64)> {
    let (Some(first), Some(last)) = (bounds.first().copied(), bounds.last().copied()) else {
        // A single bucket for everything only has its smallest and largest observation.
        let known = min_max.min.zip(min_max.max);
        return known.map_or_else(Vec::new, |(min, max)| vec![(min, max, sum(counts))]);
    };
    let lowest = min_max.min.unwrap_or(if first > 0.0 { 0.0 } else { first }).min(first);
    let highest = min_max.max.unwrap_or(last).max(last);
    let lowers = std::iter::once(lowest).chain(bounds.iter().copied());
    let uppers = bounds.iter().copied().chain(std::iter::once(highest));
    lowers.zip(uppers).zip(counts).map(|((lower, upper), count)| (lower, upper, *count)).collect()
}

fn too_many(buckets: usize) -> Result<(), String> {
    if buckets > MAX_BUCKETS {
        Err(format!("a histogram has at most {MAX_BUCKETS} buckets, not {buckets}"))
    } else {
        Ok(())
    }
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count))
}

impl BucketRun {
    /// Merges each `2^steps` buckets into one.
    fn coarser(&self, steps: u32) -> BucketRun {
        if steps == 0 || self.counts.is_empty() {
            return self.clone();
        }
        let steps = steps.min(31);
        let offset = self.offset >> steps;
        let mut counts: Vec<u64> = Vec::new();
        for (i, count) in self.counts.iter().enumerate() {
            let at = ((i64::from(self.offset) + i as i64) >> steps) - i64::from(offset);
            let at = at as usize;
            if counts.len() <= at {
                counts.resize(at + 1, 0);
            }
            counts[at] = counts[at].saturating_add(*count);
        }
        BucketRun { offset, counts }
    }

    /// The counts minus those of `old`; `None` if any count has decreased.
    fn minus(&self, old: &BucketRun) -> Option<BucketRun> {
        let mut counts = self.counts.clone();
        for (i, count) in old.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let at = i64::from(old.offset) + i as i64 - i64::from(self.offset);
            let own = counts.get_mut(usize::try_from(at).ok()?)?;
            *own = own.checked_sub(*count)?;
        }
        Some(BucketRun { offset: self.offset, counts })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exponential(scale: i32, offset: i32, counts: &[u64]) -> Buckets {
        let positive = BucketRun { offset, counts: counts.to_vec() };
        Buckets::Exponential { scale, zeros: 0, positive, negative: BucketRun::default(), min_max: MinMax::default() }
    }

    #[test]
    fn quantiles_are_interpolated_within_their_bucket() {
        let shape = Buckets::Explicit { bounds: vec![10.0, 20.0], counts: vec![5, 10, 0], min_max: MinMax::default() };
        assert_eq!(shape.quantile(0.0), Some(0.0));
        assert_eq!(shape.quantile(1.0 / 3.0), Some(10.0));
        assert_eq!(shape.quantile(2.0 / 3.0), Some(15.0));
        let open = Buckets::Explicit { bounds: vec![10.0], counts: vec![0, 4], min_max: MinMax::default() };
        assert_eq!(open.quantile(0.99), Some(10.0));
        let known = Buckets::Explicit {
            bounds: vec![10.0],
            counts: vec![0, 4],
            min_max: MinMax { min: None, max: Some(30.0) },
        };
        assert_eq!(known.quantile(0.5), Some(20.0));
        assert_eq!(exponential(0, 1, &[1]).quantile(0.5), Some(3.0));
        assert_eq!(exponential(0, 1, &[]).quantile(0.5), None);
    }

    #[test]
    fn difference_works_across_scales() {
        // Scale 1 has buckets up to 2^0.5, 2, 2^1.5, 4; scale 0 has 2, 4.
        let previous = exponential(1, 0, &[1, 0, 2, 0]);
        let after = exponential(0, 0, &[3, 5]);
        assert_eq!(after.since(&previous), Some(exponential(0, 0, &[2, 3])));
        assert_eq!(previous.since(&after), None, "less than previous");
        let moved = exponential(1, -2, &[4, 0, 1, 0, 2]);
        assert_eq!(moved.since(&previous), Some(exponential(1, -2, &[4, 0, 0, 0, 0])));
    }

    proptest! {
        #[test]
        fn difference_inverts_addition(scale in -3i32..4, offset in -20i32..20, a in proptest::collection::vec(0u64..9, 0..20),
                b in proptest::collection::vec(0u64..9, 0..20), q in 0.0f64..1.0) {
            let length = a.len().max(b.len());
            let at = |counts: &[u64], i: usize| counts.get(i).copied().unwrap_or(0);
            let both: Vec<u64> = (0..length).map(|i| at(&a, i) + at(&b, i)).collect();
            let added = exponential(scale, offset, &both).since(&exponential(scale, offset, &a)).unwrap();
            prop_assert_eq!(added.quantile(q), exponential(scale, offset, &b).quantile(q));
        }

        #[test]
        fn quantiles_never_decrease(counts in proptest::collection::vec(0u64..9, 4), p in 0.0f64..1.0, q in 0.0f64..1.0) {
            let shape = Buckets::Explicit { bounds: vec![-5.0, 0.0, 5.0], counts, min_max: MinMax::default() };
            let (low, high) = (shape.quantile(p.min(q)), shape.quantile(p.max(q)));
            prop_assert!(low <= high, "{low:?} {high:?}");
        }

        #[test]
        fn extreme_shapes_never_panic(scale in -10i32..=20, offset: i32, counts in proptest::collection::vec(any::<u64>(), 0..5), other: i32) {
            let run = |offset, counts: &[u64]| BucketRun { offset, counts: counts.to_vec() };
            let shape = |offset| Buckets::Exponential { scale, zeros: u64::MAX, positive: run(offset, &counts), negative: run(other, &counts),
                min_max: MinMax { min: Some(f64::NAN), max: None } };
            let _ = shape(offset).since(&shape(other)).map(|added| added.quantile(0.5));
            let _ = shape(offset).quantile(0.99);
        }
    }
}
