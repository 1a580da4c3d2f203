//! Converts data points to samples.

use std::borrow::Cow;

use super::attribute::Attributes;
use super::request::{Body, Kind, Metric, Point, Temporality};
use crate::batch_builder::{Batch, Destination};
use crate::error::IntakeError;
use crate::histogram::{Buckets, Observed, quantiles};
use crate::naming;
use crate::raw_series::{Protocol, RawSeries, Stated};
use earcon_model::Reading;

/// Adds the point with this row number.
pub(super) fn add(batch: &mut Batch<'_>, metric: &Metric<'_>, row: u32, point: Point<'_>) -> Result<(), IntakeError> {
    let key = key(batch, metric, &point.attributes);
    let mut writer = PointWriter { batch, metric, row, key, point: &point };
    match writer.add() {
        Ok(done) => done,
        Err(problem) => batch.reject(row, format!("metric {:?}: {problem}", metric.name)),
    }
}

struct PointWriter<'x, 'c, 'p> {
    batch: &'x mut Batch<'c>,
    metric: &'x Metric<'x>,
    row: u32,
    /// Key of metric, resource and attributes.
    key: u128,
    point: &'x Point<'p>,
}

/// The outer error is the point's own; the inner one reports a full batch.
type AddResult = Result<Result<(), IntakeError>, String>;

impl PointWriter<'_, '_, '_> {
    fn add(&mut self) -> AddResult {
        let point = self.point;
        if point.no_value {
            return Ok(self.end());
        }
        match (&point.body, self.metric.kind) {
            (Body::Number(value), Kind::Gauge) => Ok(self.push("", Reading::Gauge, *value)),
            (Body::Number(value), Kind::Sum { temporality, monotonic }) => self.sum("", *value, temporality, monotonic),
            (Body::Histogram { count, sum, buckets }, Kind::Histogram(temporality)) => {
                buckets.check()?;
                // An observation that is NaN is in no bucket.
                if !sum.is_some_and(f64::is_nan) {
                    buckets.check_count(*count)?;
                }
                self.histogram(*count, *sum, buckets, temporality)
            }
            (Body::Summary { count, sum, quantiles }, Kind::Summary) => {
                if let Some((wrong, _)) = quantiles.iter().find(|(quantile, _)| !(0.0..=1.0).contains(quantile)) {
                    return Err(format!("the quantile {wrong} is not one of 0 to 1"));
                }
                let done = self.sum(".count", *count as f64, Temporality::Cumulative, true)?;
                let done = done.and(self.sum(".sum", *sum, Temporality::Cumulative, true)?);
                Ok(quantiles.iter().fold(done, |done, (quantile, value)| {
                    done.and_then(|()| self.push(&format!(".p{}", percent(*quantile)), Reading::Gauge, *value))
                }))
            }
            _ => Err("the data point has no value of the metric's kind".to_owned()),
        }
    }

    fn histogram(&mut self, count: u64, sum: Option<f64>, buckets: &Buckets, temporality: Temporality) -> AddResult {
        let mut done = self.sum(".count", count as f64, temporality, true)?;
        if let Some(sum) = sum {
            done = done.and(self.sum(".sum", sum, temporality, true)?);
        }
        let Point { start_ns, time_ns, .. } = *self.point;
        let added = match temporality {
            Temporality::Delta => Some(buckets.clone()),
            _ => {
                let now = Observed { start_ns, time_ns, buckets: buckets.clone() };
                self.batch.cache().histograms().added_since_previous(self.key, now, false)
            }
        };
        for (suffix, value) in quantiles(added.as_ref()) {
            done = done.and_then(|()| self.push(suffix, Reading::Gauge, value));
        }
        Ok(done)
    }

    fn sum(&mut self, suffix: &str, value: f64, temporality: Temporality, monotonic: bool) -> AddResult {
        match temporality {
            Temporality::Cumulative => {
                let reading = if monotonic { Reading::Counter } else { Reading::Gauge };
                Ok(self.push(suffix, reading, value))
            }
            Temporality::Delta => {
                let Point { start_ns, time_ns, .. } = *self.point;
                if start_ns == 0 || start_ns >= time_ns {
                    return Err("a delta needs a start time before its time".to_owned());
                }
                let seconds = (time_ns - start_ns) as f64 / 1e9;
                Ok(self.push(suffix, Reading::Gauge, value / seconds))
            }
            Temporality::Unspecified => Err("the temporality must be delta or cumulative".to_owned()),
        }
    }

    fn push(&mut self, suffix: &str, reading: Reading, value: f64) -> Result<(), IntakeError> {
        if !value.is_finite() {
            return self.batch.ignore();
        }
        let destination = self.destination(suffix, reading);
        let start_ms = (self.point.start_ns / 1_000_000) as i64;
        if reading == Reading::Counter && start_ms > 0 {
            return self.batch.push_counted(destination, self.row, self.time_ms(), value, start_ms);
        }
        self.batch.push(destination, self.row, self.time_ms(), value)
    }

    /// MinMax the series, because the point has no recorded value.
    fn end(&mut self) -> Result<(), IntakeError> {
        let (suffixes, reading): (&[&str], _) = match self.metric.kind {
            Kind::Gauge => (&[""], Reading::Gauge),
            Kind::Sum { temporality: Temporality::Cumulative, monotonic: true } => (&[""], Reading::Counter),
            Kind::Sum { .. } => (&[""], Reading::Gauge),
            // Their quantiles exist only while there are observations.
            Kind::Histogram(Temporality::Cumulative) | Kind::Summary => (&[".count", ".sum"], Reading::Counter),
            Kind::Histogram(_) => (&[".count", ".sum"], Reading::Gauge),
        };
        for suffix in suffixes {
            let destination = self.destination(suffix, reading);
            let at_ms = self.time_ms().unwrap_or_else(|| self.batch.now_ms());
            self.batch.end(destination, at_ms)?;
        }
        Ok(())
    }

    fn destination(&mut self, suffix: &str, reading: Reading) -> Destination {
        let key = self.batch.keys().child_key(self.key ^ reading as u128, suffix.as_bytes());
        let (metric, attributes) = (self.metric, &self.point.attributes);
        self.batch.destination(key, || {
            // The point's own attributes take precedence over those of its resource.
            let is_own = |key: &str| attributes.pairs.iter().any(|(own, _)| own == key);
            let of_resource = metric.resource.typed.iter().filter(|(key, _)| !is_own(key));
            Ok(RawSeries {
                labels: attributes.pairs.clone(),
                resource: metric.resource.pairs.clone(),
                typed: attributes.typed.iter().chain(of_resource).cloned().collect(),
                reading: Some(reading),
                joint: if suffix.is_empty() { 0 } else { naming::composed(metric.name).len() as u64 },
                stated: metric.stated(suffix),
                ..RawSeries::new(Protocol::Otlp, Cow::Owned(format!("{}{suffix}", metric.name)))
            })
        })
    }

    /// `None` if the sender does not know the time.
    fn time_ms(&self) -> Option<i64> {
        (self.point.time_ns > 0).then_some((self.point.time_ns / 1_000_000) as i64)
    }
}

/// Converts `0.999` to `99.9`.
fn percent(quantile: f64) -> f64 {
    (quantile * 1e6).round() / 1e4
}

impl Metric<'_> {
    /// The statement about the values behind a suffix. A number of observations has no unit.
    fn stated(&self, suffix: &str) -> Stated<'static> {
        let delta = match self.kind {
            Kind::Sum { temporality, .. } => temporality == Temporality::Delta,
            Kind::Histogram(temporality) => temporality == Temporality::Delta && suffix == ".sum",
            Kind::Gauge | Kind::Summary => false,
        };
        let unit = match self.unit {
            _ if suffix == ".count" => String::new(),
            "" => String::new(),
            // A delta is stored as its rate per second.
            unit if delta => format!("{unit}/s"),
            unit => unit.to_owned(),
        };
        Stated { unit: unit.into(), description: self.description.to_owned().into() }
    }
}

fn key(batch: &Batch<'_>, metric: &Metric<'_>, attributes: &Attributes<'_>) -> u128 {
    let keys = batch.keys();
    let mut bytes = Vec::with_capacity(256);
    // The same attribute in the resource is another series.
    attributes.write_key(&mut bytes);
    metric.resource.write_key(&mut bytes);
    keys.child_key(keys.key(Protocol::Otlp, metric.name.as_bytes()), &bytes)
}
