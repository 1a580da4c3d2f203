//! Parses the protocols of senders into batches of samples.
//!
//! Contains the parsers, the workspace's naming rules, and the grouping of rows by KPI and series.
//! Pure: bytes in, batches and named rejections out.

pub mod batch_builder;
pub mod influx;
pub mod json;
pub mod keys;
pub mod otlp;
mod protobuf;
pub mod raw_series;
pub mod remote_write;
pub mod rules;
pub mod series_cache;
pub mod statsd;

pub use batch_builder::{Batch, ParsedBatch};
pub use raw_series::{LabelPairs, Protocol, RawSeries};
pub use rules::Rules;
pub use series_cache::SeriesCache;

/// Why a whole request is rejected. The text is fit to show to the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// It is not in its declared format.
    #[error("{0}")]
    Malformed(String),
    /// It has more rows than a request may have.
    #[error("a request may have at most {max_rows} samples; send several")]
    TooMany {
        /// The limit.
        max_rows: usize,
    },
}

/// Parses integer milliseconds since the Unix epoch, or an RFC 3339 date and time. Returns
/// milliseconds.
pub fn parse_time(text: &str) -> Option<i64> {
    match text.parse::<i64>() {
        Ok(ms) => Some(ms),
        // A '+' that was not percent-encoded arrives as a space.
        Err(_) => text.replace(' ', "+").parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond()),
    }
}
