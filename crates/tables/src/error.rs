//! Errors of a table and of single rows.

use std::io;

/// A cell or a row that was skipped, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct RowProblem {
    /// The line of the file on which the row ends, counting from 1.
    pub line: u64,
    /// The problem, for the owner of the file.
    pub reason: String,
}

/// Why a table cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file has no rows.
    #[error("the file is empty")]
    Empty,
    /// The bytes are those of another kind of file.
    #[error("this is {kind}, not CSV; {remedy}")]
    Foreign {
        /// What it is.
        kind: &'static str,
        /// What to do with it.
        remedy: &'static str,
    },
    /// It is the annotated CSV of InfluxDB: several tables with their types above them.
    #[error(
        "line {line} shows that this is annotated CSV of InfluxDB, which is not read; remove the lines that begin with # and all tables but one, rename the columns _time, _field and _value to time, kpi and value, and remove result, table, _start and _stop; or export line protocol (`influxd inspect export-lp`) and send it to /api/v2/write?backfill=true"
    )]
    AnnotatedInflux {
        /// The line of the file, counting from 1.
        line: u64,
    },
    /// The text is in another encoding.
    #[error("the file is not UTF-8 text{0}; save it as UTF-8")]
    NotUtf8(&'static str),
    /// No row has a valid time.
    #[error(
        "column {column:?} should hold the time, but holds {example:?}; use RFC 3339, YYYY-MM-DD HH:MM:SS or a number since 1970, or state the time format"
    )]
    NoTime {
        /// The column's name.
        column: String,
        /// The content of its first cell.
        example: String,
    },
    /// The times have more than one meaning.
    #[error(
        "the times of column {column:?}, such as {example:?}, have more than one meaning: {meanings}; state the time format"
    )]
    AmbiguousTime {
        /// The column's name.
        column: String,
        /// One of the times.
        example: String,
        /// The possible formats.
        meanings: &'static str,
    },
    /// A time lost its last digits.
    #[error(
        "{example:?} in column {column:?} and line {line} is a time without its last digits, as spreadsheets round it; show the column as whole numbers or as dates, and save it again"
    )]
    RoundedTime {
        /// The column's name.
        column: String,
        /// The line of the file, counting from 1.
        line: u64,
        /// The time.
        example: String,
    },
    /// Two columns could be the time.
    #[error(
        "columns {first:?} and {second:?} could both be the time; call the right one time, and the other one label.{first} or label.{second}"
    )]
    TwoTimes {
        /// The name of one column.
        first: String,
        /// The name of another column.
        second: String,
    },
    /// A column holds times of day that do not belong to dates.
    #[error(
        "column {clock:?} holds times of day, but column {time:?} does not hold dates alone; write date and time of day into column {time:?}, or call the other one label.{clock}"
    )]
    TimeOfDay {
        /// The name of the column with the time.
        time: String,
        /// The name of the column with times of day.
        clock: String,
    },
    /// The sign before the fraction may be one between thousands.
    #[error("{example:?} in column {column:?} may be a fraction or thousands; state the decimal sign: point or comma")]
    AmbiguousDecimal {
        /// The column's name.
        column: String,
        /// One of the numbers.
        example: String,
    },
    /// A column of text whose cells are mostly numbers with other signs, such as `12%`.
    #[error(
        "column {column:?} holds numbers with other signs, such as {example:?} in line {line}; write them as plain numbers (12.5), or call the column label.{column} if it is a label"
    )]
    NumbersWithSigns {
        /// The column's name.
        column: String,
        /// The line of the file, counting from 1.
        line: u64,
        /// One of the numbers.
        example: String,
    },
    /// A column holds numbers and names, such as `12` and `A7`.
    #[error(
        "column {column:?} holds numbers, but also {example:?} in line {line}; write label.{column} as its name if it says what a row is about; if not, leave cells without a number empty, or state it as a column of numbers (values={column})"
    )]
    NumbersAndNames {
        /// The column's name.
        column: String,
        /// The line of the file, counting from 1.
        line: u64,
        /// One of the names.
        example: String,
    },
    /// No column besides the time is numeric.
    #[error("no column besides the time holds numbers (columns: {columns}; separator: {separator})")]
    NoValues {
        /// The names of all columns.
        columns: String,
        /// The separator that was found.
        separator: String,
    },
    /// No column besides the time is numeric, and one is empty in the rows that tell it.
    #[error(
        "no column besides the time holds numbers in the first {rows} rows, and column {column:?} is empty in them; if numbers begin in a later row, state it as a column of numbers (values={column})"
    )]
    NoValuesYet {
        /// The number of rows.
        rows: usize,
        /// The name of the first empty column.
        column: String,
    },
    /// A column has its first value below the rows that tell its content.
    #[error(
        "column {column:?} is empty in the first rows and holds {example:?} in line {line}, so it is open whether it is a KPI or a label; state it as a column of numbers (values={column}), call it label.{column} if it is a label, remove it, or cut the file above line {line} and send both parts, each with the header"
    )]
    LateColumn {
        /// The column's name.
        column: String,
        /// The line of the file, counting from 1.
        line: u64,
        /// The value.
        example: String,
    },
    /// A column that is stated to hold numbers is not there.
    #[error("there is no column {column:?} that could hold numbers (values); the columns are {columns}")]
    NoSuchColumn {
        /// The name as stated.
        column: String,
        /// The names of all columns.
        columns: String,
    },
    /// The column with the time is stated to hold numbers.
    #[error("column {column:?} holds the time, so it cannot be stated as a column of numbers (values)")]
    StatedTime {
        /// The column's name.
        column: String,
    },
    /// A column is stated to hold numbers in a table with one value a row.
    #[error(
        "column {column:?} cannot be stated as a column of numbers (values): each row of this table holds one value of the KPI that it names, in column {value:?}"
    )]
    StatedInLongForm {
        /// The name as stated.
        column: String,
        /// The column of the values.
        value: String,
    },
    /// The name of the time column says a zone that may mean several, and the times say none.
    #[error(
        "the name of column {column:?} says a zone, {zone}, that does not tell its clock changes, and its times say none; state the time zone, such as time_zone=Europe/Berlin"
    )]
    ZoneInName {
        /// The column's name.
        column: String,
        /// The zone in it.
        zone: String,
    },
    /// Rows have the same time, and a column of whole numbers tells them apart.
    #[error(
        "lines {first} and {second} have the same time and labels, and {columns} may tell them apart; write label.{example} as the name of the column if it says what a row is about, or write it into column {time:?} if it is part of the time"
    )]
    RepeatedTimes {
        /// A line of the file, counting from 1.
        first: u64,
        /// A later line with the same time.
        second: u64,
        /// The names of the columns that tell such rows apart.
        columns: String,
        /// One of them.
        example: String,
        /// The column with the time.
        time: String,
    },
    /// Two columns have one name.
    #[error("columns {first} and {second} have the same name {name:?}; rename one of them")]
    SameName {
        /// Number of the first column, from 1.
        first: usize,
        /// Number of the second column, from 1.
        second: usize,
        /// Their name.
        name: String,
    },
    /// There are too many columns.
    #[error(
        "the table has {count} columns, and at most {most} are read; cut it into several files, or write one value a row with the columns time, kpi and value"
    )]
    TooManyColumns {
        /// Their number.
        count: usize,
        /// The limit.
        most: usize,
    },
    /// There are too many labels.
    #[error("{count} columns would become labels ({columns}); a series has at most {most}")]
    TooManyLabels {
        /// Their number.
        count: usize,
        /// Their names.
        columns: String,
        /// The limit.
        most: usize,
    },
    /// A record is longer than 1 MiB, for example after a quote that is never closed.
    #[error(
        "the row that starts at line {line} is longer than 1 MiB; {}",
        if *quoted { "is a quote (\") left open there?" } else { "a row of a table is shorter: is this CSV with line breaks?" }
    )]
    RecordTooLong {
        /// The line of the file, counting from 1.
        line: u64,
        /// Whether there is a quote in it, or shortly before it.
        quoted: bool,
    },
    /// The field of a quote contains the rows below it.
    #[error("is a quote (\") left open at line {line}? its field contains the rows below; close or remove the quote")]
    OpenQuote {
        /// The line on which the row begins, counting from 1.
        line: u64,
    },
    /// The file could not be read.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
}

impl TableError {
    /// Whether the owner of the file can correct it. The other errors are those of reading.
    pub(super) fn is_of_content(&self) -> bool {
        !matches!(self, Self::Io(_))
    }
}
