//! Converts the first sheet of an xlsx workbook to CSV for [`TableReader`](super::TableReader),
//! which detects columns and handles bad rows. Names the other sheets, which are not read.
//!
//! A workbook is a zip archive that is read into memory. All its parts are first inflated and
//! discarded to measure them and their cells, so that a small file cannot exhaust the memory.

mod bounds;

use std::io::Cursor;

use bounds::{MAX_CELL, MAX_INFLATED, MAX_PART};
use calamine::{DataRef, ExcelDateTime, Reader, Xlsx};
use earcon_model::wording::counted;

/// The largest CSV, bytes.
const MAX_CSV: usize = 256 << 20;
/// Sheets that a warning names.
const SHEETS_NAMED: usize = 5;
/// The limits of the format for columns and rows of a sheet.
const MAX_COLUMNS: u32 = 16_384;
const MAX_ROWS: u32 = 1_048_576;

/// Why a workbook cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// It is not a workbook, or damaged.
    #[error("not a readable xlsx workbook: {0}")]
    Damaged(String),
    /// It has no sheet.
    #[error("the workbook has no sheet")]
    NoSheet,
    /// It would need too much memory.
    #[error("the workbook is larger than {} MiB; save its sheet as CSV", MAX_INFLATED >> 20)]
    TooLarge,
    /// The table of its texts, or another part that is kept in memory, is too large.
    #[error("the texts or the styles of the workbook take more than {} MiB; save its sheet as CSV", MAX_PART >> 20)]
    TextsTooLarge,
    /// A cell would need too much memory.
    #[error(
        "a cell of the workbook is longer than {} KiB, and a spreadsheet keeps 32,767 characters in one; save its \
         sheet as CSV without the column of long texts",
        MAX_CELL >> 10
    )]
    CellTooLong,
}

/// Whether a file with this name is a workbook.
pub fn is_sheet(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("xlsx"))
}

/// The first sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Its content as CSV; line n is row n. Dates are written `YYYY-MM-DD HH:MM:SS.mmm`, without a
    /// part that the cell does not hold.
    pub csv: Vec<u8>,
    /// Its name.
    pub name: String,
    /// The names of the other sheets that hold something.
    pub others: Vec<String>,
    /// The number of formulas whose result is not in the file, and the name of the first such cell.
    /// Programs that write workbooks without computing them leave the results out.
    pub formulas: Option<(u64, String)>,
    /// The number of cells that hold a duration, and the name of the first.
    pub durations: Option<(u64, String)>,
}

impl Sheet {
    /// Sentences about the sheets and formulas that are not read. `None` if there are none.
    pub fn warning(&self) -> Option<String> {
        let all = self.unread_sheets().into_iter().chain(self.formula_warning()).chain(self.duration_warning());
        let all: Vec<String> = all.collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// A sentence about the formulas whose result is not in the file. `None` if there are none.
    pub fn formula_warning(&self) -> Option<String> {
        let (count, first) = self.formulas.as_ref()?;
        Some(format!(
            "{}, first {first}, so these cells are read as empty: open the workbook in a spreadsheet program and save \
             it there",
            counted(*count, "formula is without its result", "formulas are without their results")
        ))
    }

    fn duration_warning(&self) -> Option<String> {
        let (count, first) = self.durations.as_ref()?;
        let cells = counted(*count, "cell holds a duration", "cells hold durations");
        Some(format!("{cells} such as [h]:mm:ss, first {first}, which become seconds"))
    }

    fn unread_sheets(&self) -> Option<String> {
        let others: Vec<String> = self.others.iter().take(SHEETS_NAMED).map(|name| format!("{name:?}")).collect();
        let more = match self.others.len().saturating_sub(SHEETS_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (sheet, is) = if self.others.len() == 1 { ("sheet", "is") } else { ("sheets", "are") };
        let named = others.join(", ");
        (!others.is_empty()).then(|| {
            format!(
                "the {sheet} {named}{more} {is} not read, only the first one, {:?}; save another one as a file of its \
                 own to import it",
                self.name
            )
        })
    }
}

/// Reads the first sheet of a workbook.
///
/// # Errors
/// If it cannot be read, or is too large.
pub fn first_sheet(workbook: Vec<u8>) -> Result<Sheet, SheetError> {
    let workbook = bounds::check(workbook)?;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(workbook)).map_err(damaged)?;
    let names = workbook.sheet_names();
    let (name, others) = names.split_first().ok_or(SheetError::NoSheet)?;
    let mut cells = workbook.worksheet_cells_reader(name).map_err(damaged)?;
    let mut rows = Rows::default();
    let mut formulas: Option<(u64, String)> = None;
    let mut durations: Option<(u64, String)> = None;
    // This reader does not expand formulas, so it keeps none in memory.
    while let Some(cell) = cells.next_cell_with_formula_metadata().map_err(damaged)? {
        let (row, column) = cell.pos;
        rows.put(row, column, text(&cell.value))?;
        if cell.formula.is_some() && matches!(cell.value, DataRef::Empty) {
            formulas.get_or_insert_with(|| (0, cell_name(row, column))).0 += 1;
        }
        if matches!(&cell.value, DataRef::DateTime(time) if time.is_duration()) {
            durations.get_or_insert_with(|| (0, cell_name(row, column))).0 += 1;
        }
    }
    drop(cells);
    let csv = rows.finish()?;
    let others = others.iter().filter(|other| holds_cells(&mut workbook, other)).cloned().collect();
    Ok(Sheet { csv, name: name.clone(), others, formulas, durations })
}

/// Whether a sheet has a cell with content. One that cannot be read as cells, such as a chart, has
/// none.
fn holds_cells(workbook: &mut Xlsx<Cursor<Vec<u8>>>, name: &str) -> bool {
    let Ok(mut cells) = workbook.worksheet_cells_reader(name) else { return false };
    while let Ok(Some(cell)) = cells.next_cell() {
        if !text(cell.get_value()).is_empty() {
            return true;
        }
    }
    false
}

/// The name of a cell as spreadsheets show it, such as `B3`. Counts from 0.
fn cell_name(row: u32, column: u32) -> String {
    let (mut letters, mut left) = (String::new(), column + 1);
    while left > 0 {
        letters.insert(0, char::from(b'A' + ((left - 1) % 26) as u8));
        left = (left - 1) / 26;
    }
    format!("{letters}{}", row + 1)
}

fn damaged(error: impl std::fmt::Display) -> SheetError {
    SheetError::Damaged(error.to_string())
}

/// The CSV so far, and the current row.
#[derive(Default)]
struct Rows {
    csv: Vec<u8>,
    /// Rows written.
    written: u32,
    cells: Vec<String>,
    /// Bytes of these cells. Each may repeat one long text of the workbook.
    bytes: usize,
}

impl Rows {
    /// Adds a cell. Cells arrive row by row.
    fn put(&mut self, row: u32, column: u32, text: String) -> Result<(), SheetError> {
        if row < self.written || row >= MAX_ROWS || column >= MAX_COLUMNS {
            return Err(SheetError::Damaged(format!("row {row} and column {column} are out of place")));
        }
        if row > self.written {
            self.end_row()?;
            // Rows without cells become empty lines, so that line numbers equal row numbers.
            self.csv.extend(std::iter::repeat_n(b'\n', (row - self.written) as usize));
            self.written = row;
        }
        let column = column as usize;
        if self.cells.len() <= column {
            self.cells.resize(column + 1, String::new());
        }
        self.bytes += text.len();
        self.cells[column] = text;
        if self.csv.len() + self.bytes > MAX_CSV { Err(SheetError::TooLarge) } else { Ok(()) }
    }

    fn end_row(&mut self) -> Result<(), SheetError> {
        if self.cells.iter().any(|cell| !cell.is_empty()) {
            let mut line = csv::WriterBuilder::new().from_writer(&mut self.csv);
            line.write_record(&self.cells).map_err(damaged)?;
            line.flush().map_err(damaged)?;
        } else {
            self.csv.push(b'\n');
        }
        self.written += 1;
        self.cells.clear();
        self.bytes = 0;
        if self.csv.len() > MAX_CSV { Err(SheetError::TooLarge) } else { Ok(()) }
    }

    fn finish(mut self) -> Result<Vec<u8>, SheetError> {
        self.end_row()?;
        Ok(self.csv)
    }
}

fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => fraction(*number),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => one_line(text),
        DataRef::SharedString(text) => one_line(text),
        DataRef::Bool(yes) => yes.to_string(),
        DataRef::DateTime(time) => date(time),
        // A formula that failed has no value.
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}

/// A number with a point. Three decimals get a zero, as they could also be read as thousands.
fn fraction(number: f64) -> String {
    let text = number.to_string();
    match text.split_once('.') {
        Some((_, decimals)) if decimals.len() == 3 => text + "0",
        _ => text,
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn date(time: &ExcelDateTime) -> String {
    if time.is_duration() {
        // Spreadsheets count days, and keep milliseconds.
        return fraction((time.as_f64() * 86_400_000.0).round() / 1e3);
    }
    // A time of day alone, and a date alone.
    let (is_clock, is_date) = (time.as_f64() < 1.0, time.as_f64().fract() == 0.0);
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    let clock = format!("{hour:02}:{minute:02}:{second:02}.{milli:03}");
    match (is_clock, is_date) {
        (true, _) => clock,
        (false, true) => date,
        (false, false) => format!("{date} {clock}"),
    }
}

#[cfg(test)]
mod tests;
