//! The protobuf encoding.

use super::attribute::{Any, Attributes, base64};
use super::json::{FORMER, NO_KIND};
use super::points;
use super::request::{Body, Kind, Metric, Point, Temporality};
use crate::batch_builder::Batch;
use crate::error::IntakeError;
use crate::histogram::{BucketRun, Buckets, MinMax};
use crate::protobuf::{Fields, Malformed, Value, fixed64s, varints, zigzag};

/// Parses an `ExportMetricsServiceRequest`. Returns the number of its data points. A resource or
/// metric that cannot be read counts as one; the others are kept.
///
/// # Errors
/// The body is not such a request, or has too many samples.
pub fn parse_protobuf(request: &[u8], batch: &mut Batch<'_>) -> Result<u32, IntakeError> {
    let (mut row, mut resources) = (0, 0);
    each(request, 1, |message| {
        resources += 1;
        match resource_metrics(message, batch, &mut row) {
            Err(ReadError::Malformed) => refuse(batch, &mut row, "a resource"),
            other => other,
        }
    })
    .map_err(|error| match error {
        ReadError::Malformed => IntakeError::Malformed("the body is not an ExportMetricsServiceRequest".to_owned()),
        ReadError::Full(error) => error,
    })?;
    if resources == 0 && !request.is_empty() {
        let why = "the body is not an ExportMetricsServiceRequest: it has no resource_metrics (field 1)";
        return Err(IntakeError::Malformed(why.to_owned()));
    }
    Ok(row)
}

/// Reads the data points of one kind.
type ReadPoint = fn(&[u8]) -> Result<Point<'_>, Malformed>;

enum ReadError {
    Malformed,
    Full(IntakeError),
}

impl From<Malformed> for ReadError {
    fn from(_: Malformed) -> Self {
        ReadError::Malformed
    }
}

impl From<IntakeError> for ReadError {
    fn from(error: IntakeError) -> Self {
        ReadError::Full(error)
    }
}

/// Visits each message in the field `number`.
fn each<'b, E: From<Malformed>>(
    message: &'b [u8],
    number: u32,
    mut visit: impl FnMut(&'b [u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (found, Value::Bytes(inner)) if found == number => visit(inner)?,
            _ => {}
        }
    }
    Ok(())
}

/// The length of the message was valid, so what follows can be read.
fn refuse(batch: &mut Batch<'_>, row: &mut u32, what: &str) -> Result<(), ReadError> {
    batch.reject(*row, format!("{what} is damaged, or a text in it is not UTF-8"))?;
    *row += 1;
    Ok(())
}

/// Refuses a body of another signal, of which nothing is a metric.
fn not_metrics(messages: &str, signal: &str) -> IntakeError {
    IntakeError::Malformed(format!(
        "the body holds {messages}, so it is an export of {signal}; this path takes an ExportMetricsServiceRequest, and \
         Earcon takes no {signal}"
    ))
}

/// `instrumentation_library_metrics` of a resource, before OTLP 0.15.
const FORMER_SCOPE: u32 = 1_000;

/// Refuses the fields of former versions of OTLP.
fn former(batch: &mut Batch<'_>, row: &mut u32, what: &str) -> Result<(), ReadError> {
    batch.reject(*row, format!("{what}: {FORMER}"))?;
    *row += 1;
    Ok(())
}

fn resource_metrics(message: &[u8], batch: &mut Batch<'_>, row: &mut u32) -> Result<(), ReadError> {
    let mut resource = Attributes::default();
    each(message, 1, |message| {
        each(message, 1, |pair| -> Result<(), ReadError> {
            let (key, value) = key_value(pair, 0)?;
            resource.push(key.into(), value);
            Ok(())
        })
    })?;
    each(message, FORMER_SCOPE, |_| former(batch, row, "a resource"))?;
    each(message, 2, |scope| {
        each(scope, 2, |message| match metric(message, &resource, batch, row) {
            Err(ReadError::Malformed) => refuse(batch, row, "a metric"),
            other => other,
        })
    })
}

fn metric(message: &[u8], resource: &Attributes<'_>, batch: &mut Batch<'_>, row: &mut u32) -> Result<(), ReadError> {
    let (mut name, mut description, mut unit) = (&b""[..], "", "");
    let (mut data, mut is_former) = (None, false);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => name = bytes,
            // Without them, the values are good all the same.
            (2, Value::Bytes(bytes)) => description = std::str::from_utf8(bytes).unwrap_or_default(),
            (3, Value::Bytes(bytes)) => unit = std::str::from_utf8(bytes).unwrap_or_default(),
            (kind @ (5 | 7 | 9 | 10 | 11), Value::Bytes(bytes)) => data = Some((kind, bytes)),
            // No field of a metric has eight bytes. Start and end of a span have, and the times of
            // a record of a log.
            (7 | 8, Value::Fixed64(_)) => return Err(not_metrics("spans", "traces").into()),
            (1 | 11, Value::Fixed64(_)) => return Err(not_metrics("records", "logs").into()),
            // `int_gauge`, `int_sum` and `int_histogram`.
            (4 | 6 | 8, Value::Bytes(_)) => is_former = true,
            _ => {}
        }
    }
    let name = std::str::from_utf8(name).map_err(|_| Malformed)?;
    if is_former {
        return former(batch, row, &format!("metric {name:?}"));
    }
    let Some((field, data)) = data else {
        batch.reject(*row, format!("metric {name:?}: {NO_KIND}"))?;
        *row += 1;
        return Ok(());
    };
    let (mut temporality, mut monotonic) = (Temporality::Unspecified, false);
    let mut fields = Fields::new(data);
    while let Some(found) = fields.next()? {
        match found {
            (2, Value::Varint(number)) => temporality = Temporality::from_number(number),
            (3, Value::Varint(truth)) => monotonic = truth != 0,
            _ => {}
        }
    }
    let (kind, read): (_, ReadPoint) = match field {
        5 => (Kind::Gauge, number_point),
        7 => (Kind::Sum { temporality, monotonic }, number_point),
        9 => (Kind::Histogram(temporality), histogram_point),
        10 => (Kind::Histogram(temporality), exponential_point),
        _ => (Kind::Summary, summary_point),
    };
    let metric = Metric { name, description, unit, kind, resource };
    each(data, 1, |message| {
        match read(message) {
            Ok(point) => points::add(batch, &metric, *row, point)?,
            Err(Malformed) => return refuse(batch, row, &format!("metric {name:?}: a data point")),
        }
        *row += 1;
        Ok(())
    })
}

/// Field numbers that differ between kinds of points.
struct Common {
    attributes: u32,
    flags: u32,
}

fn point<'b>(
    message: &'b [u8],
    common: &Common,
    mut other: impl FnMut(u32, Value<'b>) -> Result<(), Malformed>,
) -> Result<Point<'b>, Malformed> {
    let mut point =
        Point { attributes: Attributes::default(), start_ns: 0, time_ns: 0, no_value: false, body: Body::Empty };
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (2, Value::Fixed64(ns)) => point.start_ns = ns,
            (3, Value::Fixed64(ns)) => point.time_ns = ns,
            (number, Value::Bytes(pair)) if number == common.attributes => {
                let (key, value) = key_value(pair, 0)?;
                point.attributes.push(key.into(), value);
            }
            (number, Value::Varint(flags)) if number == common.flags => point.no_value = flags & 1 == 1,
            (number, value) => other(number, value)?,
        }
    }
    Ok(point)
}

fn number_point(message: &[u8]) -> Result<Point<'_>, Malformed> {
    let mut body = Body::Empty;
    let mut read = point(message, &Common { attributes: 7, flags: 8 }, |number, value| {
        match (number, value) {
            (4, Value::Fixed64(bits)) => body = Body::Number(f64::from_bits(bits)),
            (6, Value::Fixed64(bits)) => body = Body::Number(bits as i64 as f64),
            _ => {}
        }
        Ok(())
    })?;
    read.body = body;
    Ok(read)
}

fn histogram_point(message: &[u8]) -> Result<Point<'_>, Malformed> {
    let (mut count, mut sum, mut min_max) = (0, None, MinMax::default());
    let (mut counts, mut bounds) = (Vec::new(), Vec::new());
    let mut read = point(message, &Common { attributes: 9, flags: 10 }, |number, value| {
        match (number, value) {
            (4, Value::Fixed64(number)) => count = number,
            (5, Value::Fixed64(bits)) => sum = Some(f64::from_bits(bits)),
            (6, value) => fixed64s(value, |bits| counts.push(bits))?,
            (7, value) => fixed64s(value, |bits| bounds.push(f64::from_bits(bits)))?,
            (11, Value::Fixed64(bits)) => min_max.min = Some(f64::from_bits(bits)),
            (12, Value::Fixed64(bits)) => min_max.max = Some(f64::from_bits(bits)),
            _ => {}
        }
        Ok(())
    })?;
    read.body = Body::Histogram { count, sum, buckets: Buckets::Explicit { bounds, counts, min_max } };
    Ok(read)
}

fn exponential_point(message: &[u8]) -> Result<Point<'_>, Malformed> {
    let (mut count, mut sum, mut min_max, mut scale, mut zeros) = (0, None, MinMax::default(), 0, 0);
    let (mut positive, mut negative) = (BucketRun::default(), BucketRun::default());
    let mut read = point(message, &Common { attributes: 1, flags: 10 }, |number, value| {
        match (number, value) {
            (4, Value::Fixed64(number)) => count = number,
            (5, Value::Fixed64(bits)) => sum = Some(f64::from_bits(bits)),
            (6, Value::Varint(number)) => scale = zigzag(number) as i32,
            (7, Value::Fixed64(number)) => zeros = number,
            (8, Value::Bytes(message)) => positive = run(message)?,
            (9, Value::Bytes(message)) => negative = run(message)?,
            (12, Value::Fixed64(bits)) => min_max.min = Some(f64::from_bits(bits)),
            (13, Value::Fixed64(bits)) => min_max.max = Some(f64::from_bits(bits)),
            _ => {}
        }
        Ok(())
    })?;
    read.body =
        Body::Histogram { count, sum, buckets: Buckets::Exponential { scale, zeros, positive, negative, min_max } };
    Ok(read)
}

fn summary_point(message: &[u8]) -> Result<Point<'_>, Malformed> {
    let (mut count, mut sum, mut quantiles) = (0, 0.0, Vec::new());
    let mut read = point(message, &Common { attributes: 7, flags: 8 }, |number, value| {
        match (number, value) {
            (4, Value::Fixed64(number)) => count = number,
            (5, Value::Fixed64(bits)) => sum = f64::from_bits(bits),
            (6, Value::Bytes(message)) => {
                let (mut quantile, mut value) = (0.0, 0.0);
                let mut fields = Fields::new(message);
                while let Some(field) = fields.next()? {
                    match field {
                        (1, Value::Fixed64(bits)) => quantile = f64::from_bits(bits),
                        (2, Value::Fixed64(bits)) => value = f64::from_bits(bits),
                        _ => {}
                    }
                }
                quantiles.push((quantile, value));
            }
            _ => {}
        }
        Ok(())
    })?;
    read.body = Body::Summary { count, sum, quantiles };
    Ok(read)
}

fn run(message: &[u8]) -> Result<BucketRun, Malformed> {
    let mut run = BucketRun::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Varint(number)) => run.offset = zigzag(number) as i32,
            (2, value) => varints(value, |count| run.counts.push(count))?,
            _ => {}
        }
    }
    Ok(run)
}

/// A `KeyValue`.
fn key_value(pair: &[u8], depth: usize) -> Result<(&str, Any<'_>), Malformed> {
    let (mut key, mut value) = ("", Any::Absent);
    let mut fields = Fields::new(pair);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => key = std::str::from_utf8(bytes).map_err(|_| Malformed)?,
            (2, Value::Bytes(any)) => value = any_value(any, depth)?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// The most lists and maps within each other: usual readers of protobuf end at 100 messages.
const MAX_DEPTH: usize = 32;

fn any_value(any: &[u8], depth: usize) -> Result<Any<'_>, Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed);
    }
    let mut value = Any::Absent;
    let mut fields = Fields::new(any);
    while let Some(field) = fields.next()? {
        value = match field {
            (1, Value::Bytes(bytes)) => Any::Text(std::str::from_utf8(bytes).map_err(|_| Malformed)?.into()),
            (2, Value::Varint(truth)) => Any::Truth(truth != 0),
            (3, Value::Varint(number)) => Any::Integer(number as i64),
            (4, Value::Fixed64(bits)) => Any::Float(f64::from_bits(bits)),
            (5, Value::Bytes(list)) => {
                let mut values = Vec::new();
                each(list, 1, |any| -> Result<(), Malformed> {
                    values.push(any_value(any, depth + 1)?);
                    Ok(())
                })?;
                Any::List(values)
            }
            (6, Value::Bytes(map)) => {
                let mut pairs = Vec::new();
                each(map, 1, |pair| -> Result<(), Malformed> {
                    let (key, value) = key_value(pair, depth + 1)?;
                    pairs.push((key.into(), value));
                    Ok(())
                })?;
                Any::Map(pairs)
            }
            (7, Value::Bytes(bytes)) => Any::Bytes(base64(bytes)),
            _ => continue,
        };
    }
    Ok(value)
}
