//! The content of a request, independent of its encoding.

use super::attribute::Attributes;
use crate::histogram::Buckets;

/// The period over which the values of a metric accumulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temporality {
    Unspecified,
    Delta,
    Cumulative,
}

impl Temporality {
    /// From the protocol's enumeration.
    pub(super) fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Delta,
            2 => Self::Cumulative,
            _ => Self::Unspecified,
        }
    }
}

/// The kind of a metric's points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Sum { temporality: Temporality, monotonic: bool },
    Histogram(Temporality),
    Summary,
}

/// The common properties of a metric's points.
pub(super) struct Metric<'a> {
    pub(super) name: &'a str,
    /// A sentence about it.
    pub(super) description: &'a str,
    /// A code of UCUM.
    pub(super) unit: &'a str,
    pub(super) kind: Kind,
    /// Attributes of the resource.
    pub(super) resource: &'a Attributes<'a>,
}

/// One data point.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point<'a> {
    pub(super) attributes: Attributes<'a>,
    /// Nanoseconds since 1970; 0 means unknown.
    pub(super) start_ns: u64,
    /// Nanoseconds since 1970; 0 means unknown.
    pub(super) time_ns: u64,
    /// There is no value: the series has ended for now.
    pub(super) no_value: bool,
    pub(super) body: Body,
}

/// The value of a point.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    Empty,
    Number(f64),
    Histogram { count: u64, sum: Option<f64>, buckets: Buckets },
    Summary { count: u64, sum: f64, quantiles: Vec<(f64, f64)> },
}
