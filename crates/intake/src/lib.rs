//! Parses the protocols of senders into batches of samples.
//!
//! Contains the parsers, the workspace's naming rules, and the grouping of rows by KPI and series.
//! Pure: bytes in, batches and named rejections out.

pub mod batch_builder;
pub mod collectd;
mod course;
mod error;
mod histogram;
pub mod influx;
pub mod json;
mod json_problem;
pub mod keys;
pub mod naming;
mod opened;
pub mod otlp;
mod protobuf;
pub mod raw_series;
pub mod remote_write;
pub mod rules;
pub mod series_cache;
pub mod statsd;
mod strict_json;
mod time;

pub use batch_builder::{Batch, NativeRow, ParsedBatch};
pub use error::IntakeError;
pub use json_problem::{json_problem, plain_problem};
pub use raw_series::{LabelPairs, Protocol, RawSeries, Stated};
pub use rules::Rules;
pub use series_cache::SeriesCache;
pub use strict_json::without_bom;
pub use time::{has_impossible_offset, other_unit, parse_time};

#[cfg(test)]
mod merges;
#[cfg(test)]
mod spellings;
