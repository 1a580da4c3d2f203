//! Parses Influx line protocol of InfluxDB 1 and 2:
//! `measurement[,tag=value…] field=value[,field=value…] [timestamp]`, one point a line.
//!
//! One pass over the bytes without copies: for a known series, measurement and tags only serve as
//! its key. They are parsed for a new series only. Each number of a point becomes a sample. Texts
//! are dropped, because they cannot be scored. A malformed point is rejected as a whole; parsing
//! continues with the next line.

mod line;
mod number;
mod series;

use super::batch_builder::Batch;
use super::course::RawName;
use super::error::IntakeError;
use super::raw_series::Protocol;
use crate::strict_json::utf8;
use line::{Field, Fields};

/// Unit of the timestamps of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// The protocol's own default.
    #[default]
    Nanoseconds,
    /// Millionths.
    Microseconds,
    /// Thousandths.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes; InfluxDB 1 only.
    Minutes,
    /// Hours; InfluxDB 1 only.
    Hours,
}

impl Precision {
    /// Parses the unit's name in InfluxDB 2, which has no minutes: there `m` may be meant as
    /// anything.
    pub fn parse_second(name: &str) -> Option<Self> {
        matches!(name, "" | "ns" | "us" | "ms" | "s").then(|| Self::parse(name)).flatten()
    }

    /// Parses the unit's name in InfluxDB 1, or in InfluxDB 2.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" | "n" | "ns" => Self::Nanoseconds,
            "u" | "us" | "µ" => Self::Microseconds,
            "ms" => Self::Milliseconds,
            "s" => Self::Seconds,
            "m" => Self::Minutes,
            "h" => Self::Hours,
            _ => return None,
        })
    }

    /// In milliseconds, rounded down; `None` on overflow.
    fn milliseconds(self, timestamp: i64) -> Option<i64> {
        match self {
            Self::Nanoseconds => Some(timestamp.div_euclid(1_000_000)),
            Self::Microseconds => Some(timestamp.div_euclid(1_000)),
            Self::Milliseconds => Some(timestamp),
            Self::Seconds => timestamp.checked_mul(1_000),
            Self::Minutes => timestamp.checked_mul(60_000),
            Self::Hours => timestamp.checked_mul(3_600_000),
        }
    }
}

/// Bytes of a line with few tags and one field.
const USUAL_LINE: usize = 64;

/// Parses a body. Rows are numbered by line, from 0.
///
/// # Errors
/// The body is UTF-16, or the batch is full.
pub fn parse(body: &[u8], precision: Precision, batch: &mut Batch<'_>) -> Result<(), IntakeError> {
    batch.expect(body.len(), USUAL_LINE);
    let body = utf8(body)?;
    let mut fields = Fields::default();
    let (mut at, mut row) = (0, 0);
    while at < body.len() {
        let first = body[at];
        if matches!(first, b' ' | b'\t' | b'\r' | b'\0') {
            at += 1;
            continue;
        }
        if first == b'\n' {
            (at, row) = (at + 1, row + 1);
            continue;
        }
        if first == b'#' {
            at = line::end_of_line(body, at);
            continue;
        }
        match line::parse(body, at, &mut fields) {
            Ok(line) => {
                let timestamp = line.timestamp.map(|timestamp| precision.milliseconds(timestamp));
                match timestamp {
                    Some(None) => batch.reject(row, "timestamp is too large for its precision".to_owned())?,
                    other => add(batch, row, &body[line.key], &fields, other.flatten())?,
                }
                row += breaks_within(&body[at..line.end], &fields);
                at = line.end;
            }
            Err(error) => {
                batch.reject(row, error.message)?;
                row += breaks_within(&body[at..error.resume], &fields);
                at = error.resume;
            }
        }
    }
    Ok(())
}

/// The number of line breaks in the texts of a line.
fn breaks_within(line: &[u8], fields: &Fields<'_>) -> u32 {
    if fields.had_text { line.iter().filter(|byte| **byte == b'\n').count() as u32 } else { 0 }
}

fn add(
    batch: &mut Batch<'_>,
    row: u32,
    key: &[u8],
    fields: &Fields<'_>,
    timestamp_ms: Option<i64>,
) -> Result<(), IntakeError> {
    let keys = batch.keys();
    let mut parent = None;
    for Field { name, value } in &fields.numbers {
        let raw_name = RawName { protocol: Protocol::Influx, head: key, tail: Some(name) };
        let own_key = || keys.child_key(*parent.get_or_insert_with(|| keys.key(Protocol::Influx, key)), name);
        let destination = batch.named(&raw_name, own_key, || series::raw_series(key, name));
        batch.push(destination, row, timestamp_ms, *value)?;
    }
    for _ in 0..fields.texts {
        batch.ignore()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
