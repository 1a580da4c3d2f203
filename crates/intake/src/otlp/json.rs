//! The JSON encoding: lower camel case names, 64-bit integers as texts or numbers, unknown fields
//! ignored.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::value::RawValue;

use super::points;
use super::quantile::{BucketRun, Buckets, MinMax};
use super::request::{Body, Kind, Metric, Point, Temporality};
use crate::batch_builder::Batch;
use crate::error::IntakeError;
use crate::raw_series::LabelPairs;

/// Parses an `ExportMetricsServiceRequest` in JSON. Returns the number of its data points.
///
/// # Errors
/// The body is not such a request, or has too many samples.
pub fn parse_json(request: &[u8], batch: &mut Batch<'_>) -> Result<u32, IntakeError> {
    let request: Request<'_> = serde_json::from_slice(request)
        .map_err(|error| IntakeError::Malformed(format!("the body is not an ExportMetricsServiceRequest: {error}")))?;
    let mut row = 0;
    for of_resource in &request.resource_metrics {
        let resource = of_resource.resource.as_ref().map_or_else(LabelPairs::new, |found| pairs(&found.attributes));
        for metric in of_resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            for (kind, points) in metric.kinds() {
                let described = Metric { name: &metric.name, kind, resource: &resource };
                for raw in points {
                    match serde_json::from_str::<DataPoint>(raw.get()) {
                        Ok(point) => points::add(
                            batch,
                            &described,
                            row,
                            point.read(kind, metric.exponential_histogram.is_some()),
                        )?,
                        Err(error) => batch.reject(row, format!("metric {:?}: {error}", metric.name))?,
                    }
                    row += 1;
                }
            }
        }
    }
    Ok(row)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, default)]
    resource_metrics: Vec<ResourceMetrics<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMetrics<'a> {
    resource: Option<Resource>,
    #[serde(borrow, default)]
    scope_metrics: Vec<ScopeMetrics<'a>>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    attributes: Vec<KeyValue>,
}

#[derive(Deserialize)]
struct KeyValue {
    key: String,
    value: Option<AnyValue>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AnyValue {
    string_value: Option<String>,
    bool_value: Option<bool>,
    int_value: Option<Number>,
    double_value: Option<Number>,
}

#[derive(Deserialize)]
struct ScopeMetrics<'a> {
    #[serde(borrow, default)]
    metrics: Vec<WireMetric<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMetric<'a> {
    name: String,
    #[serde(borrow)]
    gauge: Option<Points<'a>>,
    #[serde(borrow)]
    sum: Option<Points<'a>>,
    #[serde(borrow)]
    histogram: Option<Points<'a>>,
    #[serde(borrow)]
    exponential_histogram: Option<Points<'a>>,
    #[serde(borrow)]
    summary: Option<Points<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Points<'a> {
    /// Parsed one by one, so that bad points are named and good ones are kept.
    #[serde(borrow, default)]
    data_points: Vec<&'a RawValue>,
    #[serde(default)]
    aggregation_temporality: u64,
    #[serde(default)]
    is_monotonic: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct DataPoint {
    attributes: Vec<KeyValue>,
    start_time_unix_nano: Number,
    time_unix_nano: Number,
    flags: u32,
    as_double: Option<Number>,
    as_int: Option<Number>,
    count: Number,
    sum: Option<Number>,
    bucket_counts: Vec<Number>,
    explicit_bounds: Vec<Number>,
    min: Option<Number>,
    max: Option<Number>,
    scale: i32,
    zero_count: Number,
    positive: WireRun,
    negative: WireRun,
    quantile_values: Vec<Quantile>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireRun {
    offset: i32,
    bucket_counts: Vec<Number>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Quantile {
    quantile: Number,
    value: Number,
}

impl<'a> WireMetric<'a> {
    fn kinds(&self) -> impl Iterator<Item = (Kind, &[&'a RawValue])> {
        let kind = |points: &Option<Points<'a>>, make: fn(Temporality, bool) -> Kind| {
            points
                .as_ref()
                .map(|points| make(Temporality::from_number(points.aggregation_temporality), points.is_monotonic))
        };
        let all = [
            (&self.gauge, kind(&self.gauge, |_, _| Kind::Gauge)),
            (&self.sum, kind(&self.sum, |temporality, monotonic| Kind::Sum { temporality, monotonic })),
            (&self.histogram, kind(&self.histogram, |temporality, _| Kind::Histogram(temporality))),
            (
                &self.exponential_histogram,
                kind(&self.exponential_histogram, |temporality, _| Kind::Histogram(temporality)),
            ),
            (&self.summary, kind(&self.summary, |_, _| Kind::Summary)),
        ];
        all.into_iter().filter_map(|(points, kind)| Some((kind?, points.as_ref()?.data_points.as_slice())))
    }
}

impl DataPoint {
    fn read(self, kind: Kind, exponential: bool) -> Point<'static> {
        let min_max = MinMax { min: self.min.map(Number::float), max: self.max.map(Number::float) };
        let (count, sum) = (self.count.whole(), self.sum.map(Number::float));
        let body = match kind {
            Kind::Gauge | Kind::Sum { .. } => match self.as_double.or(self.as_int) {
                Some(number) => Body::Number(number.float()),
                None => Body::Empty,
            },
            Kind::Histogram(_) if exponential => {
                let run = |run: WireRun| BucketRun { offset: run.offset, counts: whole(run.bucket_counts) };
                let (scale, zeros) = (self.scale, self.zero_count.whole());
                let (positive, negative) = (run(self.positive), run(self.negative));
                Body::Histogram {
                    count,
                    sum,
                    buckets: Buckets::Exponential { scale, zeros, positive, negative, min_max },
                }
            }
            Kind::Histogram(_) => {
                let bounds = self.explicit_bounds.into_iter().map(Number::float).collect();
                let counts = whole(self.bucket_counts);
                Body::Histogram { count, sum, buckets: Buckets::Explicit { bounds, counts, min_max } }
            }
            Kind::Summary => {
                let quantiles = self.quantile_values.into_iter().map(|one| (one.quantile.float(), one.value.float()));
                Body::Summary { count, sum: sum.unwrap_or_default(), quantiles: quantiles.collect() }
            }
        };
        Point {
            attributes: pairs(&self.attributes).into_iter().map(|(k, v)| (owned(k), owned(v))).collect(),
            start_ns: self.start_time_unix_nano.whole(),
            time_ns: self.time_unix_nano.whole(),
            no_value: self.flags & 1 == 1,
            body,
        }
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

fn whole(numbers: Vec<Number>) -> Vec<u64> {
    numbers.into_iter().map(Number::whole).collect()
}

fn pairs(attributes: &[KeyValue]) -> LabelPairs<'_> {
    let text = |value: &'_ AnyValue| -> Option<String> {
        let AnyValue { string_value, bool_value, int_value, double_value } = value;
        let number = || double_value.map(|number| number.float().to_string());
        let int = || int_value.map(|number| number.signed().to_string());
        string_value.clone().or_else(|| bool_value.map(|truth| truth.to_string())).or_else(int).or_else(number)
    };
    let pair = |one: &'_ KeyValue| Some((one.key.clone().into(), text(one.value.as_ref()?)?.into()));
    attributes.iter().filter_map(pair).collect()
}

/// A number, or a text that contains one.
#[derive(Debug, Clone, Copy)]
enum Number {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

impl Default for Number {
    fn default() -> Self {
        Number::Unsigned(0)
    }
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Number::Signed(number) => number as f64,
            Number::Unsigned(number) => number as f64,
            Number::Float(number) => number,
        }
    }

    fn signed(self) -> i64 {
        match self {
            Number::Signed(number) => number,
            Number::Unsigned(number) => number as i64,
            Number::Float(number) => number as i64,
        }
    }

    fn whole(self) -> u64 {
        match self {
            Number::Signed(number) => u64::try_from(number).unwrap_or(0),
            Number::Unsigned(number) => number,
            Number::Float(number) => number as u64,
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a text that contains one")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number::Signed(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number::Unsigned(number))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number::Float(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                let whole = text.parse().map(Number::Unsigned).or_else(|_| text.parse().map(Number::Signed));
                // "NaN", "Infinity" and "-Infinity" are numbers in protobuf's JSON, and to Rust.
                whole
                    .or_else(|_| text.parse().map(Number::Float))
                    .map_err(|_| E::custom(format!("{text:?} is not a number")))
            }
        }

        deserializer.deserialize_any(NumberVisitor)
    }
}
