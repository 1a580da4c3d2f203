//! Columns that are empty in the first rows.
//!
//! Nothing tells whether such a column will hold numbers or texts, so it is not used. A later row
//! with a value in it ends the file: without this value, the row could belong to another series.

use std::io::Read;

use ::csv::ByteRecord;

use super::cell::{excerpt, is_missing};
use super::error::TableError;
use super::layout::{Layout, Role};
use super::options::TableOptions;
use super::problems::Problems;
use super::reader::TableReader;

/// Why such a column is not used.
pub(super) const EMPTY: &str = "it is empty in the first rows";

impl Layout {
    /// The columns that are empty in the first rows and whose name does not tell their role.
    pub(super) fn open_columns(roles: &[Role]) -> Vec<usize> {
        let is_open = |column: &usize| roles[*column] == Role::Unused(EMPTY);
        (0..roles.len()).filter(is_open).collect()
    }

    /// Refuses a later row with a value in such a column. A row without a time is skipped anyway.
    pub(super) fn check_open(&self, record: &ByteRecord, line: u64) -> Result<(), TableError> {
        let filled = |column: &&usize| record.get(**column).is_some_and(|cell| !is_missing(cell));
        match self.open.iter().find(filled) {
            Some(&column) if self.time_of(record).is_ok() => Err(TableError::LateColumn {
                column: self.names[column].clone(),
                line,
                example: excerpt(&record[column]),
            }),
            _ => Ok(()),
        }
    }
}

/// Refuses a table with a value in a column that is empty in its first rows. Reads the whole table
/// if it has such a column, so that it can be refused before any row is taken. Ignores other
/// problems: reading the rows tells them.
///
/// # Errors
/// [`TableError::LateColumn`] alone.
pub fn check_late_columns(input: impl Read, options: &TableOptions) -> Result<(), TableError> {
    let Ok(mut rows) = TableReader::new(input, options) else { return Ok(()) };
    if !rows.has_open_columns() {
        return Ok(());
    }
    let (mut samples, mut problems) = (Vec::new(), Problems::default());
    loop {
        match rows.read_row(&mut samples, &mut problems) {
            Ok(true) => samples.clear(),
            Err(late @ TableError::LateColumn { .. }) => return Err(late),
            Ok(false) | Err(_) => return Ok(()),
        }
    }
}
