//! A streaming reader of CSV files with a time column and columns of values.
//!
//! Reads the Numenta benchmark's `timestamp,value` and any file with a header. Which column is what is decided once, from
//! the header and the first hundred rows; then rows pass through one at a time, so that a file may be larger than memory.
//! A bad row costs that row alone.
//!
//! - The time is the column called timestamp, time, date, ts or datetime (in any case), else the first; see [`parse_time`].
//! - With a column called kpi or metric and one called value, each row is one value of the KPI it names.
//! - Else every other column of numbers is a KPI, called as [`Naming`] says. `label.<x>` columns become labels. Text, columns
//!   without a name, and the annotations of labelled data sets (`label`, `is_anomaly`, `anomaly`) are not used; one warning
//!   names them.
//! - Empty cells, `NaN`, `NA`, `null` and the like are no value, which is a problem only when a row has no other.
//!
//! Deliberately absent: guessing of other separators, decimal commas and day-first dates, because a wrong guess would be
//! silent.

use std::collections::VecDeque;
use std::io::{self, Read};

use ::csv::{ByteRecord, ReaderBuilder};

use super::SourceSample;
use bounded::BoundedRecords;
use columns::{Columns, Role};
use earcon_model::{KpiName, Labels, Sample};

mod bounded;
mod columns;
mod time;

pub use columns::{Naming, name_from};
pub use time::parse_time;

/// How many rows are looked at to tell number columns from text.
const SNIFFED_ROWS: usize = 100;

/// The longest record, in bytes, including any quoted line breaks.
const LONGEST_RECORD: usize = 1 << 20;

/// A cell or a row that was skipped, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct RowProblem {
    /// The line of the file on which the row ends, counting from 1.
    pub line: u64,
    /// What is wrong with it, fit to show to the file's owner.
    pub reason: String,
}

/// Why a file cannot be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// There is not even a header.
    #[error("the file is empty")]
    Empty,
    /// No row starts with something that reads as a time.
    #[error(
        "column {column:?} should hold the time, but holds {example:?}; write RFC 3339, YYYY-MM-DD HH:MM:SS or an integer since 1970"
    )]
    NoTime {
        /// The column's name.
        column: String,
        /// What its first cell holds.
        example: String,
    },
    /// There is no column of numbers beside the time.
    #[error("no column beside the time holds numbers (columns: {columns}); are they separated by commas?")]
    NoValues {
        /// The names of all columns.
        columns: String,
    },
    /// A record has no end within a mebibyte, as after a quote that is never closed.
    #[error("the row that starts at line {line} is longer than 1 MiB; is a quote (\") left open there?")]
    RecordTooLong {
        /// The line of the file, counting from 1.
        line: u64,
    },
    /// The file could not be read.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
}

/// Turns rows into samples, in the order of the file. Memory is bounded whatever the file holds.
#[derive(Debug)]
pub struct CsvReader<R> {
    records: ::csv::Reader<BoundedRecords<R>>,
    sniffed: VecDeque<(u64, ByteRecord)>,
    /// Met while sniffing; told when the rows before it have been handed out.
    damage: Option<CsvError>,
    record: ByteRecord,
    columns: Columns,
}

impl<R: Read> CsvReader<R> {
    /// Reads the header and the first rows of `input` and settles what each column is.
    ///
    /// # Errors
    /// The file is empty, has no time or no numbers, or cannot be read.
    pub fn new(input: R, naming: &Naming) -> Result<Self, CsvError> {
        let records = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(::csv::Trim::All)
            .from_reader(BoundedRecords::new(input, LONGEST_RECORD));
        let mut reader = Self {
            records,
            sniffed: VecDeque::new(),
            damage: None,
            record: ByteRecord::new(),
            columns: Columns::default(),
        };
        reader.sniff()?;
        let rows: Vec<&ByteRecord> = reader.sniffed.iter().map(|(_, record)| record).collect();
        reader.columns = Columns::settle(&rows, naming)?;
        if reader.columns.has_header {
            reader.sniffed.pop_front();
        }
        Ok(reader)
    }

    fn sniff(&mut self) -> Result<(), CsvError> {
        while self.sniffed.len() <= SNIFFED_ROWS {
            match self.read_record() {
                Ok(Some(line)) => self.sniffed.push_back((line, self.record.clone())),
                Ok(None) => break,
                Err(error) if self.sniffed.is_empty() => return Err(error),
                Err(error) => {
                    self.damage = Some(error);
                    break;
                }
            }
        }
        Ok(())
    }

    /// What the file's owner should know about columns that are not used; `None` when all are.
    pub fn warning(&self) -> Option<&str> {
        self.columns.warning.as_deref()
    }

    /// How many bytes of the file have been read so far.
    pub fn bytes_read(&self) -> u64 {
        self.records.position().byte()
    }

    /// Reads one row, appending its samples to `samples` and what is wrong with it to `problems`.
    ///
    /// Returns false at the end of the file. A row may give both: a bad cell does not take its neighbours along.
    ///
    /// # Errors
    /// The file could not be read any further; everything appended until then is good.
    pub fn read_row(
        &mut self,
        samples: &mut Vec<SourceSample>,
        problems: &mut Vec<RowProblem>,
    ) -> Result<bool, CsvError> {
        let line = if let Some((line, record)) = self.sniffed.pop_front() {
            self.record = record;
            line
        } else if let Some(damage) = self.damage.take() {
            return Err(damage);
        } else if let Some(line) = self.read_record()? {
            line
        } else {
            return Ok(false);
        };
        let mut report = |reason| problems.push(RowProblem { line, reason });
        if let Err(reason) = self.columns.read(&self.record, samples, &mut report) {
            report(reason);
        }
        Ok(true)
    }

    /// Reads the next record into `self.record` and tells the line on which it ends.
    fn read_record(&mut self) -> Result<Option<u64>, CsvError> {
        let start = self.records.position().line();
        self.records.get_mut().start_record();
        match self.records.read_byte_record(&mut self.record) {
            // The position is behind the record's line break, which `BoundedRecords` sees to that every record has.
            Ok(true) => Ok(Some(self.records.position().line().saturating_sub(1).max(1))),
            Ok(false) => Ok(None),
            Err(error) => Err(read_error(error, start)),
        }
    }
}

fn read_error(error: ::csv::Error, line: u64) -> CsvError {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) if bounded::is_too_long(&error) => CsvError::RecordTooLong { line },
        ::csv::ErrorKind::Io(error) => CsvError::Io(error),
        // Neither unequal lengths (flexible) nor UTF-8 (bytes) nor serde can fail here, but the enum is open.
        other => CsvError::Io(io::Error::other(format!("{other:?}"))),
    }
}

impl Columns {
    /// Reads one row: `Err` is what is wrong with the whole of it, `report` takes what is wrong with single cells.
    fn read(
        &self,
        record: &ByteRecord,
        samples: &mut Vec<SourceSample>,
        report: &mut impl FnMut(String),
    ) -> Result<(), String> {
        if record.len() > self.roles.len() {
            return Err(format!("has {} fields where {} are expected", record.len(), self.roles.len()));
        }
        let timestamp_ms = self.time_of(record)?;
        let labels = self.labels_of(record)?;
        let named = self.kpi_of(record)?;
        let mut cells = 0;
        for (cell, role) in record.iter().zip(&self.roles) {
            let Role::Value(kpi) = role else { continue };
            if is_missing(cell) {
                continue;
            }
            cells += 1;
            match parse_value(cell) {
                Some(value) => samples.push(SourceSample {
                    kpi: named.as_ref().unwrap_or(kpi).clone(),
                    labels: labels.clone(),
                    sample: Sample { timestamp_ms, value },
                }),
                None => report(format!("{kpi}: {:?} is not a finite number", excerpt(cell))),
            }
        }
        if cells == 0 { Err("holds no value".to_owned()) } else { Ok(()) }
    }

    fn time_of(&self, record: &ByteRecord) -> Result<i64, String> {
        let cell = record.get(self.time).unwrap_or_default();
        std::str::from_utf8(cell)
            .ok()
            .and_then(parse_time)
            .ok_or_else(|| format!("{:?} is not a time that can be read", excerpt(cell)))
    }

    /// The KPI the row names, in a file whose rows do.
    fn kpi_of(&self, record: &ByteRecord) -> Result<Option<KpiName>, String> {
        let Some((column, prefix)) = &self.kpi else { return Ok(None) };
        let cell = record.get(*column).unwrap_or_default();
        if is_missing(cell) {
            return Err("names no KPI".to_owned());
        }
        let name = name_from(&String::from_utf8_lossy(cell));
        Ok(Some(prefix.as_ref().map_or(name.clone(), |prefix| name_from(&format!("{prefix}.{name}")))))
    }

    fn labels_of(&self, record: &ByteRecord) -> Result<Labels, String> {
        if !self.has_labels {
            return Ok(self.no_labels.clone());
        }
        let mut pairs = Vec::new();
        for (cell, role) in record.iter().zip(&self.roles) {
            if let Role::Label(key) = role
                && !cell.is_empty()
            {
                let value = std::str::from_utf8(cell).map_err(|_| format!("label {key:?} is not UTF-8"))?;
                pairs.push((key, value));
            }
        }
        Labels::from_pairs(pairs).map_err(|error| error.to_string())
    }
}

/// The number a cell holds: any finite decimal.
fn parse_value(cell: &[u8]) -> Option<f64> {
    std::str::from_utf8(cell).ok()?.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Whether a cell says that there is no value, in one of the spellings in use.
fn is_missing(cell: &[u8]) -> bool {
    ["", "na", "n/a", "nan", "null", "none", "-"].iter().any(|word| cell.eq_ignore_ascii_case(word.as_bytes()))
}

/// The beginning of a cell, for a message.
fn excerpt(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).chars().take(40).collect()
}

#[cfg(test)]
mod tests;
