//! A streaming reader of CSV files with a time column and columns of values.
//!
//! Reads the Numenta benchmark's `timestamp,value` and any file with a header. The roles of the
//! columns are detected once, from the header and the first hundred rows. Then rows are streamed,
//! so that a file may be larger than memory. A bad row is skipped alone.
//!
//! - The time is the column called timestamp, time, date, ts or datetime (in any case), else the
//!   first. See [`parse_time`].
//! - With a column called kpi or metric and one called value, each row is one value of the KPI it
//!   names.
//! - Else each other numeric column is a KPI, named by [`Naming`]. `label.<x>` columns become
//!   labels. Text, columns without a name, and annotations of labelled data sets (`label`,
//!   `is_anomaly`, `anomaly`) are not used. One warning names them.
//! - Empty cells, `NaN`, `NA`, `null` and the like are missing values. That is a problem only if a
//!   row has no other value.
//!
//! Deliberately absent: guessing of other separators, decimal commas and day-first dates, because a
//! wrong guess would be silent.

use std::collections::VecDeque;
use std::io::{self, Read};

use ::csv::{ByteRecord, ReaderBuilder};

use super::SourceSample;
use bounded::BoundedRecords;
use cell::{excerpt, is_missing, parse_value};
use columns::{Columns, Role};
use earcon_model::{KpiName, Labels, Sample};

mod bounded;
mod cell;
mod columns;
mod error;
mod time;

pub use columns::{Naming, name_from};
pub use error::{CsvError, RowProblem};
pub use time::parse_time;

/// Number of rows that are inspected to tell numeric columns from text.
const SNIFFED_ROWS: usize = 100;

/// The longest record, bytes, including quoted line breaks.
const LONGEST_RECORD: usize = 1 << 20;

/// Converts rows to samples, in the order of the file. Memory is bounded for any input.
#[derive(Debug)]
pub struct CsvReader<R> {
    records: ::csv::Reader<BoundedRecords<R>>,
    sniffed: VecDeque<(u64, ByteRecord)>,
    /// An error found while sniffing. It is returned after the rows before it.
    damage: Option<CsvError>,
    record: ByteRecord,
    columns: Columns,
}

impl<R: Read> CsvReader<R> {
    /// Reads the header and the first rows of `input` and detects the role of each column.
    ///
    /// # Errors
    /// If the file is empty, has no time or no numbers, or cannot be read.
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
        reader.columns = Columns::detect(&rows, naming)?;
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

    /// A warning about unused columns. `None` if all are used.
    pub fn warning(&self) -> Option<&str> {
        self.columns.warning.as_deref()
    }

    /// Number of bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.records.position().byte()
    }

    /// Reads one row. Appends its samples to `samples` and its problems to `problems`.
    ///
    /// Returns false at the end of the file. A row may give both: the good cells of a row with a
    /// bad one are kept.
    ///
    /// # Errors
    /// If the file cannot be read further. Everything appended before is valid.
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

    /// Reads the next record into `self.record`. Returns the line on which it ends.
    fn read_record(&mut self) -> Result<Option<u64>, CsvError> {
        let start = self.records.position().line();
        self.records.get_mut().start_record();
        match self.records.read_byte_record(&mut self.record) {
            // The position is after the record's line break. `BoundedRecords` guarantees one for
            // each record.
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
        // No other error can occur with flexible byte records, but the enum is not exhaustive.
        other => CsvError::Io(io::Error::other(format!("{other:?}"))),
    }
}

impl Columns {
    /// Reads one row. `Err` is a problem of the whole row, `report` receives problems of single
    /// cells.
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

    /// The KPI that the row names, in a file with a KPI column.
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

#[cfg(test)]
mod tests;
