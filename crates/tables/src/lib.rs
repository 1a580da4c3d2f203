//! Reads tables, as CSV files or xlsx workbooks, as samples. Pure: bytes in, samples and named
//! problems out.
//!
//! A table has one column with the time. What its form leaves open (separator, decimal sign, order
//! of day and month, unit of a number) is decided once, from the first hundred rows. What they do
//! not decide is refused before any row is read, with the option that decides it. Then rows are
//! streamed, so that a file may be larger than memory. A bad row is skipped alone.

mod bounded;
mod cell;
mod clocks;
mod columns;
mod decimal;
mod dialect;
mod error;
mod foreign;
mod late;
mod layout;
mod options;
mod other_dates;
mod problems;
mod quotes;
mod reader;
mod repeats;
mod row;
mod sparse;
mod spelling;
mod time;
mod time_column;
mod twice;
mod written;
pub mod xlsx;
mod zone;

pub use error::{RowProblem, TableError};
pub use late::check_late_columns;
pub use layout::{ColumnDescription, Role};
pub use options::{DecimalSign, TableOptions, TimeFormat};
pub use problems::Problems;
pub use reader::{Description, Order, TableReader};
pub use time::parse_time;

use earcon_model::{KpiName, Labels, Sample};

/// One sample with the series it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSample {
    /// The KPI that was measured.
    pub kpi: KpiName,
    /// The series of the KPI.
    pub labels: Labels,
    /// Timestamp and value.
    pub sample: Sample,
}

/// The name of the KPI of a file with one column of values: the name of the file without its
/// endings.
pub fn name_of_file(name: &str) -> KpiName {
    let is_gz = |name: &str| name.len() > 3 && name.as_bytes()[name.len() - 3..].eq_ignore_ascii_case(b".gz");
    let name = if is_gz(name) { &name[..name.len() - 3] } else { name };
    name_from(name.rsplit_once('.').map_or(name, |(stem, _)| stem))
}

/// The name of a KPI for any text, such as the name of a column. A name that Earcon has made stays.
pub fn name_from(text: &str) -> KpiName {
    let name = earcon_intake::naming::own_kpi_name(text.trim());
    name.unwrap_or_else(|| KpiName::new("value").expect("the name keeps the rule"))
}

#[cfg(test)]
mod tests;
