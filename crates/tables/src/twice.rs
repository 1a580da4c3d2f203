//! Rows below the first ones whose time was already taken, and that a number such as `store_id`
//! tells apart.
//!
//! [`repeats`](super::repeats) looks at the first rows. In a file that is grouped by store, the
//! second store may come after them.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use ::csv::ByteRecord;

use super::error::TableError;
use super::layout::{Layout, Role};
use super::repeats::is_id_name;
use super::time::Moment;

/// Rows that are remembered, 32 bytes each.
const MOST_ROWS: usize = 1 << 18;
/// A number that is the same in so many first rows may name a group.
const ROWS_OF_GROUP: usize = 20;
/// Rows one after the other that are such a group, if no name says so. Fewer may be an hour that a
/// clock repeats in autumn, in a file that names no time zone.
const LEAST_REPEATED: usize = 10;

/// The rows so far, by time and labels.
#[derive(Debug, Default)]
pub(super) struct Twice {
    /// Columns of whole numbers that may say what a row is about.
    ids: Vec<usize>,
    /// One of them has the name of such a column.
    is_named: bool,
    rows: HashMap<u64, Seen>,
    /// The latest rows that repeat a time with another number, without a gap.
    run: usize,
    /// The lines of the first one of them.
    first: (u64, u64),
}

/// The first row of a time.
#[derive(Debug, Clone, Copy)]
struct Seen {
    line: u64,
    ids: u64,
}

impl Twice {
    /// Chooses the columns by the first rows.
    pub(super) fn new(layout: &Layout, data: &[&ByteRecord]) -> Self {
        let values: Vec<usize> = layout.values().collect();
        if !layout.has_header || layout.kpi.is_some() || values.len() < 2 {
            return Self::default();
        }
        let cells = |column: usize| data.iter().map(move |row| row.get(column).unwrap_or_default());
        let is_whole = |cell: &[u8]| !cell.is_empty() && cell.iter().all(u8::is_ascii_digit);
        let is_constant =
            |column| data.len() >= ROWS_OF_GROUP && cells(column).all(|cell| Some(cell) == cells(column).next());
        // The number of a row tells all rows apart, but says nothing about them.
        let recurs = |column: usize| cells(column).collect::<HashSet<_>>().len() * 2 <= data.len();
        let is_named = |column: usize| is_id_name(&layout.names[column]) && recurs(column);
        let is_id = |column: &usize| cells(*column).all(is_whole) && (is_named(*column) || is_constant(*column));
        let ids: Vec<usize> = values.iter().copied().filter(is_id).collect();
        // Constant values alone say nothing about each other.
        if ids.len() == values.len() {
            return Self::default();
        }
        let is_named = ids.iter().any(|column| is_named(*column));
        Self { ids, is_named, ..Self::default() }
    }

    /// Looks at the next row.
    ///
    /// # Errors
    /// If it has the time and the labels of an earlier row, and another number tells them apart.
    pub(super) fn see(&mut self, layout: &Layout, record: &ByteRecord, line: u64) -> Result<(), TableError> {
        if self.ids.is_empty() {
            return Ok(());
        }
        let (Ok(Moment::At(time)), Ok(labels)) = (layout.time_of(record), layout.labels_of(record)) else {
            return Ok(());
        };
        let ids = hash(self.ids.iter().map(|column| record.get(*column)).collect::<Vec<_>>());
        let key = hash((time, labels.as_str()));
        let Some(seen) = self.rows.get(&key) else {
            self.run = 0;
            if self.rows.len() < MOST_ROWS {
                self.rows.insert(key, Seen { line, ids });
            }
            return Ok(());
        };
        if seen.ids == ids {
            self.run = 0;
            return Ok(());
        }
        if self.run == 0 {
            self.first = (seen.line, line);
        }
        self.run += 1;
        if self.run < LEAST_REPEATED && !self.is_named {
            return Ok(());
        }
        Err(layout.repeated(self.first.0, self.first.1, &self.ids))
    }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Layout {
    /// The columns of values.
    pub(super) fn values(&self) -> impl Iterator<Item = usize> {
        let roles = self.roles.iter().enumerate();
        roles.filter(|(_, role)| matches!(role, Role::Value(_))).map(|(column, _)| column)
    }

    /// The refusal of two lines of one time, which one of these columns may tell apart.
    pub(super) fn repeated(&self, first: u64, second: u64, telling: &[usize]) -> TableError {
        let columns: Vec<String> = telling.iter().map(|column| format!("column {:?}", self.names[*column])).collect();
        let example = telling.first().map(|column| self.names[*column].clone()).unwrap_or_default();
        let (columns, time) = (columns.join(" or "), self.names[self.time].clone());
        TableError::RepeatedTimes { first, second, columns, example, time }
    }
}
