//! Parses OTLP metrics (opentelemetry-proto `metrics/v1/metrics.proto`), in protobuf or JSON.
//!
//! - A gauge is a gauge. A monotonic cumulative sum is a counter, any other cumulative sum a gauge.
//!   A delta becomes its rate per second over its collection interval.
//! - A histogram becomes `name.count` and `name.sum` (as sums above), and `name.p50`, `name.p95`,
//!   `name.p99` of the observations since the previous point. A delta contains just these. For a
//!   cumulative histogram the previous point is kept (`HistogramCache`).
//! - A summary becomes `name.count`, `name.sum`, and `name.pNN` of each of its quantiles.
//! - A point with "no recorded value" ends its series.
//!
//! Rows are data points, numbered from 0 through the whole request.

mod attribute;
mod decode;
mod json;
mod points;
mod request;

pub use decode::parse_protobuf;
pub use json::parse_json;

#[cfg(test)]
mod tests;
