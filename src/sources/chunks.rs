//! Reads a table on a separate thread, a few portions ahead of the consumer.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

use flate2::bufread::MultiGzDecoder;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::SourceSample;
use super::batcher::Batcher;
use super::series_order::SeriesOrder;
use earcon_tables::xlsx::{self, Sheet, SheetError};
use earcon_tables::{Description, Order, Problems, TableError, TableOptions, TableReader, check_late_columns};

/// Number of portions that are read ahead.
const READ_AHEAD: usize = 4;

/// The first bytes of gzip (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Number of problems after which a portion without samples is sent.
const PROBLEMS_TOGETHER: u64 = 100;

/// The largest workbook, bytes. It is read into memory.
const MAX_WORKBOOK: u64 = 64 << 20;

/// The most samples of a file that is newest first: it is sorted in memory.
const MAX_SORTED: usize = 2_000_000;

/// Samples of an upload that are committed together.
pub const SENT_TOGETHER: usize = 5_000;

/// Rows that a preview shows.
const PREVIEWED_ROWS: usize = 100;

/// Why a file cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// An error of the table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// An error of the table in a workbook that has formulas without their results.
    #[error("{error}; {formulas}")]
    Formulas {
        /// The error of the table.
        error: TableError,
        /// A sentence about the formulas.
        formulas: String,
    },
    /// An error of the workbook.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// The file is newest first and too large to be sorted.
    #[error("the rows are newest first, and there are more than {MAX_SORTED} samples; sort the file by time")]
    TooLargeToSort,
}

/// What would become of a file, from its first rows.
#[derive(Debug)]
pub struct Preview {
    /// How the table is understood.
    pub description: Description,
    /// The samples of the first rows.
    pub samples: Vec<SourceSample>,
    /// Rows and cells among them that would be skipped.
    pub problems: Problems,
    /// A warning about the whole table.
    pub warning: Option<String>,
}

/// Reads the first rows of `file`, a workbook or CSV. Blocks.
///
/// # Errors
/// If it cannot be read, or is no table with times and numbers.
pub fn preview(file: File, workbook: bool, options: &TableOptions) -> Result<Preview, FileError> {
    if workbook {
        let sheet = convert(file)?;
        let unread = sheet.warning();
        let formulas = sheet.formula_warning();
        let checked = check_late_columns(&sheet.csv[..], options).map_err(FileError::from);
        return explained(checked.and_then(|()| preview_table(Cursor::new(sheet.csv), unread, options)), formulas);
    }
    check_columns(&file, u64::MAX, options)?;
    preview_table(plain(file, u64::MAX)?, None, options)
}

fn preview_table(input: impl Read, unread: Option<String>, options: &TableOptions) -> Result<Preview, FileError> {
    let mut rows = TableReader::new(input, options)?;
    let (mut samples, mut problems) = (Vec::new(), Problems::default());
    for _ in 0..PREVIEWED_ROWS {
        if !rows.read_row(&mut samples, &mut problems)? {
            break;
        }
    }
    let mut order = SeriesOrder::default();
    if rows.describe().order != Order::NewestFirst {
        samples.iter().for_each(|sample| order.see(sample));
    }
    let warning = join(join(warning(&rows, unread), rows.clock_warning()), order.warning());
    check_repeats(&mut rows, samples.len())?;
    Ok(Preview { description: rows.describe(), samples, problems, warning })
}

/// Refuses a table whose rows replace each other before the first samples are sent, as an import
/// does. `read` samples were read already.
fn check_repeats(rows: &mut TableReader<impl Read>, mut read: usize) -> Result<(), TableError> {
    let (mut samples, mut problems) = (Vec::new(), Problems::default());
    while read < SENT_TOGETHER {
        match rows.read_row(&mut samples, &mut problems) {
            Ok(true) => read += samples.drain(..).count(),
            Err(error @ TableError::RepeatedTimes { .. }) => return Err(error),
            // An import tells the rows that it has taken before such an error.
            Ok(false) | Err(_) => break,
        }
    }
    Ok(())
}

/// Whether a sample of `file` is good. Reads until the first one that is. Blocks.
///
/// # Errors
/// If the file cannot be read so far.
pub fn any_sample(
    file: File,
    workbook: bool,
    options: &TableOptions,
    good: impl Fn(&SourceSample) -> bool,
) -> Result<bool, FileError> {
    let input: Box<dyn Read> =
        if workbook { Box::new(Cursor::new(convert(file)?.csv)) } else { plain(file, u64::MAX)? };
    let mut rows = TableReader::new(input, options)?;
    let (mut samples, mut problems) = (Vec::new(), Problems::default());
    while rows.read_row(&mut samples, &mut problems)? {
        if samples.iter().any(&good) {
            return Ok(true);
        }
        samples.clear();
    }
    Ok(false)
}

fn warning<R: Read>(rows: &TableReader<R>, unread: Option<String>) -> Option<String> {
    let sorted =
        (rows.describe().order == Order::NewestFirst).then(|| "the rows are newest first and are sorted".into());
    let all: Vec<String> = sorted.into_iter().chain(unread).chain(rows.warning()).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Both warnings as one.
pub fn join(first: Option<String>, then: Option<String>) -> Option<String> {
    match (first, then) {
        (Some(first), Some(then)) => Some(format!("{first}; {then}")),
        (first, then) => first.or(then),
    }
}

/// A portion of the table: samples for one request, and the problems found before them.
#[derive(Debug, Default)]
pub struct Portion {
    /// The samples, in the order of the table.
    pub samples: Vec<SourceSample>,
    /// Rows and cells that were skipped.
    pub problems: Problems,
    /// A warning about the whole table, with the first portion or the last one.
    pub warning: Option<String>,
    /// With the last portion: samples whose value replaces that of an earlier one of their time.
    pub replaced: u64,
    /// Rows read since the previous portion.
    pub rows: u64,
    /// Bytes of the table read so far. For a workbook, bytes of the CSV it was converted to.
    pub bytes_read: u64,
}

/// Starts reading `file`, a workbook or CSV, into batches. CSV may be compressed with gzip; then it
/// has at most `most_bytes` bytes when it is decompressed.
pub fn read_ahead(
    file: File,
    workbook: bool,
    most_bytes: u64,
    options: TableOptions,
    batcher: Batcher,
) -> (mpsc::Receiver<Portion>, JoinHandle<Result<(), FileError>>) {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let reader = tokio::task::spawn_blocking(move || {
        if workbook {
            let sheet = convert(file)?;
            let unread = sheet.warning();
            let formulas = sheet.formula_warning();
            let checked = check_late_columns(&sheet.csv[..], &options).map_err(FileError::from);
            let read = || read_portions(Cursor::new(sheet.csv), unread, &options, batcher, &sender);
            return explained(checked.and_then(|()| read()), formulas);
        }
        check_columns(&file, most_bytes, &options)?;
        read_portions(plain(file, most_bytes)?, None, &options, batcher, &sender)
    });
    (receiver, reader)
}

/// Adds to an error of a workbook's table that formulas are without their results. They may be why.
fn explained<T>(outcome: Result<T, FileError>, formulas: Option<String>) -> Result<T, FileError> {
    match (outcome, formulas) {
        (Err(FileError::Table(error)), Some(formulas)) => Err(FileError::Formulas { error, formulas }),
        (outcome, _) => outcome,
    }
}

/// Refuses a file with a value in a column that is empty in its first rows, before any row of it is
/// taken. What cannot be read twice, such as a pipe, is refused at that row instead.
fn check_columns(mut file: &File, most_bytes: u64, options: &TableOptions) -> Result<(), FileError> {
    let Ok(start) = file.stream_position() else { return Ok(()) };
    let again = file.try_clone().map_err(TableError::Io)?;
    let checked = check_late_columns(plain(again, most_bytes)?, options);
    file.seek(SeekFrom::Start(start)).map_err(TableError::Io)?;
    Ok(checked?)
}

/// A file of CSV, decompressed if it is gzip, with every member.
fn plain(mut file: File, most_bytes: u64) -> Result<Box<dyn Read + Send>, FileError> {
    let mut begin = Vec::new();
    file.by_ref().take(GZIP.len() as u64).read_to_end(&mut begin).map_err(TableError::Io)?;
    let is_gzip = begin == GZIP;
    let whole = Cursor::new(begin).chain(file);
    if !is_gzip {
        return Ok(Box::new(whole));
    }
    Ok(Box::new(AtMost { input: MultiGzDecoder::new(BufReader::new(whole)), left: most_bytes, most_bytes }))
}

/// Ends with an error if there is more.
struct AtMost<R> {
    input: R,
    left: u64,
    most_bytes: u64,
}

impl<R: Read> Read for AtMost<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer).map_err(|error| io::Error::new(error.kind(), format!("gzip: {error}")))?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!("the file has more than {} MiB when it is decompressed", self.most_bytes >> 20))
        })?;
        Ok(read)
    }
}

fn convert(file: File) -> Result<Sheet, FileError> {
    let mut workbook = Vec::new();
    let read = file.take(MAX_WORKBOOK + 1).read_to_end(&mut workbook).map_err(TableError::Io)?;
    if read as u64 > MAX_WORKBOOK {
        let text = format!("a workbook may have at most {} MiB; save its sheet as CSV", MAX_WORKBOOK >> 20);
        return Err(TableError::Io(io::Error::other(text)).into());
    }
    Ok(xlsx::first_sheet(workbook)?)
}

fn read_portions(
    input: impl Read,
    unread: Option<String>,
    options: &TableOptions,
    batcher: Batcher,
    sender: &mpsc::Sender<Portion>,
) -> Result<(), FileError> {
    let rows = TableReader::new(input, options)?;
    let newest_first = rows.describe().order == Order::NewestFirst;
    let next = Portion { warning: warning(&rows, unread), ..Portion::default() };
    let mut portions = Portions { batcher, sender, next, order: SeriesOrder::default(), sent: false };
    if newest_first { send_sorted(rows, &mut portions) } else { send_in_order(rows, &mut portions) }
}

fn send_in_order(mut rows: TableReader<impl Read>, portions: &mut Portions<'_>) -> Result<(), FileError> {
    let mut row = Vec::new();
    loop {
        let outcome = rows.read_row(&mut row, &mut portions.next.problems);
        portions.next.rows += u64::from(matches!(outcome, Ok(true)));
        portions.next.bytes_read = rows.bytes_read();
        for sample in row.drain(..) {
            if !portions.push(sample) {
                return Ok(());
            }
        }
        match outcome {
            Ok(true) if portions.next.problems.total() >= PROBLEMS_TOGETHER => {
                if !portions.send(Vec::new()) {
                    return Ok(());
                }
            }
            Ok(true) => {}
            end => return portions.end(end.map(|_| ()), rows.clock_warning()),
        }
    }
}

/// Reads the whole table, because its first sample is at the end.
fn send_sorted(mut rows: TableReader<impl Read>, portions: &mut Portions<'_>) -> Result<(), FileError> {
    let mut samples = Vec::new();
    let outcome = loop {
        match rows.read_row(&mut samples, &mut portions.next.problems) {
            Ok(true) => portions.next.rows += 1,
            end => break end,
        }
        if samples.len() > MAX_SORTED {
            return Err(FileError::TooLargeToSort);
        }
    };
    portions.next.bytes_read = rows.bytes_read();
    samples.sort_by_key(|sample| sample.sample.timestamp_ms);
    for sample in samples {
        if !portions.push(sample) {
            return Ok(());
        }
    }
    portions.end(outcome.map(|_| ()), rows.clock_warning())
}

/// Collects and sends portions.
struct Portions<'s> {
    batcher: Batcher,
    sender: &'s mpsc::Sender<Portion>,
    next: Portion,
    order: SeriesOrder,
    /// A portion with samples was sent.
    sent: bool,
}

impl Portions<'_> {
    /// False if there is no consumer any more.
    fn push(&mut self, sample: SourceSample) -> bool {
        self.order.see(&sample);
        match self.batcher.push(sample) {
            Some(batch) => self.send(batch),
            None => true,
        }
    }

    fn send(&mut self, samples: Vec<SourceSample>) -> bool {
        let bytes_read = self.next.bytes_read;
        self.sent |= !samples.is_empty();
        let portion = Portion { samples, ..std::mem::take(&mut self.next) };
        self.next.bytes_read = bytes_read;
        self.sender.blocking_send(portion).is_ok()
    }

    /// Sends the rest. A file whose rows replace each other is refused as a whole, if no sample of
    /// it was sent. `clocks` is a warning about hours that clocks repeat.
    fn end(&mut self, outcome: Result<(), TableError>, clocks: Option<String>) -> Result<(), FileError> {
        if let (false, Err(TableError::RepeatedTimes { .. })) = (self.sent, &outcome) {
            return Ok(outcome?);
        }
        let rest = self.batcher.finish();
        self.next.warning = join(join(self.next.warning.take(), clocks), self.order.warning());
        self.next.replaced = self.order.replaced();
        let _no_consumer = !self.send(rest);
        Ok(outcome?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use earcon_tables::name_from;

    const MOST: u64 = 1 << 20;

    async fn read(content: &[u8], workbook: bool) -> (Vec<Portion>, Result<(), FileError>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        let options = TableOptions::new(name_from("doors"));
        let (mut receiver, reader) = read_ahead(file, workbook, MOST, options, Batcher::new(2, 0.0));
        let mut portions = Vec::new();
        while let Some(portion) = receiver.recv().await {
            portions.push(portion);
        }
        (portions, reader.await.unwrap())
    }

    #[tokio::test]
    async fn table_arrives_in_portions_in_order_of_time() {
        let oldest_first = "time,value\n1,1\n2,2\n3,3\n4,4\n5,5\n";
        let newest_first = "time,value\n5,5\n4,4\n3,3\nnoon,0\n2,2\n1,1\n";
        for (text, rows, warned) in [(oldest_first, 5, false), (newest_first, 6, true)] {
            let (portions, end) = read(text.as_bytes(), false).await;
            assert!(end.is_ok());
            let values: Vec<f64> = portions.iter().flat_map(|p| &p.samples).map(|s| s.sample.value).collect();
            assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0]);
            assert!(portions.iter().all(|portion| portion.samples.len() <= 2));
            assert_eq!(portions.iter().map(|portion| portion.rows).sum::<u64>(), rows);
            assert_eq!(portions.last().unwrap().bytes_read, text.len() as u64);
            let warning = portions.iter().find_map(|portion| portion.warning.clone());
            assert_eq!(warning.is_some_and(|text| text.contains("newest first")), warned);
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    }

    #[tokio::test]
    async fn gzip_is_read_as_the_file_that_it_holds() {
        let two = [gzip(b"time,value\n1,1\n"), gzip(b"2,2\n3,3\n")].concat();
        let (portions, end) = read(&two, false).await;
        assert!(end.is_ok());
        assert_eq!(portions.iter().map(|portion| portion.rows).sum::<u64>(), 3, "every member");
        let cut = &gzip(&b"time,value\n1,1\n2,2\n".repeat(1_000))[..60];
        let (_, end) = read(cut, false).await;
        assert!(end.unwrap_err().to_string().contains("gzip"));
        let large = format!("time,value\n{}", (1..400_000).map(|i| format!("{i},1\n")).collect::<String>());
        let (_, end) = read(&gzip(large.as_bytes()), false).await;
        assert!(end.unwrap_err().to_string().contains("more than 1 MiB when it is decompressed"));
        let (_, end) = read(&gzip(&gzip(b"time,value\n1,1\n")), false).await;
        assert!(end.unwrap_err().to_string().starts_with("this is gzip, not CSV"));
    }

    #[tokio::test]
    async fn rows_that_replace_each_other_and_repeated_hours_are_told_at_the_end() {
        let (portions, end) = read(b"time,value\n1,1\n2,2\n2,3\n2,4\n3,3\n4,4\n", false).await;
        assert!(end.is_ok());
        assert_eq!(portions.iter().map(|portion| portion.replaced).collect::<Vec<_>>(), [0, 0, 2]);
        let repeated = "time,value\n2025-10-26T02:30[Europe/Berlin],1\n2025-10-26T02:30[Europe/Berlin],2\n";
        let (portions, end) = read(repeated.as_bytes(), false).await;
        assert!(end.is_ok());
        let warning = portions.last().unwrap().warning.clone().unwrap();
        assert!(warning.starts_with("2 rows lie in an hour that the clocks repeat"), "{warning}");
    }

    #[tokio::test]
    async fn bad_rows_by_the_thousand_are_counted_and_the_first_hundred_kept() {
        let bad = "x,\n".repeat(20_000);
        // The first hundred rows decide the form.
        let oldest_first: Vec<String> = (1..=100).map(|time| format!("{time},1\n")).collect();
        let newest_first: Vec<String> = oldest_first.iter().rev().cloned().collect();
        for good in [oldest_first, newest_first] {
            let (portions, end) = read(format!("time,value\n{}{bad}", good.concat()).as_bytes(), false).await;
            assert!(end.is_ok());
            assert_eq!(portions.iter().map(|portion| portion.problems.total()).sum::<u64>(), 20_000);
            assert!(portions.iter().all(|portion| portion.problems.first().len() <= 100));
        }
    }

    #[test]
    fn preview_says_what_becomes_of_the_first_rows() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"time;region;orders\n1;eu;1,5\n2;us;x\n").unwrap();
        file.rewind().unwrap();
        let preview = preview(file, false, &TableOptions::new(name_from("doors"))).unwrap();
        assert_eq!(preview.description.separator, ';');
        assert_eq!((preview.samples.len(), preview.samples[0].labels.as_str()), (1, "region:eu"));
        assert_eq!(preview.problems.total(), 1);
    }

    #[tokio::test]
    async fn damage_below_the_first_rows_ends_the_file_with_the_line() {
        let text = |row: fn(u32) -> String| format!("time,store_id,load\n{}", (1..=150).map(row).collect::<String>());
        let rows = text(|i| format!("{i},7,{i}.5\n"));
        let open = (format!("{rows}151,\"7,151\n152,7,152\n"), "a quote (\") left open at line 152?", 300);
        // No sample is taken of a file in which rows would replace each other.
        let repeated = (format!("{rows}1,8,5.5\n2,8,6.5\n"), "lines 2 and 152 have the same time", 0);
        for (text, sentence, taken) in [open, repeated] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.rewind().unwrap();
            let options = TableOptions::new(name_from("doors"));
            let (mut receiver, reader) = read_ahead(file, false, MOST, options, Batcher::new(1_000, 0.0));
            let mut samples = 0;
            while let Some(portion) = receiver.recv().await {
                samples += portion.samples.len();
            }
            let end = reader.await.unwrap().unwrap_err().to_string();
            assert!(samples == taken && end.contains(sentence), "{samples}: {end}");
        }
    }

    #[tokio::test]
    async fn a_column_that_begins_below_the_first_rows_is_refused_before_any_row() {
        let rows = |last: &str| (1..=150).map(|i| format!("{i},{i}.5,\n")).collect::<String>() + last;
        for last in ["151,7,web1\n", "151,7,77\n"] {
            let text = format!("time,a,host\n{}", rows(last));
            for content in [text.clone().into_bytes(), gzip(text.as_bytes())] {
                let (portions, end) = read(&content, false).await;
                let end = end.unwrap_err().to_string();
                assert!(portions.is_empty() && end.contains("in line 152"), "{end}");
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.rewind().unwrap();
            assert!(preview(file, false, &TableOptions::new(name_from("doors"))).is_err());
        }
        let (portions, end) = read(format!("time,a,host\n{}", rows("")).as_bytes(), false).await;
        assert!(end.is_ok());
        assert_eq!(portions.iter().map(|portion| portion.samples.len()).sum::<usize>(), 150, "read from its start");
    }

    #[test]
    fn an_error_of_a_workbook_names_the_formulas_without_results() {
        let failed = || Err::<(), _>(FileError::Table(TableError::Empty));
        let told = explained(failed(), Some("2 formulas are without their results".into())).unwrap_err().to_string();
        assert_eq!(told, "the file is empty; 2 formulas are without their results");
        assert_eq!(explained(failed(), None).unwrap_err().to_string(), "the file is empty");
        assert!(explained(Ok(()), Some("told in the warning".into())).is_ok());
    }

    #[tokio::test]
    async fn invalid_table_gives_an_error_and_no_portions() {
        for (content, workbook) in [(&b""[..], false), (b"PK", true), (b"time,value\nnoon,1\n", false)] {
            let (portions, end) = read(content, workbook).await;
            assert!(portions.is_empty() && end.is_err());
        }
    }
}
