//! Parses Prometheus remote write 1.0: snappy around a protobuf `WriteRequest` (prometheus/prompb
//! `remote.proto` and `types.proto`). Nothing is copied: the bytes of a series' labels are its key,
//! and they are parsed for new series only.
//!
//! A staleness marker ends its series. Any other NaN is legal in Prometheus but cannot be scored,
//! so it is dropped without an error, as are native histograms.

use std::borrow::Cow;

use super::batch_builder::Batch;
use super::error::IntakeError;
use super::protobuf::{Fields, Malformed, Value};
use super::raw_series::{LabelPairs, Protocol, RawSeries};

/// Prometheus' staleness marker: a NaN with these bits (prometheus/model/value `StaleNaN`).
const STALE: u64 = 0x7ff0_0000_0000_0002;

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

/// Bytes of a time series with few labels and one sample.
const USUAL_SERIES: usize = 100;

/// Parses an uncompressed `WriteRequest`. Rows are numbered by time series, from 0.
///
/// # Errors
/// The body is not protobuf, or has too many samples.
pub fn parse(request: &[u8], batch: &mut Batch<'_>) -> Result<(), IntakeError> {
    let malformed =
        |_: Malformed| IntakeError::Malformed("the body is not a WriteRequest of remote write 1.0".to_owned());
    batch.expect(request.len(), USUAL_SERIES);
    let mut fields = Fields::new(request);
    let mut scratch = Scratch::default();
    let mut row = 0;
    while let Some((number, value)) = fields.next().map_err(malformed)? {
        if let (1, Value::Bytes(series)) = (number, value) {
            match scratch.read(series) {
                Ok(()) => add(batch, row, series, &scratch)?,
                // Its length was valid, so the following series can be read.
                Err(Malformed) => batch.reject(row, "the time series is damaged".to_owned())?,
            }
            row += 1;
        }
    }
    Ok(())
}

/// The content of a time series; reused from series to series to save allocations.
#[derive(Default)]
struct Scratch {
    samples: Vec<(i64, f64)>,
    histograms: usize,
    /// Bytes of all labels if they are not contiguous. That is legal, but no known sender does it.
    scattered: Option<Vec<u8>>,
    /// Position of the labels in the message if they are contiguous.
    labels: std::ops::Range<usize>,
}

impl Scratch {
    fn read(&mut self, series: &[u8]) -> Result<(), Malformed> {
        self.samples.clear();
        self.histograms = 0;
        self.scattered = None;
        self.labels = 0..0;
        let mut fields = Fields::new(series);
        let mut at = 0;
        while let Some((number, value)) = fields.next()? {
            let next = series.len() - fields.rest().len();
            match (number, value) {
                (1, Value::Bytes(_)) => self.label(series, at, next),
                (2, Value::Bytes(sample)) => self.samples.push(read_sample(sample)?),
                (4, Value::Bytes(_)) => self.histograms += 1,
                _ => {}
            }
            at = next;
        }
        Ok(())
    }

    fn label(&mut self, series: &[u8], at: usize, next: usize) {
        match &mut self.scattered {
            Some(bytes) => bytes.extend_from_slice(&series[at..next]),
            None if self.labels.is_empty() => self.labels = at..next,
            None if self.labels.end == at => self.labels.end = next,
            None => {
                let mut bytes = series[self.labels.clone()].to_vec();
                bytes.extend_from_slice(&series[at..next]);
                self.scattered = Some(bytes);
            }
        }
    }
}

fn read_sample(sample: &[u8]) -> Result<(i64, f64), Malformed> {
    let (mut timestamp, mut number) = (0, 0.0);
    let mut fields = Fields::new(sample);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Fixed64(bits)) => number = f64::from_bits(bits),
            (2, Value::Varint(value)) => timestamp = value as i64,
            _ => {}
        }
    }
    Ok((timestamp, number))
}

fn add(batch: &mut Batch<'_>, row: u32, series: &[u8], read: &Scratch) -> Result<(), IntakeError> {
    let labels = read.scattered.as_deref().unwrap_or(&series[read.labels.clone()]);
    let key = batch.keys().key(Protocol::Prometheus, labels);
    let destination = batch.destination(key, || raw_series(labels));
    for &(timestamp_ms, value) in &read.samples {
        if value.to_bits() == STALE {
            batch.end(destination, timestamp_ms)?;
        } else if value.is_finite() {
            batch.push(destination, row, Some(timestamp_ms), value)?;
        } else {
            batch.ignore()?;
        }
    }
    for _ in 0..read.histograms {
        batch.ignore()?;
    }
    Ok(())
}

/// The series with these labels.
fn raw_series(labels: &[u8]) -> Result<RawSeries<'_>, String> {
    let mut name = None;
    let mut pairs = LabelPairs::new();
    let mut fields = Fields::new(labels);
    while let Ok(Some((_, Value::Bytes(label)))) = fields.next() {
        let (key, value) = read_label(label)?;
        if key != "__name__" {
            pairs.push((key.into(), value.into()));
        } else if name.replace(Cow::Borrowed(value)).is_some() {
            return Err("a time series must have one label __name__".to_owned());
        }
    }
    let name = name.ok_or("a time series must have a label __name__")?;
    Ok(RawSeries { protocol: Protocol::Prometheus, name, labels: pairs, resource: LabelPairs::new(), reading: None })
}

fn read_label(label: &[u8]) -> Result<(&str, &str), String> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "labels must be UTF-8".to_owned());
    let (mut key, mut value) = ("", "");
    let mut fields = Fields::new(label);
    while let Some(field) = fields.next().map_err(|Malformed| "a label is damaged".to_owned())? {
        match field {
            (1, Value::Bytes(bytes)) => key = text(bytes)?,
            (2, Value::Bytes(bytes)) => value = text(bytes)?,
            _ => {}
        }
    }
    Ok((key, value))
}

#[cfg(test)]
mod tests;
