//! The samples and native histograms of a time series, the same in both versions.

use std::borrow::Cow;

use super::native_histogram::NativeHistogram;
use crate::batch_builder::Batch;
use crate::course::RawName;
use crate::error::IntakeError;
use crate::histogram::{Observed, quantiles};
use crate::naming;
use crate::protobuf::{Fields, Malformed, Value};
use crate::raw_series::{RawSeries, Stated};
use earcon_model::Reading;

/// Prometheus' staleness marker: a NaN with these bits (prometheus/model/value `StaleNaN`).
pub(super) const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A sample.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Point {
    /// When counting began, milliseconds UTC; 0 if the sample does not say. Version 2 only.
    start_ms: i64,
    timestamp_ms: i64,
    value: f64,
}

/// The points of a time series. Used again from series to series, to save allocations.
#[derive(Debug, Default)]
pub(super) struct Points<'b> {
    pub(super) samples: Vec<Point>,
    /// Messages `Histogram`, not yet read.
    pub(super) histograms: Vec<&'b [u8]>,
    /// When counting began, for all points that do not say it themselves; 0 if the sender does not
    /// say. Version 2 only: its field 6 (`created_timestamp`), which later drafts of the standard
    /// replaced by a field of each point.
    pub(super) start_ms: i64,
}

impl<'b> Points<'b> {
    pub(super) fn clear(&mut self) {
        self.samples.clear();
        self.histograms.clear();
        self.start_ms = 0;
    }

    /// Adds a message `Sample`. Its fields have the same numbers in both versions; only version 2
    /// has a start.
    pub(super) fn sample(&mut self, message: &[u8]) -> Result<(), Malformed> {
        let mut point = Point::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Fixed64(bits)) => point.value = f64::from_bits(bits),
                (2, Value::Varint(value)) => point.timestamp_ms = value as i64,
                (3, Value::Varint(value)) => point.start_ms = value as i64,
                _ => {}
            }
        }
        self.samples.push(point);
        Ok(())
    }

    /// Adds the points of the series with this name to the batch. `raw` describes the series.
    pub(super) fn write<'s>(
        &self,
        batch: &mut Batch<'_>,
        row: u32,
        name: &RawName<'_>,
        raw: impl Fn() -> Result<RawSeries<'s>, String>,
    ) -> Result<(), IntakeError> {
        let keys = batch.keys();
        if !self.samples.is_empty() {
            let destination = batch.named(name, || name.key(keys), &raw);
            for &Point { start_ms, timestamp_ms, value } in &self.samples {
                let start_ms = if start_ms > 0 { start_ms } else { self.start_ms };
                if value.to_bits() == STALE {
                    batch.end(destination, timestamp_ms)?;
                } else if value.is_finite() && start_ms > 0 {
                    batch.push_counted(destination, row, Some(timestamp_ms), value, start_ms)?;
                } else if value.is_finite() {
                    batch.push(destination, row, Some(timestamp_ms), value)?;
                } else {
                    batch.ignore()?;
                }
            }
        }
        for message in &self.histograms {
            let mut writer = HistogramWriter { batch, row, key: name.key(keys), raw: &raw };
            match NativeHistogram::read(message) {
                Ok(mut histogram) => {
                    histogram.start_ms = if histogram.start_ms > 0 { histogram.start_ms } else { self.start_ms };
                    writer.write(histogram)?;
                }
                Err(problem) => batch.reject(row, problem)?,
            }
        }
        Ok(())
    }
}

struct HistogramWriter<'x, 'c, F> {
    batch: &'x mut Batch<'c>,
    row: u32,
    key: u128,
    raw: &'x F,
}

impl<'s, F: Fn() -> Result<RawSeries<'s>, String>> HistogramWriter<'_, '_, F> {
    fn write(&mut self, histogram: NativeHistogram) -> Result<(), IntakeError> {
        let NativeHistogram { time_ms, start_ms, count, sum, gauge, restarted, buckets } = histogram;
        let reading = if gauge { Reading::Gauge } else { Reading::Counter };
        if sum.to_bits() == STALE {
            for suffix in [".count", ".sum"] {
                let destination = self.destination(suffix, reading);
                self.batch.end(destination, time_ms)?;
            }
            return Ok(());
        }
        self.push_counted(".count", reading, time_ms, count, start_ms)?;
        self.push_counted(".sum", reading, time_ms, sum, start_ms)?;
        let added = if gauge {
            Some(buckets)
        } else {
            let ns = |ms: i64| u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000);
            let time_ns = ns(time_ms);
            let start_ns = if restarted { time_ns } else { ns(start_ms) };
            let now = Observed { start_ns, time_ns, buckets };
            self.batch.cache().histograms().added_since_previous(self.key, now, true)
        };
        quantiles(added.as_ref()).try_for_each(|(suffix, value)| self.push(suffix, Reading::Gauge, time_ms, value))
    }

    fn push_counted(
        &mut self,
        suffix: &str,
        reading: Reading,
        time_ms: i64,
        value: f64,
        start_ms: i64,
    ) -> Result<(), IntakeError> {
        if start_ms <= 0 || reading == Reading::Gauge || !value.is_finite() {
            return self.push(suffix, reading, time_ms, value);
        }
        let destination = self.destination(suffix, reading);
        self.batch.push_counted(destination, self.row, Some(time_ms), value, start_ms)
    }

    fn push(&mut self, suffix: &str, reading: Reading, time_ms: i64, value: f64) -> Result<(), IntakeError> {
        if !value.is_finite() {
            return self.batch.ignore();
        }
        let destination = self.destination(suffix, reading);
        self.batch.push(destination, self.row, Some(time_ms), value)
    }

    fn destination(&mut self, suffix: &str, reading: Reading) -> crate::batch_builder::Destination {
        let key = self.batch.keys().child_key(self.key ^ reading as u128, suffix.as_bytes());
        self.batch.destination(key, || {
            let raw = (self.raw)()?;
            let name = Cow::Owned(format!("{}{suffix}", raw.name));
            let unit = if suffix == ".count" { Cow::default() } else { raw.stated.unit };
            let stated = Stated { unit, ..raw.stated };
            let joint = naming::composed(&raw.name).len() as u64;
            Ok(RawSeries { name, reading: Some(reading), joint, stated, ..raw })
        })
    }
}
