//! What a request says, whichever encoding it came in.

use crate::LabelPairs;

/// Over which time the values of a metric add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temporality {
    Unspecified,
    Delta,
    Cumulative,
}

impl Temporality {
    /// The enumeration of the protocol.
    pub(super) fn of(number: u64) -> Self {
        match number {
            1 => Self::Delta,
            2 => Self::Cumulative,
            _ => Self::Unspecified,
        }
    }
}

/// What kind of points a metric has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Sum { temporality: Temporality, monotonic: bool },
    Histogram(Temporality),
    Summary,
}

/// What the points of a metric have in common.
pub(super) struct Metric<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    /// Attributes of the resource.
    pub(super) resource: &'a LabelPairs<'a>,
}

/// One data point.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point<'a> {
    pub(super) attributes: LabelPairs<'a>,
    /// Nanoseconds since 1970; 0 is unknown.
    pub(super) start_ns: u64,
    /// Nanoseconds since 1970; 0 is unknown.
    pub(super) time_ns: u64,
    /// There is no value: the series has ended, for now.
    pub(super) no_value: bool,
    pub(super) body: Body,
}

/// What a point holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    Empty,
    Number(f64),
    Histogram { count: u64, sum: Option<f64>, buckets: super::quantile::Shape },
    Summary { count: u64, sum: f64, quantiles: Vec<(f64, f64)> },
}
