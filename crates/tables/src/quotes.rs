//! Quotes that are left open: the field would contain the rows that follow.

use ::csv::ByteRecord;

use super::layout::Layout;

/// Where a record is in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The line on which it ends, counting from 1.
    pub(super) line: u64,
    /// The line breaks inside its fields.
    pub(super) breaks: u64,
}

impl Place {
    /// The line on which the record begins.
    pub(super) fn first_line(self) -> u64 {
        self.line.saturating_sub(self.breaks).max(1)
    }

    /// Whether a field contains line breaks and the record has another number of fields than the
    /// table.
    pub(super) fn is_cut(self, record: &ByteRecord, columns: usize) -> bool {
        let used = record.iter().rposition(|field| !field.is_empty()).map_or(0, |last| last + 1);
        self.breaks > 0 && (record.len() < columns || used > columns)
    }
}

/// Whether a later line of a field begins like a row: its cell of the time holds a time. A second
/// quote that was left open closes the first one, and the number of fields may be right.
pub(super) fn contains_rows(layout: &Layout, record: &ByteRecord, separator: u8) -> bool {
    let is_row = |line: &[u8]| {
        let cells: ByteRecord = line.split(|byte| *byte == separator).map(<[u8]>::trim_ascii).collect();
        cells.len() > 1 && layout.time_of(&cells).is_ok()
    };
    record.iter().any(|field| field.split(|byte| *byte == b'\n').skip(1).any(is_row))
}
