//! Version 1: labels in each series, metadata of families in requests of their own.

use std::borrow::Cow;

use super::metadata::{Family, MetricType};
use super::points::Points;
use super::{FieldsSeen, Sent, Version};
use crate::batch_builder::Batch;
use crate::course::RawName;
use crate::error::IntakeError;
use crate::protobuf::{Fields, Malformed, Value};
use crate::raw_series::{LabelPairs, Protocol, RawSeries};

pub(super) fn parse(request: &[u8], batch: &mut Batch<'_>) -> Result<Sent, IntakeError> {
    let malformed =
        |_: Malformed| IntakeError::Malformed("the body is not a WriteRequest of remote write 1.0".to_owned());
    remember_families(request, batch).map_err(malformed)?;
    let mut fields = Fields::new(request);
    let mut scratch = Scratch::default();
    let mut sent = Sent::default();
    let mut row = 0;
    let mut seen = FieldsSeen::default();
    while let Some((number, value)) = fields.next().map_err(malformed)? {
        seen.see(matches!(number, 1 | 3));
        if let (1, Value::Bytes(series)) = (number, value) {
            match scratch.read(series) {
                Ok(()) => add(batch, row, series, &scratch, &mut sent)?,
                // Its length was valid, so the following series can be read.
                Err(Malformed) => batch.reject(row, "the time series is damaged".to_owned())?,
            }
            row += 1;
        }
    }
    seen.check(Version::V1)?;
    Ok(sent)
}

/// Remembers the messages `MetricMetadata`. A damaged one is skipped, because it has no samples.
fn remember_families(request: &[u8], batch: &Batch<'_>) -> Result<(), Malformed> {
    let mut stated = Vec::new();
    let mut fields = Fields::new(request);
    while let Some(field) = fields.next()? {
        if let (3, Value::Bytes(metadata)) = field {
            stated.extend(family(metadata));
        }
    }
    if !stated.is_empty() {
        batch.cache().families().remember(stated.into_iter());
    }
    Ok(())
}

fn family(metadata: &[u8]) -> Option<(&str, Family<'_>)> {
    let (mut name, mut kind, mut unit, mut help) = (None, MetricType::Unknown, "", "");
    let mut fields = Fields::new(metadata);
    while let Some(field) = fields.next().ok()? {
        match field {
            (1, Value::Varint(number)) => kind = MetricType::from_number(number),
            (2, Value::Bytes(bytes)) => name = std::str::from_utf8(bytes).ok(),
            (4, Value::Bytes(bytes)) => help = std::str::from_utf8(bytes).unwrap_or_default(),
            (5, Value::Bytes(bytes)) => unit = std::str::from_utf8(bytes).unwrap_or_default(),
            _ => {}
        }
    }
    Some((name?, Family { kind, unit: unit.into(), help: help.into() }))
}

/// The content of a time series; reused from series to series to save allocations.
#[derive(Default)]
struct Scratch<'b> {
    points: Points<'b>,
    /// Bytes of all labels if they are not contiguous. That is legal, but no known sender does it.
    scattered: Option<Vec<u8>>,
    /// Position of the labels in the message if they are contiguous.
    labels: std::ops::Range<usize>,
}

impl<'b> Scratch<'b> {
    fn read(&mut self, series: &'b [u8]) -> Result<(), Malformed> {
        self.points.clear();
        self.scattered = None;
        self.labels = 0..0;
        let mut fields = Fields::new(series);
        let mut at = 0;
        while let Some((number, value)) = fields.next()? {
            let next = series.len() - fields.rest().len();
            match (number, value) {
                (1, Value::Bytes(_)) => self.label(series, at, next),
                (2, Value::Bytes(sample)) => self.points.sample(sample)?,
                (4, Value::Bytes(histogram)) => self.points.histograms.push(histogram),
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

fn add(batch: &mut Batch<'_>, row: u32, series: &[u8], read: &Scratch<'_>, sent: &mut Sent) -> Result<(), IntakeError> {
    sent.count(row, &read.points);
    let labels = read.scattered.as_deref().unwrap_or(&series[read.labels.clone()]);
    let families = batch.cache().families();
    // When a family changes, each series has another name, so it is mapped again.
    let version = families.version().to_le_bytes();
    let tail = (version != [0; 8]).then_some(&version[..]);
    let name = RawName { protocol: Protocol::Prometheus, head: labels, tail };
    read.points.write(batch, row, &name, || Ok(families.describe(raw_series(labels)?)))
}

/// The series with these labels.
fn raw_series(labels: &[u8]) -> Result<RawSeries<'_>, String> {
    let mut pairs = LabelPairs::new();
    let mut fields = Fields::new(labels);
    while let Ok(Some((_, Value::Bytes(label)))) = fields.next() {
        let (key, value) = read_label(label)?;
        pairs.push((key.into(), value.into()));
    }
    named(pairs)
}

/// The series with these labels, one of which is its name.
pub(super) fn named(mut labels: LabelPairs<'_>) -> Result<RawSeries<'_>, String> {
    let is_name = |(key, _): &(Cow<'_, str>, Cow<'_, str>)| key == "__name__";
    let name = labels.iter().position(is_name).ok_or("a time series must have a label __name__")?;
    let (_, name) = labels.remove(name);
    if labels.iter().any(is_name) {
        return Err("a time series must have one label __name__".to_owned());
    }
    Ok(RawSeries { labels, ..RawSeries::new(Protocol::Prometheus, name) })
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
