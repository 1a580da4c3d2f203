//! Reads a table on a thread of its own, a few portions ahead of who takes them.

use std::fs::File;
use std::io::{self, Cursor, Read};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::SourceSample;
use super::csv::{CsvError, CsvReader, Naming, RowProblem};
use super::replay::Batcher;
use super::sheet::{self, SheetError};

/// How many batches may be read ahead of the one being delivered.
const READ_AHEAD: usize = 4;

/// How many problems are passed on together when no batch comes along to take them.
const PROBLEMS_TOGETHER: usize = 100;

/// The largest workbook, in bytes: it is read whole.
const MAX_WORKBOOK: u64 = 64 << 20;

/// Why a table cannot be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// As CSV.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// As a workbook.
    #[error(transparent)]
    Sheet(#[from] SheetError),
}

/// What the reading thread hands over: samples that belong into one request, and what was met on the way to them.
#[derive(Debug, Default)]
pub struct Portion {
    /// The samples, in the order of the table.
    pub samples: Vec<SourceSample>,
    /// Rows and cells that were skipped.
    pub problems: Vec<RowProblem>,
    /// What concerns the whole table; once.
    pub warning: Option<String>,
    /// Rows read since the portion before.
    pub rows: u64,
    /// Bytes of the table read so far; of a workbook, of the CSV it became.
    pub bytes_read: u64,
}

/// Starts reading `file`, a workbook or CSV, into batches.
pub fn read_ahead(
    file: File,
    workbook: bool,
    naming: Naming,
    batcher: Batcher,
) -> (mpsc::Receiver<Portion>, JoinHandle<Result<(), TableError>>) {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let reader = tokio::task::spawn_blocking(move || {
        if workbook {
            let csv = Cursor::new(convert(file)?);
            return read_portions(csv, &naming, batcher, &sender);
        }
        read_portions(file, &naming, batcher, &sender)
    });
    (receiver, reader)
}

fn convert(file: File) -> Result<Vec<u8>, TableError> {
    let mut workbook = Vec::new();
    let read = file.take(MAX_WORKBOOK + 1).read_to_end(&mut workbook).map_err(CsvError::Io)?;
    if read as u64 > MAX_WORKBOOK {
        let text = format!("a workbook may have at most {} MiB; save its sheet as CSV", MAX_WORKBOOK >> 20);
        return Err(CsvError::Io(io::Error::other(text)).into());
    }
    Ok(sheet::to_csv(workbook)?)
}

fn read_portions(
    input: impl Read,
    naming: &Naming,
    mut batcher: Batcher,
    sender: &mpsc::Sender<Portion>,
) -> Result<(), TableError> {
    let mut rows = CsvReader::new(input, naming)?;
    let mut problems = Vec::new();
    let mut warning = rows.warning().map(str::to_owned);
    let mut row = Vec::new();
    let mut count = 0;
    let mut outcome = Ok(true);
    while matches!(outcome, Ok(true)) {
        outcome = rows.read_row(&mut row, &mut problems);
        count += u64::from(matches!(outcome, Ok(true)));
        let bytes_read = rows.bytes_read();
        let mut hand_over = |samples: Vec<SourceSample>, problems: &mut Vec<RowProblem>| {
            let (problems, rows) = (std::mem::take(problems), std::mem::take(&mut count));
            sender.blocking_send(Portion { samples, problems, warning: warning.take(), rows, bytes_read }).is_ok()
        };
        for sample in row.drain(..) {
            if let Some(batch) = batcher.push(sample)
                && !hand_over(batch, &mut problems)
            {
                return Ok(());
            }
        }
        let at_end = !matches!(outcome, Ok(true));
        if at_end || problems.len() >= PROBLEMS_TOGETHER {
            let rest = if at_end { batcher.finish() } else { Vec::new() };
            if !hand_over(rest, &mut problems) {
                return Ok(());
            }
        }
    }
    Ok(outcome.map(|_| ())?)
}
