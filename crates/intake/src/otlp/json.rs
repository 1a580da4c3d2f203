//! The JSON encoding, as protobuf defines it: lower camel case names, 64-bit integers as texts or
//! numbers, `null` for an absent value, enumerations as names or numbers, unknown fields ignored.
//!
//! Resources, metrics and points are parsed one by one, so that an invalid one is named and the
//! others are kept.

mod any_value;
mod former;
mod number;
mod snake_case;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::attribute::Attributes;
use super::points;
use super::request::{Body, Kind, Metric, Point, Temporality};
use crate::batch_builder::Batch;
use crate::error::IntakeError;
use crate::histogram::{BucketRun, Buckets, MinMax};
use crate::json_problem::json_problem;
use crate::strict_json::{Object, nullable, utf8};
use any_value::AnyValue;
pub(super) use former::{FORMER, NO_KIND};
use former::{Former, Misplaced};
use number::{Enumeration, Number};
use snake_case::SnakeCase;

/// Parses an `ExportMetricsServiceRequest` in JSON. Returns the number of its data points. A
/// resource or metric that cannot be read counts as one.
///
/// # Errors
/// The body is not such a request, or has too many samples.
pub fn parse_json(request: &[u8], batch: &mut Batch<'_>) -> Result<u32, IntakeError> {
    let body = utf8(request)?;
    let malformed =
        |why: &str| IntakeError::Malformed(format!("the body is not an ExportMetricsServiceRequest: {why}"));
    let Object(request): Object<Request<'_>> =
        serde_json::from_slice(body).map_err(|error| malformed(&json_problem(&error, body)))?;
    let is_empty = || body.iter().all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'{' | b'}'));
    if request.resource_metrics.is_none() && !is_empty() {
        return Err(malformed("it has no resourceMetrics"));
    }
    let mut reader = Reader { batch, row: 0 };
    for resource in request.resource_metrics.unwrap_or_default() {
        reader.resource(resource)?;
    }
    Ok(reader.row)
}

/// The keys of a metric's data.
const KINDS: [&str; 5] = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

struct Reader<'x, 'c> {
    batch: &'x mut Batch<'c>,
    row: u32,
}

impl Reader<'_, '_> {
    fn resource(&mut self, raw: &RawValue) -> Result<(), IntakeError> {
        let Some(found) = self.parse::<ResourceMetrics<'_>>(raw, "a resource")? else { return Ok(()) };
        let attributes = found.resource.map(|Object(resource)| resource.attributes).unwrap_or_default();
        let resource = match read_attributes(&attributes) {
            Ok(attributes) => attributes,
            Err(problem) => return self.refuse(format!("a resource: {problem}")),
        };
        let Some(scopes) = found.scope_metrics else { return self.check_keys(raw, "a resource", "scopeMetrics") };
        for raw in scopes {
            let Some(scope) = self.parse::<ScopeMetrics<'_>>(raw, "a scope")? else { continue };
            let Some(metrics) = scope.metrics else {
                self.check_keys(raw, "a scope", "metrics")?;
                continue;
            };
            for metric in metrics {
                self.metric(metric, &resource)?;
            }
        }
        Ok(())
    }

    fn metric(&mut self, raw: &RawValue, resource: &Attributes<'_>) -> Result<(), IntakeError> {
        let Some(metric) = self.parse::<WireMetric<'_>>(raw, "a metric")? else { return Ok(()) };
        match metric.kinds().count() {
            0 => return self.refuse(format!("metric {:?}: {NO_KIND}", metric.name)),
            1 => {}
            _ => return self.refuse(format!("metric {:?}: it has data of two kinds", metric.name)),
        }
        for (kind, points) in metric.kinds() {
            let Some(points) = points else {
                let what = format!("the data of metric {:?}", metric.name);
                let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
                let data = fields.iter().filter(|(key, _)| KINDS.contains(&&***key)).map(|(_, data)| *data);
                return data.into_iter().try_for_each(|data| self.check_keys(data, &what, "dataPoints"));
            };
            let WireMetric { name, description, unit, .. } = &metric;
            let described = Metric { name, description, unit, kind, resource };
            for raw in points {
                let what = format_args!("metric {:?}", metric.name);
                match serde_json::from_str::<Object<DataPoint>>(raw.get()) {
                    Ok(Object(point)) => match point.read(kind, metric.exponential_histogram.is_some()) {
                        Ok(point) => points::add(self.batch, &described, self.row, point)?,
                        Err(problem) => self.batch.reject(self.row, format!("{what}: {problem}"))?,
                    },
                    Err(error) => {
                        let problem = json_problem(&error, raw.get().as_bytes());
                        self.batch.reject(self.row, format!("{what}: {problem}"))?;
                    }
                }
                self.row += 1;
            }
        }
        Ok(())
    }

    fn parse<'a, T: Deserialize<'a>>(&mut self, raw: &'a RawValue, what: &str) -> Result<Option<T>, IntakeError> {
        match serde_json::from_str::<Object<T>>(raw.get()) {
            Ok(Object(found)) => Ok(Some(found)),
            Err(error) => {
                let problem = json_problem(&error, raw.get().as_bytes());
                self.refuse(format!("{what}: {problem}")).map(|()| None)
            }
        }
    }

    /// Refuses a message without the key of its content, but with a key that it does not have:
    /// nothing of it would be taken, in silence. Without such a key, it is empty.
    fn check_keys(&mut self, raw: &RawValue, what: &str, wanted: &str) -> Result<(), IntakeError> {
        let Ok(keys) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(raw.get()) else { return Ok(()) };
        let others = ["resource", "scope", "schemaUrl", "aggregationTemporality", "isMonotonic"];
        match keys.keys().find(|key| !others.contains(&&***key)) {
            Some(other) => self.refuse(format!("{what}: it has no {wanted}, but {other:?}")),
            None => Ok(()),
        }
    }

    fn refuse(&mut self, problem: String) -> Result<(), IntakeError> {
        self.batch.reject(self.row, problem)?;
        self.row += 1;
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    /// `None` if the key is absent.
    #[serde(borrow, default, deserialize_with = "present")]
    resource_metrics: Option<Vec<&'a RawValue>>,
    #[serde(default, rename = "resource_metrics")]
    _snake_case: SnakeCase,
    #[serde(
        default,
        rename = "resourceSpans",
        alias = "resourceLogs",
        alias = "resourceProfiles",
        alias = "scopeMetrics",
        alias = "metrics"
    )]
    _misplaced: Misplaced,
}

/// The value of a key that is there. `null` is an empty list.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<&'de RawValue>>, D::Error> {
    nullable(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMetrics<'a> {
    resource: Option<Object<Resource>>,
    /// `None` if the key is absent, like those of the other lists.
    #[serde(borrow, default, deserialize_with = "present")]
    scope_metrics: Option<Vec<&'a RawValue>>,
    #[serde(default, rename = "scope_metrics")]
    _snake_case: SnakeCase,
    #[serde(default, rename = "instrumentationLibraryMetrics", alias = "instrumentation_library_metrics")]
    _former: Former,
    #[serde(default, rename = "scopeSpans", alias = "scopeLogs", alias = "metrics")]
    _misplaced: Misplaced,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default, deserialize_with = "nullable")]
    attributes: Vec<Object<KeyValue>>,
}

#[derive(Deserialize)]
struct KeyValue {
    #[serde(default, deserialize_with = "nullable")]
    key: String,
    value: Option<AnyValue>,
}

#[derive(Deserialize)]
struct ScopeMetrics<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    metrics: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMetric<'a> {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    description: String,
    #[serde(default, deserialize_with = "nullable")]
    unit: String,
    #[serde(borrow)]
    gauge: Option<Object<Points<'a>>>,
    #[serde(borrow)]
    sum: Option<Object<Points<'a>>>,
    #[serde(borrow)]
    histogram: Option<Object<Points<'a>>>,
    #[serde(borrow)]
    exponential_histogram: Option<Object<Points<'a>>>,
    #[serde(borrow)]
    summary: Option<Object<Points<'a>>>,
    #[serde(default, rename = "exponential_histogram")]
    _snake_case: SnakeCase,
    #[serde(default, rename = "intGauge", alias = "intSum", alias = "intHistogram", alias = "intExponentialHistogram")]
    _former: Former,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Points<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    data_points: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "nullable")]
    aggregation_temporality: Enumeration,
    #[serde(default, deserialize_with = "nullable")]
    is_monotonic: bool,
    #[serde(default, rename = "data_points", alias = "aggregation_temporality", alias = "is_monotonic")]
    _snake_case: SnakeCase,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DataPoint {
    #[serde(default, deserialize_with = "nullable")]
    attributes: Vec<Object<KeyValue>>,
    #[serde(default, deserialize_with = "nullable")]
    start_time_unix_nano: Number,
    #[serde(default, deserialize_with = "nullable")]
    time_unix_nano: Number,
    #[serde(default, deserialize_with = "nullable")]
    flags: Enumeration,
    as_double: Option<Number>,
    as_int: Option<Number>,
    #[serde(default, deserialize_with = "nullable")]
    count: Number,
    sum: Option<Number>,
    #[serde(default, deserialize_with = "nullable")]
    bucket_counts: Vec<Number>,
    #[serde(default, deserialize_with = "nullable")]
    explicit_bounds: Vec<Number>,
    min: Option<Number>,
    max: Option<Number>,
    #[serde(default, deserialize_with = "nullable")]
    scale: Number,
    #[serde(default, deserialize_with = "nullable")]
    zero_count: Number,
    positive: Option<Object<WireRun>>,
    negative: Option<Object<WireRun>>,
    #[serde(default, deserialize_with = "nullable")]
    quantile_values: Vec<Object<Quantile>>,
    #[serde(
        default,
        rename = "start_time_unix_nano",
        alias = "time_unix_nano",
        alias = "as_double",
        alias = "as_int",
        alias = "bucket_counts",
        alias = "explicit_bounds",
        alias = "zero_count",
        alias = "quantile_values"
    )]
    _snake_case: SnakeCase,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRun {
    #[serde(default, deserialize_with = "nullable")]
    offset: Number,
    #[serde(default, deserialize_with = "nullable")]
    bucket_counts: Vec<Number>,
    #[serde(default, rename = "bucket_counts")]
    _snake_case: SnakeCase,
}

#[derive(Deserialize)]
struct Quantile {
    #[serde(default, deserialize_with = "nullable")]
    quantile: Number,
    #[serde(default, deserialize_with = "nullable")]
    value: Number,
}

impl<'a> WireMetric<'a> {
    fn kinds(&self) -> impl Iterator<Item = (Kind, Option<&[&'a RawValue]>)> {
        let kind = |points: &Option<Object<Points<'a>>>, make: fn(Temporality, bool) -> Kind| {
            points.as_ref().map(|Object(points)| make(points.temporality(), points.is_monotonic))
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
        all.into_iter().filter_map(|(points, kind)| Some((kind?, points.as_ref()?.0.data_points.as_deref())))
    }
}

impl Points<'_> {
    fn temporality(&self) -> Temporality {
        match &self.aggregation_temporality {
            Enumeration::Number(number) => Temporality::from_number(*number),
            Enumeration::Name(name) if name == "AGGREGATION_TEMPORALITY_DELTA" => Temporality::Delta,
            Enumeration::Name(name) if name == "AGGREGATION_TEMPORALITY_CUMULATIVE" => Temporality::Cumulative,
            Enumeration::Name(_) => Temporality::Unspecified,
        }
    }
}

impl DataPoint {
    fn read(self, kind: Kind, exponential: bool) -> Result<Point<'static>, String> {
        let min_max = MinMax { min: self.min.map(Number::float), max: self.max.map(Number::float) };
        let (count, sum) = (self.count.whole()?, self.sum.map(Number::float));
        let body = match kind {
            Kind::Gauge | Kind::Sum { .. } => match (self.as_double, self.as_int) {
                (Some(_), Some(_)) => return Err("it has two values, asDouble and asInt".to_owned()),
                (Some(number), None) => Body::Number(number.float()),
                (None, Some(number)) => {
                    Body::Number(number.signed().map_err(|error| format!("asInt: {error}"))? as f64)
                }
                (None, None) => Body::Empty,
            },
            Kind::Histogram(_) if exponential => {
                let (scale, zeros) = (self.scale.small()?, self.zero_count.whole()?);
                let (positive, negative) = (run(self.positive)?, run(self.negative)?);
                Body::Histogram {
                    count,
                    sum,
                    buckets: Buckets::Exponential { scale, zeros, positive, negative, min_max },
                }
            }
            Kind::Histogram(_) => {
                let bounds = self.explicit_bounds.into_iter().map(Number::float).collect();
                let counts = whole(self.bucket_counts)?;
                Body::Histogram { count, sum, buckets: Buckets::Explicit { bounds, counts, min_max } }
            }
            Kind::Summary => {
                let quantiles =
                    self.quantile_values.into_iter().map(|Object(one)| (one.quantile.float(), one.value.float()));
                Body::Summary { count, sum: sum.unwrap_or_default(), quantiles: quantiles.collect() }
            }
        };
        let no_value = match &self.flags {
            Enumeration::Number(flags) => flags & 1 == 1,
            Enumeration::Name(name) => name == "DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK",
        };
        Ok(Point {
            attributes: read_attributes(&self.attributes)?.into_owned(),
            start_ns: self.start_time_unix_nano.whole()?,
            time_ns: self.time_unix_nano.whole()?,
            no_value,
            body,
        })
    }
}

fn run(run: Option<Object<WireRun>>) -> Result<BucketRun, String> {
    let Some(Object(WireRun { offset, bucket_counts, .. })) = run else { return Ok(BucketRun::default()) };
    Ok(BucketRun { offset: offset.small()?, counts: whole(bucket_counts)? })
}

fn whole(numbers: Vec<Number>) -> Result<Vec<u64>, String> {
    numbers.into_iter().map(Number::whole).collect()
}

fn read_attributes(pairs: &[Object<KeyValue>]) -> Result<Attributes<'_>, String> {
    let mut attributes = Attributes::default();
    for Object(KeyValue { key, value }) in pairs {
        attributes.push(key.into(), AnyValue::read(value.as_ref())?);
    }
    Ok(attributes)
}
