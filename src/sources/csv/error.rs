//! Errors of a CSV file and of single rows.

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

/// Why a file cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The file has no rows.
    #[error("the file is empty")]
    Empty,
    /// No row has a valid time.
    #[error(
        "column {column:?} should hold the time, but holds {example:?}; use RFC 3339, YYYY-MM-DD HH:MM:SS or an integer since 1970"
    )]
    NoTime {
        /// The column's name.
        column: String,
        /// The content of its first cell.
        example: String,
    },
    /// No column besides the time is numeric.
    #[error("no column besides the time holds numbers (columns: {columns}); are they separated by commas?")]
    NoValues {
        /// The names of all columns.
        columns: String,
    },
    /// A record is longer than 1 MiB, for example after a quote that is never closed.
    #[error("the row that starts at line {line} is longer than 1 MiB; is a quote (\") left open there?")]
    RecordTooLong {
        /// The line of the file, counting from 1.
        line: u64,
    },
    /// The file could not be read.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
}
