//! Native histograms: the message `Histogram`, whose fields have the same numbers in both versions
//! (prometheus/prompb `types.proto`).
//!
//! Bucket `i` of schema `s` ends at `2^(i * 2^-s)`, while OTLP's bucket `i` begins there. So
//! indexes are one less here. Schema -53 has bounds of its own ("custom buckets").

use crate::histogram::{BucketRun, Buckets, MinMax};
use crate::protobuf::{Fields, Malformed, Value, fixed64s, varints, zigzag};

/// The schema of histograms with bounds of their own.
const CUSTOM_BOUNDS: i64 = -53;

/// The largest number of buckets of one sign, with the empty ones between.
const MAX_BUCKETS: usize = 4_096;

/// Parts into which an observation is divided, for histograms whose counts are fractions. Quantiles
/// are the same for any number.
const PARTS: f64 = 1_048_576.0;

/// A native histogram.
#[derive(Debug, PartialEq)]
pub(super) struct NativeHistogram {
    pub(super) time_ms: i64,
    /// When counting began, milliseconds UTC; 0 if the sender does not say. Version 2 only.
    pub(super) start_ms: i64,
    pub(super) count: f64,
    pub(super) sum: f64,
    /// Whether it is a distribution at one time, instead of all observations since a start.
    pub(super) gauge: bool,
    /// Whether the sender says that counting began again.
    pub(super) restarted: bool,
    pub(super) buckets: Buckets,
}

/// The fields as sent.
#[derive(Debug, Default)]
struct Message {
    time_ms: i64,
    start_ms: i64,
    count: f64,
    /// The count, if it is no fraction.
    whole: Option<u64>,
    sum: f64,
    schema: i64,
    zeros: u64,
    positive: Side,
    negative: Side,
    reset_hint: u64,
    bounds: Vec<f64>,
}

/// The buckets of one sign.
#[derive(Debug, Default)]
struct Side {
    /// Empty buckets before, and number of buckets.
    spans: Vec<(i64, u64)>,
    /// Differences between consecutive counts.
    deltas: Vec<i64>,
    /// Counts that are fractions.
    counts: Vec<f64>,
}

impl NativeHistogram {
    /// Reads a message `Histogram`.
    ///
    /// # Errors
    /// The reason why it cannot be read, fit to show to the sender.
    pub(super) fn read(message: &[u8]) -> Result<Self, String> {
        let read = Message::read(message).map_err(|Malformed| "a native histogram is damaged".to_owned())?;
        let buckets = read.buckets()?;
        buckets.check()?;
        // Fractions are rounded, and an observation that is NaN is in no bucket.
        if let (Some(count), false) = (read.whole, read.sum.is_nan()) {
            buckets.check_count(count)?;
        }
        let Message { time_ms, start_ms, count, sum, reset_hint, .. } = read;
        Ok(Self { time_ms, start_ms, count, sum, gauge: reset_hint == 3, restarted: reset_hint == 1, buckets })
    }
}

impl Message {
    fn read(message: &[u8]) -> Result<Self, Malformed> {
        let mut read = Self::default();
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Varint(count)) => (read.count, read.whole) = (count as f64, Some(count)),
                (2, Value::Fixed64(bits)) => read.count = f64::from_bits(bits),
                (3, Value::Fixed64(bits)) => read.sum = f64::from_bits(bits),
                (4, Value::Varint(schema)) => read.schema = zigzag(schema),
                (6, Value::Varint(zeros)) => read.zeros = zeros,
                (7, Value::Fixed64(bits)) => read.zeros = parts(f64::from_bits(bits)),
                (8, Value::Bytes(span)) => read.negative.span(span)?,
                (9, value) => varints(value, |delta| read.negative.deltas.push(zigzag(delta)))?,
                (10, value) => doubles(value, |count| read.negative.counts.push(count))?,
                (11, Value::Bytes(span)) => read.positive.span(span)?,
                (12, value) => varints(value, |delta| read.positive.deltas.push(zigzag(delta)))?,
                (13, value) => doubles(value, |count| read.positive.counts.push(count))?,
                (14, Value::Varint(hint)) => read.reset_hint = hint,
                (15, Value::Varint(time)) => read.time_ms = time as i64,
                (16, value) => doubles(value, |bound| read.bounds.push(bound))?,
                (17, Value::Varint(time)) => read.start_ms = time as i64,
                _ => {}
            }
        }
        Ok(read)
    }

    fn buckets(&self) -> Result<Buckets, String> {
        if self.schema == CUSTOM_BOUNDS {
            let run = self.positive.run()?;
            let mut counts = vec![0; self.bounds.len() + 1];
            for (i, count) in run.counts.iter().enumerate() {
                let bucket = usize::try_from(i64::from(run.offset) + i as i64).ok();
                let bucket = bucket.and_then(|at| counts.get_mut(at));
                *bucket.ok_or_else(|| format!("{} custom bounds have no bucket {i}", self.bounds.len()))? = *count;
            }
            return Ok(Buckets::Explicit { bounds: self.bounds.clone(), counts, min_max: MinMax::default() });
        }
        let scale = i32::try_from(self.schema).ok().filter(|schema| (-4..=8).contains(schema));
        let scale = scale.ok_or_else(|| format!("the schema of a native histogram is -4 to 8, not {}", self.schema))?;
        let run =
            |side: &Side| side.run().map(|run| BucketRun { offset: run.offset.saturating_sub(1), counts: run.counts });
        let (positive, negative) = (run(&self.positive)?, run(&self.negative)?);
        Ok(Buckets::Exponential { scale, zeros: self.zeros, positive, negative, min_max: MinMax::default() })
    }
}

impl Side {
    fn span(&mut self, message: &[u8]) -> Result<(), Malformed> {
        let (mut offset, mut length) = (0, 0);
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Varint(value)) => offset = zigzag(value),
                (2, Value::Varint(value)) => length = value,
                _ => {}
            }
        }
        self.spans.push((offset, length));
        Ok(())
    }

    /// The counts of all buckets from the first to the last, with the empty ones between.
    fn run(&self) -> Result<BucketRun, String> {
        let sent = self.counts()?;
        let mut left = sent.iter();
        let mut counts = Vec::new();
        let mut first = 0;
        for (i, &(offset, length)) in self.spans.iter().enumerate() {
            if i == 0 {
                first = i32::try_from(offset).map_err(|_| "a span begins too far out".to_owned())?;
            } else {
                let gap = usize::try_from(offset).map_err(|_| "the spans of a native histogram overlap".to_owned())?;
                counts.resize(longest(counts.len().saturating_add(gap))?, 0);
            }
            let length = longest(counts.len().saturating_add(usize::try_from(length).unwrap_or(usize::MAX)))?;
            while counts.len() < length {
                counts.push(*left.next().ok_or("the spans of a native histogram need more buckets")?);
            }
        }
        if left.next().is_some() {
            return Err("the spans of a native histogram have fewer buckets than were sent".to_owned());
        }
        Ok(BucketRun { offset: first, counts })
    }

    fn counts(&self) -> Result<Vec<u64>, String> {
        if !self.counts.is_empty() {
            return Ok(self.counts.iter().map(|count| parts(*count)).collect());
        }
        let mut count = 0i64;
        let next = |delta: &i64| {
            count = count.checked_add(*delta)?;
            u64::try_from(count).ok()
        };
        let counts: Option<Vec<u64>> = self.deltas.iter().map(next).collect();
        counts.ok_or_else(|| "a bucket of a native histogram has less than no observation".to_owned())
    }
}

fn longest(buckets: usize) -> Result<usize, String> {
    if buckets > MAX_BUCKETS {
        return Err(format!("a native histogram has at most {MAX_BUCKETS} buckets of one sign"));
    }
    Ok(buckets)
}

/// A fraction of observations as a whole number of parts.
fn parts(count: f64) -> u64 {
    // A cast saturates, and turns NaN into 0.
    (count * PARTS).round() as u64
}

fn doubles(value: Value<'_>, mut push: impl FnMut(f64)) -> Result<(), Malformed> {
    fixed64s(value, |bits| push(f64::from_bits(bits)))
}
