//! Numbers that say what a row is about, such as `store_id`.
//!
//! As a KPI, such a column would leave several values of the other columns at one time.

use std::collections::{HashMap, HashSet};

use ::csv::ByteRecord;

use super::error::TableError;
use super::layout::{Layout, Role};
use super::time::Moment;

/// Last words of names of such columns, in lower case.
const NAMES: [&str; 25] = [
    "id", "ids", "no", "nr", "number", "code", "zip", "plz", "postcode", "hour", "minute", "day", "weekday", "month",
    "year", "index", "key", "port", "time", "uhrzeit", "zeit", "stunde", "tag", "monat", "jahr",
];

/// The first rows, without copies of whole rows.
struct Rows<'a> {
    rows: Vec<&'a ByteRecord>,
    lines: Vec<u64>,
    /// The time and the labels of each row.
    keys: Vec<(i64, String)>,
}

/// Refuses a table in which at least half of the rows share time and labels with another row, and
/// columns of whole numbers tell these rows apart.
pub(super) fn check(layout: &Layout, data: &[&ByteRecord], lines: &[u64]) -> Result<(), TableError> {
    let is_value = |column: &usize| matches!(layout.roles[*column], Role::Value(_));
    let values: Vec<usize> = (0..layout.roles.len()).filter(is_value).collect();
    if !layout.has_header || layout.kpi.is_some() || values.len() < 2 {
        return Ok(());
    }
    let rows = Rows::new(layout, data, lines);
    let Some((first, second)) = rows.repeated() else { return Ok(()) };
    let is_like_id = |column: &usize| is_id_name(&layout.names[*column]) || rows.recur(*column);
    let ids: Vec<usize> = values.into_iter().filter(|column| rows.are_whole(*column) && is_like_id(column)).collect();
    let mut telling: Vec<usize> = ids.iter().copied().filter(|column| rows.are_unique(&[*column])).collect();
    if telling.is_empty() && rows.are_unique(&ids) {
        telling = ids;
    } else if telling.is_empty() {
        telling = ids.into_iter().filter(|column| is_id_name(&layout.names[*column])).collect();
    }
    // The number of a row tells all rows apart, but says nothing about them.
    if telling.iter().any(|column| rows.recur(*column)) {
        telling.retain(|column| rows.recur(*column));
    }
    if telling.is_empty() { Ok(()) } else { Err(layout.repeated(first, second, &telling)) }
}

impl<'a> Rows<'a> {
    fn new(layout: &Layout, data: &[&'a ByteRecord], lines: &[u64]) -> Self {
        let mut read = Self { rows: Vec::new(), lines: Vec::new(), keys: Vec::new() };
        let mut seen = HashSet::new();
        for (record, line) in data.iter().zip(lines) {
            // Clocks that repeat an hour give rows the same time without a number that tells them
            // apart.
            let (Ok(Moment::At(time)), Ok(labels)) = (layout.time_of(record), layout.labels_of(record)) else {
                continue;
            };
            if seen.insert(record.iter().collect::<Vec<_>>()) {
                read.rows.push(record);
                read.lines.push(*line);
                read.keys.push((time, labels.to_string()));
            }
        }
        read
    }

    /// The lines of the first two rows with one time, if at least half of the rows have such a
    /// time.
    fn repeated(&self) -> Option<(u64, u64)> {
        let mut groups: HashMap<&(i64, String), Vec<usize>> = HashMap::new();
        for (row, key) in self.keys.iter().enumerate() {
            groups.entry(key).or_default().push(row);
        }
        let groups: Vec<Vec<usize>> = groups.into_values().filter(|rows| rows.len() > 1).collect();
        let repeated: usize = groups.iter().map(Vec::len).sum();
        let first = groups.iter().min_by_key(|rows| rows[0]).filter(|_| repeated * 2 >= self.rows.len())?;
        Some((self.lines[first[0]], self.lines[first[1]]))
    }

    fn cell(&self, row: usize, column: usize) -> &'a [u8] {
        self.rows[row].get(column).unwrap_or_default()
    }

    fn are_whole(&self, column: usize) -> bool {
        let is_whole = |cell: &[u8]| !cell.is_empty() && cell.iter().all(u8::is_ascii_digit);
        (0..self.rows.len()).all(|row| is_whole(self.cell(row, column)))
    }

    /// Whether a value of the column is in at least two rows, on average.
    fn recur(&self, column: usize) -> bool {
        let different: HashSet<&[u8]> = (0..self.rows.len()).map(|row| self.cell(row, column)).collect();
        different.len() * 2 <= self.rows.len()
    }

    /// Whether no two rows have the same time, the same labels and the same values in `columns`.
    fn are_unique(&self, columns: &[usize]) -> bool {
        let cells = |row: usize| columns.iter().map(|column| self.cell(row, *column)).collect::<Vec<_>>();
        let keys: HashSet<_> = (0..self.rows.len()).map(|row| (&self.keys[row], cells(row))).collect();
        keys.len() == self.rows.len()
    }
}

/// Whether the last word of a name is one of [`NAMES`], also in `storeId`.
pub(super) fn is_id_name(name: &str) -> bool {
    let last = name.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    NAMES.contains(&last.to_lowercase().as_str()) || last.ends_with("Id") || last.ends_with("ID")
}
