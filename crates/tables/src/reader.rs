//! Streams the rows of a CSV file as samples.
//!
//! The time is the column called timestamp, time, date, ts or datetime (in any case), else the only
//! one that holds dates, else the first. A column with times of day belongs to a column of dates.
//! With a column called kpi or metric and one called value, each row is one value of the KPI it
//! names, and all other columns are labels. Else each other column of numbers is a KPI, and each
//! column of text a label. Empty cells, `NaN`, `NA`, `null` and the like are missing values. They
//! are a problem only if a row has no other value.

use std::collections::VecDeque;
use std::io::{self, Cursor, Read};

use ::csv::{ByteRecord, ReaderBuilder};
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use serde::Serialize;

use super::SourceSample;
use super::bounded::{self, BoundedRecords};
use super::dialect::{self, Dialect};
use super::error::{RowProblem, TableError};
use super::foreign;
use super::layout::{ColumnDescription, Layout};
use super::options::{DecimalSign, TableOptions, TimeFormat};
use super::problems::Problems;
use super::quotes::{Place, contains_rows};
use super::time::Moment;
use super::twice::Twice;
use super::zone;

/// Number of rows that are inspected to tell what the form leaves open.
const SNIFFED_ROWS: usize = 100;
/// Bytes that are inspected to find the separator.
const SNIFFED_BYTES: u64 = 64 << 10;
/// The longest record, bytes, including quoted line breaks.
const LONGEST_RECORD: usize = 1 << 20;

/// The order of the first rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// No time is before the one above it.
    OldestFirst,
    /// No time is after the one above it.
    NewestFirst,
    /// Neither.
    Mixed,
}

/// How a table is understood.
#[derive(Debug, Clone, Serialize)]
pub struct Description {
    /// The separator of fields.
    pub separator: char,
    /// The decimal sign.
    pub decimal: DecimalSign,
    /// The form of times.
    pub time_format: TimeFormat,
    /// The zone of times that do not say one.
    pub time_zone: String,
    /// The order of the first rows.
    pub order: Order,
    /// Each column with what it becomes.
    pub columns: Vec<ColumnDescription>,
}

/// A row that was read to decide the form.
#[derive(Debug)]
struct Sniffed {
    place: Place,
    end: u64,
    record: ByteRecord,
}

type Input<R> = io::Chain<Cursor<Vec<u8>>, Rest<R>>;

/// What follows the beginning of a file.
#[derive(Debug)]
struct Rest<R: Read> {
    /// The error that ended the beginning.
    error: Option<io::Error>,
    decoded: DecodeReaderBytes<R, Vec<u8>>,
}

impl<R: Read> Read for Rest<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.decoded.read(buffer),
        }
    }
}

/// Converts rows to samples, in the order of the file. Memory is bounded for any input.
#[derive(Debug)]
pub struct TableReader<R: Read> {
    records: ::csv::Reader<BoundedRecords<Input<R>>>,
    dialect: Dialect,
    sniffed: VecDeque<Sniffed>,
    /// Where the last row ended.
    bytes_read: u64,
    /// An error found while sniffing. It is returned after the rows before it.
    damage: Option<TableError>,
    record: ByteRecord,
    layout: Layout,
    order: Order,
    twice: Twice,
}

impl<R: Read> TableReader<R> {
    /// Reads the header and the first rows of `input` and decides what their form leaves open.
    ///
    /// # Errors
    /// If the file is empty, has no time or no numbers, has more than one meaning, or cannot be
    /// read.
    pub fn new(input: R, options: &TableOptions) -> Result<Self, TableError> {
        let mut rest = Rest { error: None, decoded: DecodeReaderBytesBuilder::new().strip_bom(true).build(input) };
        let mut beginning = Vec::new();
        rest.error = rest.decoded.by_ref().take(SNIFFED_BYTES).read_to_end(&mut beginning).err();
        foreign::check(&beginning)?;
        check_encoding(&beginning)?;
        let dialect = dialect::detect(&beginning, (beginning.len() as u64) < SNIFFED_BYTES);
        beginning.drain(..dialect.skipped_bytes);
        let input = Cursor::new(beginning).chain(rest);
        let mut records = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(dialect.separator)
            .from_reader(BoundedRecords::new(input, LONGEST_RECORD));
        let mut record = ByteRecord::new();
        let (mut sniffed, mut damage) = (VecDeque::new(), None);
        while sniffed.len() <= SNIFFED_ROWS {
            match read_record(&mut records, &mut record, dialect.skipped_lines) {
                Ok(Some(place)) => {
                    let columns = sniffed.front().map(|row: &Sniffed| row.record.len());
                    if columns.is_some_and(|columns| place.is_cut(&record, columns)) {
                        return Err(TableError::OpenQuote { line: place.first_line() });
                    }
                    let end = records.position().byte();
                    sniffed.push_back(Sniffed { place, end, record: record.clone() });
                }
                Ok(None) => break,
                Err(error) if sniffed.is_empty() || error.is_of_content() => return Err(error),
                Err(error) => {
                    damage = Some(error);
                    break;
                }
            }
        }
        let rows: Vec<&ByteRecord> = sniffed.iter().map(|row: &Sniffed| &row.record).collect();
        let lines: Vec<u64> = sniffed.iter().map(|row: &Sniffed| row.place.line).collect();
        let mut layout = Layout::detect(&lines, &rows, options, dialect.separator)?;
        let later = sniffed.iter().filter(|row| row.place.breaks > 0);
        for Sniffed { place, record, .. } in later {
            if contains_rows(&layout, record, dialect.separator) {
                return Err(TableError::OpenQuote { line: place.first_line() });
            }
        }
        if layout.has_header {
            sniffed.pop_front();
        }
        let first_rows: Vec<&ByteRecord> = sniffed.iter().map(|row| &row.record).collect();
        let mut twice = Twice::new(&layout, &first_rows);
        for Sniffed { place, record, .. } in &sniffed {
            twice.see(&layout, record, place.line)?;
        }
        let order = order(sniffed.iter().filter_map(|row| layout.time_of(&row.record).ok()));
        layout.clocks.begin(order == Order::NewestFirst);
        Ok(Self { records, dialect, sniffed, bytes_read: 0, damage, record, layout, order, twice })
    }

    /// How the table is understood.
    pub fn describe(&self) -> Description {
        Description {
            separator: char::from(self.dialect.separator),
            decimal: self.layout.decimal.sign,
            time_format: self.layout.times.format,
            time_zone: zone::name(&self.layout.times.zone),
            order: self.order,
            columns: self.layout.describe(),
        }
    }

    /// Whether a column is empty in the first rows, so that a value in a later row is refused.
    pub(super) fn has_open_columns(&self) -> bool {
        !self.layout.open.is_empty()
    }

    /// A warning about unused columns. `None` if all are used.
    pub fn warning(&self) -> Option<String> {
        self.layout.warning()
    }

    /// A warning about the rows read so far that lie in an hour that clocks repeat. `None` if there
    /// are none.
    pub fn clock_warning(&self) -> Option<String> {
        self.layout.clocks.warning()
    }

    /// Number of bytes of the rows read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read + self.dialect.skipped_bytes as u64
    }

    /// Reads one row. Appends its samples to `samples` and its problems to `problems`.
    ///
    /// Returns false at the end of the file. A row may give both: the good cells of a row with a
    /// bad one are kept.
    ///
    /// # Errors
    /// If the file cannot be read further. Everything appended before is valid.
    pub fn read_row(&mut self, samples: &mut Vec<SourceSample>, problems: &mut Problems) -> Result<bool, TableError> {
        let line = if let Some(Sniffed { place, end, record }) = self.sniffed.pop_front() {
            (self.record, self.bytes_read) = (record, end);
            place.line
        } else if let Some(damage) = self.damage.take() {
            return Err(damage);
        } else if let Some(place) = read_record(&mut self.records, &mut self.record, self.dialect.skipped_lines)? {
            self.check_quotes(place)?;
            self.layout.check_open(&self.record, place.line)?;
            self.twice.see(&self.layout, &self.record, place.line)?;
            self.bytes_read = self.records.position().byte();
            place.line
        } else {
            return Ok(false);
        };
        let mut report = |reason| problems.push(RowProblem { line, reason });
        if let Err(reason) = self.layout.read(line, &self.record, samples, &mut report) {
            report(reason);
        }
        Ok(true)
    }

    /// Refuses the current record if a quote in it was left open.
    fn check_quotes(&self, place: Place) -> Result<(), TableError> {
        let contains_rows = || contains_rows(&self.layout, &self.record, self.dialect.separator);
        if place.is_cut(&self.record, self.layout.roles.len()) || (place.breaks > 0 && contains_rows()) {
            return Err(TableError::OpenQuote { line: place.first_line() });
        }
        Ok(())
    }
}

/// UTF-16 without a byte order mark is not decoded: every second byte of usual text is NUL.
fn check_encoding(beginning: &[u8]) -> Result<(), TableError> {
    let part = &beginning[..beginning.len().min(1_024)];
    let zeros = part.iter().filter(|byte| **byte == 0).count();
    if zeros * 4 > part.len() { Err(TableError::NotUtf8(" (perhaps UTF-16)")) } else { Ok(()) }
}

/// Reads the next record, without blanks around its fields.
fn read_record<R: Read>(
    records: &mut ::csv::Reader<BoundedRecords<R>>,
    record: &mut ByteRecord,
    skipped_lines: u64,
) -> Result<Option<Place>, TableError> {
    let start = records.position().line() + skipped_lines;
    records.get_mut().start_record();
    match records.read_byte_record(record) {
        Ok(true) => {
            let breaks = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
            record.trim();
            let (after, byte) = (records.position().line(), records.position().byte());
            if records.get_ref().is_past_end(byte) {
                return Err(TableError::OpenQuote { line: after.saturating_sub(breaks).max(1) + skipped_lines });
            }
            // The position is after the record's line break, or between `\r` and `\n`.
            // `BoundedRecords` guarantees a line break for each record.
            let line = after - u64::from(records.get_ref().is_after_line_feed(byte));
            Ok(Some(Place { line: line.max(1) + skipped_lines, breaks }))
        }
        Ok(false) => Ok(None),
        Err(error) => Err(read_error(error, start, records.get_ref().is_quoted())),
    }
}

fn read_error(error: ::csv::Error, line: u64, quoted: bool) -> TableError {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) if bounded::is_too_long(&error) => TableError::RecordTooLong { line, quoted },
        ::csv::ErrorKind::Io(error) => TableError::Io(error),
        // No other error can occur with flexible byte records, but the enum is not exhaustive.
        other => TableError::Io(io::Error::other(format!("{other:?}"))),
    }
}

/// Times that clocks show twice say nothing about the order.
fn order(times: impl Iterator<Item = Moment>) -> Order {
    let at = |moment| if let Moment::At(ms) = moment { Some(ms) } else { None };
    let times: Vec<i64> = times.filter_map(at).collect();
    if times.is_sorted() {
        Order::OldestFirst
    } else if times.is_sorted_by(|a, b| a >= b) {
        Order::NewestFirst
    } else {
        Order::Mixed
    }
}
