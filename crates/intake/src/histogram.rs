//! Histograms of any protocol: their buckets, and the quantiles of the observations since the
//! previous point.

mod buckets;
mod cache;

pub(crate) use buckets::{BucketRun, Buckets, MinMax};
pub(crate) use cache::{HistogramCache, Observed};

/// Quantiles that become series, with the suffix of their KPI.
const QUANTILES: [(f64, &str); 3] = [(0.5, ".p50"), (0.95, ".p95"), (0.99, ".p99")];

/// Suffix and value of each quantile. Empty without observations.
pub(crate) fn quantiles(added: Option<&Buckets>) -> impl Iterator<Item = (&'static str, f64)> {
    QUANTILES.into_iter().filter_map(move |(quantile, suffix)| Some((suffix, added?.quantile(quantile)?)))
}
