//! Reads a table on a separate thread, a few portions ahead of the consumer.

use std::fs::File;
use std::io::{self, Cursor, Read};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::SourceSample;
use super::batcher::Batcher;
use super::csv::{CsvError, CsvReader, Naming, RowProblem};
use super::xlsx::{self, SheetError};

/// Number of portions that are read ahead.
const READ_AHEAD: usize = 4;

/// Number of problems after which a portion without samples is sent.
const PROBLEMS_TOGETHER: usize = 100;

/// The largest workbook, bytes. It is read into memory.
const MAX_WORKBOOK: u64 = 64 << 20;

/// Why a table cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// An error of the CSV reader.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// An error of the workbook.
    #[error(transparent)]
    Sheet(#[from] SheetError),
}

/// A portion of the table: samples for one request, and the problems found before them.
#[derive(Debug, Default)]
pub struct Portion {
    /// The samples, in the order of the table.
    pub samples: Vec<SourceSample>,
    /// Rows and cells that were skipped.
    pub problems: Vec<RowProblem>,
    /// A warning about the whole table, sent once.
    pub warning: Option<String>,
    /// Rows read since the previous portion.
    pub rows: u64,
    /// Bytes of the table read so far. For a workbook, bytes of the CSV it was converted to.
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
    Ok(xlsx::to_csv(workbook)?)
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

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;
    use crate::sources::csv::name_from;
    use crate::sources::xlsx::tests::workbook;

    async fn read(content: &[u8], workbook: bool) -> (Vec<Portion>, Result<(), TableError>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        let naming = Naming { kpi: None, fallback: name_from("doors") };
        let (mut receiver, reader) = read_ahead(file, workbook, naming, Batcher::new(2, 0.0));
        let mut portions = Vec::new();
        while let Some(portion) = receiver.recv().await {
            portions.push(portion);
        }
        (portions, reader.await.unwrap())
    }

    #[tokio::test]
    async fn workbook_and_csv_of_the_same_table_give_equal_samples() {
        let cell = |at: &str, value: i64| format!("<c r=\"{at}\"><v>{value}</v></c>");
        let text = |at: &str, text: &str| format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
        let mut rows = format!("<row r=\"1\">{}{}</row>", text("A1", "time"), text("B1", "value"));
        let mut csv = "time,value\n".to_owned();
        for i in 2..7 {
            let at = 1_767_225_600_000 + i * 1_000;
            rows += &format!("<row r=\"{i}\">{}{}</row>", cell(&format!("A{i}"), at), cell(&format!("B{i}"), i));
            csv += &format!("{at},{i}\n");
        }
        let (of_workbook, end) = read(&workbook(&rows), true).await;
        assert!(end.is_ok());
        let (of_csv, end) = read(csv.as_bytes(), false).await;
        assert!(end.is_ok());
        let brief = |portions: &[Portion]| -> Vec<(u64, Vec<SourceSample>)> {
            portions.iter().map(|portion| (portion.rows, portion.samples.clone())).collect()
        };
        assert_eq!(brief(&of_workbook), brief(&of_csv));
        assert_eq!(of_csv.iter().map(|portion| portion.samples.len()).sum::<usize>(), 5);
        assert_eq!(of_csv.iter().map(|portion| portion.rows).sum::<u64>(), 5);
    }

    #[tokio::test]
    async fn invalid_table_gives_an_error_and_no_portions() {
        for (content, workbook) in [(&b""[..], false), (b"PK", true), (b"time,value\nnoon,1\n", false)] {
            let (portions, end) = read(content, workbook).await;
            assert!(portions.is_empty() && end.is_err());
        }
    }
}
