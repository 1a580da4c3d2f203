//! Parses Prometheus remote write 1.0 and 2.0: snappy around a protobuf `WriteRequest`
//! (prometheus/prompb `remote.proto` and `types.proto`) or `Request`
//! (prometheus/prompb `io/prometheus/write/v2/types.proto`).
//!
//! A known series costs no allocation: the bytes of its labels are its key, and they are parsed for
//! new series only. A staleness marker ends its series. Any other NaN is legal in Prometheus but
//! cannot be scored, so it is dropped without an error. Native histograms become count, sum and
//! quantiles, as those of OTLP do.
//!
//! Rows are time series, numbered from 0.

mod metadata;
mod native_histogram;
mod points;
mod v1;
mod v2;

use super::batch_builder::Batch;
use super::error::IntakeError;
use earcon_model::RejectedRow;

pub(super) use metadata::Families;

/// Bytes of a time series with few labels and one sample.
const USUAL_SERIES: usize = 100;

/// A version of the protocol. The content type of a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

/// The content of a request, to answer how much of it was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Samples of all series that can be read.
    samples: usize,
    /// Native histograms of all series that can be read.
    histograms: usize,
    /// The rows that have native histograms, ascending, with their number.
    histogram_rows: Vec<(u32, usize)>,
}

impl Sent {
    /// How many samples and native histograms were taken, if these rows were rejected. Samples that
    /// are dropped without an error count as taken.
    pub fn taken(&self, rejected: &[RejectedRow]) -> (usize, usize) {
        let histograms = |row: u32| self.histogram_rows.binary_search_by_key(&row, |(row, _)| *row).ok();
        let mut lost: Vec<usize> = rejected.iter().filter_map(|rejected| histograms(rejected.row)).collect();
        // A series whose samples are refused is named once for each of them.
        let samples = self.samples.saturating_sub(rejected.len() - lost.len());
        lost.sort_unstable();
        lost.dedup();
        let lost: usize = lost.into_iter().map(|at| self.histogram_rows[at].1).sum();
        (samples, self.histograms.saturating_sub(lost))
    }

    fn count(&mut self, row: u32, points: &points::Points<'_>) {
        self.samples += points.samples.len();
        if !points.histograms.is_empty() {
            self.histograms += points.histograms.len();
            self.histogram_rows.push((row, points.histograms.len()));
        }
    }
}

/// Notices a body of the other version: all its fields are unknown.
#[derive(Debug, Default)]
struct FieldsSeen {
    known: bool,
    unknown: bool,
}

impl FieldsSeen {
    fn see(&mut self, known: bool) {
        self.known |= known;
        self.unknown |= !known;
    }

    /// Fails if there are fields, but none of this version.
    fn check(&self, version: Version) -> Result<(), IntakeError> {
        if self.known || !self.unknown {
            return Ok(());
        }
        let (name, other, content_type) = match version {
            Version::V1 => ("1.0", "2.0", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
            Version::V2 => ("2.0", "1.0", "application/x-protobuf;proto=prometheus.WriteRequest"),
        };
        Err(IntakeError::Malformed(format!(
            "the body has no field of remote write {name}; send a body of {other} with the content type {content_type}"
        )))
    }
}

/// Parses an uncompressed request.
///
/// # Errors
/// The body is not protobuf of this version, or has too many samples.
pub fn parse(version: Version, request: &[u8], batch: &mut Batch<'_>) -> Result<Sent, IntakeError> {
    batch.expect(request.len(), USUAL_SERIES);
    match version {
        Version::V1 => v1::parse(request, batch),
        Version::V2 => v2::parse(request, batch),
    }
}

/// Decompresses the snappy block of a body, up to `max_bytes`.
///
/// # Errors
/// The body is not a snappy block, or its content is too large. The size is checked before
/// decompression.
pub fn decompress(body: &[u8], max_bytes: usize) -> Result<Vec<u8>, DecompressError> {
    let length = snap::raw::decompress_len(body).map_err(|error| DecompressError::Damaged(error.to_string()))?;
    if length > max_bytes {
        return Err(DecompressError::TooLarge { length, max_bytes });
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(|error| DecompressError::Damaged(error.to_string()))
}

/// Why a body cannot be decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// It is not a snappy block.
    #[error("the body is not a snappy block: {0}")]
    Damaged(String),
    /// Its content is too large.
    #[error("the decompressed body has {length} bytes; the limit is {max_bytes}")]
    TooLarge {
        /// Size of the content.
        length: usize,
        /// The limit.
        max_bytes: usize,
    },
}

#[cfg(test)]
mod tests;
