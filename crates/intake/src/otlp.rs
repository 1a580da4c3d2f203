//! Rows out of OTLP metrics (opentelemetry-proto `metrics/v1/metrics.proto`), in protobuf or JSON.
//!
//! * A gauge is a gauge; a sum that is monotonic and cumulative is a counter, any other cumulative sum a gauge; a delta
//!   becomes its rate per second over the time it was collected in.
//! * A histogram becomes `name.count` and `name.sum` (as sums above), and `name.p50`, `name.p95`, `name.p99` of what was
//!   observed since the point before: a delta says it itself, of a cumulative one the point before is kept ([`Buckets`]).
//! * A summary becomes `name.count`, `name.sum`, and `name.pNN` of each quantile it brings.
//! * A point that says "no recorded value" ends its series.
//!
//! Rows are data points, numbered from 0 through the whole request.

mod decode;
mod histogram;
mod json;
mod points;
mod quantile;
mod request;

pub use decode::parse_protobuf;
pub use histogram::Buckets;
pub use json::parse_json;

#[cfg(test)]
mod tests;
