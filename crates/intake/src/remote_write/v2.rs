//! Version 2: each text once in a table of symbols, and the type with each series.

use super::metadata::{Family, MetricType};
use super::points::Points;
use super::v1::named;
use super::{FieldsSeen, Sent, Version};
use crate::batch_builder::Batch;
use crate::course::RawName;
use crate::error::IntakeError;
use crate::protobuf::{Fields, Malformed, Value, varints};
use crate::raw_series::{LabelPairs, Protocol, RawSeries};

/// The most symbols of a request. The table takes 16 bytes for each, also for an empty one.
const MAX_SYMBOLS: usize = 1 << 20;

/// Begins the bytes of a name, so that no series of version 1 has the same.
const MARK: u8 = 0xFF;

pub(super) fn parse(request: &[u8], batch: &mut Batch<'_>) -> Result<Sent, IntakeError> {
    let malformed = |_: Malformed| IntakeError::Malformed("the body is not a Request of remote write 2.0".to_owned());
    let symbols = read_symbols(request).map_err(malformed)?;
    if symbols.len() > MAX_SYMBOLS {
        return Err(IntakeError::Malformed(format!("a request has at most {MAX_SYMBOLS} symbols")));
    }
    let mut fields = Fields::new(request);
    let mut series = Series::default();
    let mut sent = Sent::default();
    let mut row = 0;
    let mut seen = FieldsSeen::default();
    while let Some((number, value)) = fields.next().map_err(malformed)? {
        seen.see(matches!(number, 4 | 5));
        if let (5, Value::Bytes(message)) = (number, value) {
            if symbols.first().is_none_or(|first| !first.is_empty()) {
                return Err(IntakeError::Malformed("the first symbol must be empty".to_owned()));
            }
            match series.read(message).map_err(|Malformed| "the time series is damaged".to_owned()) {
                Ok(()) => {
                    sent.count(row, &series.points);
                    match series.name(&symbols) {
                        Ok(()) => {
                            let name = RawName { protocol: Protocol::Prometheus, head: &series.bytes, tail: None };
                            series.points.write(batch, row, &name, || series.raw(&symbols))?;
                        }
                        Err(problem) => batch.reject(row, problem)?,
                    }
                }
                // Its length was valid, so the following series can be read.
                Err(problem) => batch.reject(row, problem)?,
            }
            row += 1;
        }
    }
    seen.check(Version::V2)?;
    Ok(sent)
}

fn read_symbols(request: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut symbols = Vec::new();
    let mut fields = Fields::new(request);
    while let Some(field) = fields.next()? {
        if let (4, Value::Bytes(symbol)) = field {
            symbols.push(symbol);
            if symbols.len() > MAX_SYMBOLS {
                break;
            }
        }
    }
    Ok(symbols)
}

/// A message `TimeSeries`; reused from series to series to save allocations.
#[derive(Default)]
struct Series<'b> {
    /// Symbols of keys and values in turn.
    labels: Vec<u64>,
    points: Points<'b>,
    kind: u64,
    /// Symbols of help and unit.
    help: u64,
    unit: u64,
    /// Bytes that name the series.
    bytes: Vec<u8>,
}

impl<'b> Series<'b> {
    fn read(&mut self, message: &'b [u8]) -> Result<(), Malformed> {
        self.labels.clear();
        self.points.clear();
        (self.kind, self.help, self.unit) = (0, 0, 0);
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, value) => varints(value, |symbol| self.labels.push(symbol))?,
                (2, Value::Bytes(sample)) => self.points.sample(sample)?,
                (3, Value::Bytes(histogram)) => self.points.histograms.push(histogram),
                (5, Value::Bytes(metadata)) => self.metadata(metadata)?,
                (6, Value::Varint(start)) => self.points.start_ms = start as i64,
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads a message `Metadata`.
    fn metadata(&mut self, message: &[u8]) -> Result<(), Malformed> {
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Varint(kind)) => self.kind = kind,
                (3, Value::Varint(symbol)) => self.help = symbol,
                (4, Value::Varint(symbol)) => self.unit = symbol,
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the name of texts and type. Symbols have other numbers in each request.
    fn name(&mut self, symbols: &[&[u8]]) -> Result<(), String> {
        if !self.labels.len().is_multiple_of(2) {
            return Err("a time series has a label without a value".to_owned());
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(&[MARK, self.kind as u8]);
        for symbol in &self.labels {
            let text = text(symbols, *symbol)?;
            // The lengths make the bytes unambiguous.
            self.bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            self.bytes.extend_from_slice(text);
        }
        Ok(())
    }

    fn raw<'s>(&self, symbols: &[&'s [u8]]) -> Result<RawSeries<'s>, String> {
        let text =
            |symbol: u64| std::str::from_utf8(text(symbols, symbol)?).map_err(|_| "labels must be UTF-8".to_owned());
        let pairs = self.labels.as_chunks::<2>().0.iter();
        let pairs = pairs.map(|[key, value]| Ok((text(*key)?.into(), text(*value)?.into())));
        let raw = named(pairs.collect::<Result<LabelPairs<'_>, String>>()?)?;
        // Without unit and help, the samples are good all the same.
        let words = |symbol: u64| text(symbol).unwrap_or_default().into();
        let (kind, unit, help) = (MetricType::from_number(self.kind), words(self.unit), words(self.help));
        Ok(Family { kind, unit, help }.describe(raw))
    }
}

fn text<'s>(symbols: &[&'s [u8]], symbol: u64) -> Result<&'s [u8], String> {
    let at = usize::try_from(symbol).ok();
    at.and_then(|at| symbols.get(at)).copied().ok_or_else(|| format!("there is no symbol {symbol}"))
}
