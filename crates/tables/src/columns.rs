//! The first rows of a table, seen by column.

use std::collections::{HashMap, HashSet};

use ::csv::ByteRecord;
use jiff::tz::TimeZone;

use super::cell::{Look, is_missing, look};
use super::error::TableError;
use super::late::EMPTY;
use super::layout::{ANNOTATION_NAMES, KPI_NAMES, LABEL_PREFIX, Role, listed};
use super::name_from;
use super::options::{TableOptions, TimeFormat};
use super::time::{Ambiguous, TimeReader, detect};
use super::time_column::is_time_name;
use super::written::is_number_with_signs;
use super::zone::{NamedZone, says_zone};
use earcon_intake::naming;
use earcon_model::Labels;

/// From this number of rows on, a column whose texts are mostly different is free text.
pub(super) const ROWS_TO_JUDGE_TEXT: usize = 20;

/// Why a column of free text is not used.
pub(super) const FREE_TEXT: &str = "it holds free text; call it label.<name> to keep it";

/// The first rows, seen by column.
pub(super) struct Columns<'a> {
    pub(super) first: &'a ByteRecord,
    pub(super) data: &'a [&'a ByteRecord],
    /// The line of each row of `data`.
    pub(super) lines: &'a [u64],
    pub(super) names: &'a [String],
    pub(super) has_header: bool,
    /// The names of columns that are stated to hold numbers.
    pub(super) values: &'a [String],
    pub(super) time: usize,
    /// The column with the time of day, if `time` holds the date alone.
    pub(super) clock: Option<usize>,
}

impl<'a> Columns<'a> {
    /// The cells of a column that hold something.
    pub(super) fn cells(&self, column: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        self.rows(column).map(|(_, cell)| cell)
    }

    /// The same, each with the number of its row, from 0.
    pub(super) fn rows(&self, column: usize) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        let rows = self.data.iter().enumerate();
        let cells = rows.filter_map(move |(row, record)| Some((row, record.get(column)?)));
        let cells = cells.filter(|(_, cell)| !is_missing(cell));
        cells.map(|(row, cell)| (row, std::str::from_utf8(cell).unwrap_or("\u{fffd}")))
    }

    pub(super) fn times(&self, options: &TableOptions) -> Result<TimeReader, TableError> {
        let column = || self.names[self.time].clone();
        let cells: Vec<&str> = self.cells(self.time).collect();
        let format = match options.time_format {
            Some(format) => Some(format),
            None => detect(&cells).map_err(|Ambiguous { example, meanings }| TableError::AmbiguousTime {
                column: column(),
                example,
                meanings,
            })?,
        };
        // A table without rows has no times to tell their form.
        let format = format.or(cells.is_empty().then_some(super::TimeFormat::Iso));
        let zone = match (&options.time_zone, format) {
            (Some(zone), _) => zone.clone(),
            (None, Some(format)) => self.zone_of_name(format, &cells)?,
            (None, None) => TimeZone::UTC,
        };
        let reader = format.map(|format| TimeReader { format, zone });
        if let Some(reader) = &reader
            && let Some((row, example)) = self.rows(self.time).find(|(_, cell)| reader.is_rounded(cell))
        {
            let (line, example) = (self.lines[row], example.to_owned());
            return Err(TableError::RoundedTime { column: column(), line, example });
        }
        let fits = |reader: &TimeReader| cells.is_empty() || cells.iter().any(|cell| reader.reads(cell));
        reader.filter(fits).ok_or_else(|| TableError::NoTime {
            column: column(),
            example: not_a_time(&cells).chars().take(40).collect(),
        })
    }

    /// The zone that the name of the time column says, for cells that do not say one themselves.
    fn zone_of_name(&self, format: TimeFormat, cells: &[&str]) -> Result<TimeZone, TableError> {
        use TimeFormat::{Compact, DayFirst, Excel, Iso, MonthFirst};
        let is_local = |cell: &&str| match format {
            Iso => !says_zone(cell),
            Compact | DayFirst | MonthFirst | Excel => true,
            _ => false,
        };
        let name = &self.names[self.time];
        match NamedZone::of(name) {
            Some(NamedZone::Known(zone)) => Ok(zone),
            Some(NamedZone::Unclear(zone)) if cells.iter().any(is_local) => {
                Err(TableError::ZoneInName { column: name.clone(), zone })
            }
            _ => Ok(TimeZone::UTC),
        }
    }

    /// The KPI column and the value column of a table with one value per row.
    pub(super) fn long_form(&self) -> Option<(usize, usize)> {
        let position = |names: &[&str]| {
            self.names.iter().position(|name| names.iter().any(|known| name.eq_ignore_ascii_case(known)))
        };
        let (kpi, value) = (position(&KPI_NAMES)?, position(&["value"])?);
        (kpi != self.time && self.holds_numbers(value)).then_some((kpi, value))
    }

    /// The role of a column; KPIs of values are named later.
    pub(super) fn role(&self, column: usize, long: Option<(usize, usize)>) -> Result<Role, TableError> {
        let role = self.role_by_name(column, long);
        if let Some(role) = role {
            return Ok(role);
        }
        let name = &self.names[column];
        if self.is_empty(column) {
            return Ok(Role::Unused(EMPTY));
        }
        if self.holds_numbers(column) {
            self.check_numbers(column)?;
            return Ok(Role::Value(name_from(name)));
        }
        self.check_text(column)?;
        Ok(if !self.has_header {
            Role::Unused("it holds text and has no name")
        } else if self.is_free_text(column) {
            Role::Unused(FREE_TEXT)
        } else {
            Role::Label(naming::own_label_key(name).into_owned())
        })
    }

    /// The role that follows from a column's name, or from the form of the table.
    fn role_by_name(&self, column: usize, long: Option<(usize, usize)>) -> Option<Role> {
        let name = &self.names[column];
        if column == self.time || Some(column) == self.clock {
            return Some(Role::Time);
        }
        // A column without a name under a header is the row number of a data frame.
        if self.has_header && self.first[column].trim_ascii().is_empty() {
            return Some(Role::Unused("it has no name"));
        }
        if self.is_stated(column) {
            return Some(Role::Value(name_from(name)));
        }
        if let Some(key) = name.strip_prefix(LABEL_PREFIX).filter(|key| !key.is_empty()) {
            return Some(Role::Label(naming::own_label_key(key).into_owned()));
        }
        if ANNOTATION_NAMES.iter().any(|other| name.eq_ignore_ascii_case(other)) {
            return Some(Role::Unused("it marks anomalies for `earcon evaluate` and is no KPI"));
        }
        let (kpi, value) = long?;
        Some(match column {
            _ if column == kpi => Role::Kpi,
            _ if column == value => Role::Value(name_from(name)),
            _ if self.is_empty(column) => Role::Unused(EMPTY),
            _ => Role::Label(naming::own_label_key(name).into_owned()),
        })
    }

    /// Whether there are rows, and none of them has a value in this column.
    fn is_empty(&self, column: usize) -> bool {
        !self.data.is_empty() && self.cells(column).next().is_none()
    }

    /// Whether no more cells are texts than numbers. An empty column has neither.
    fn holds_numbers(&self, column: usize) -> bool {
        let (mut numbers, mut others) = (0, 0);
        for cell in self.cells(column) {
            if look(cell) == Look::Other { others += 1 } else { numbers += 1 }
        }
        numbers >= others
    }

    /// Refuses a column of numbers that has names with digits as well, such as `A7` or `01234`, if
    /// another column holds numbers alone. A single word may be a sensor that has failed.
    fn check_numbers(&self, column: usize) -> Result<(), TableError> {
        let is_name = |cell: &str| {
            let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '.' | '#');
            cell.chars().all(is_part)
                && cell.contains(char::is_alphabetic)
                && cell.contains(|c: char| c.is_ascii_digit())
        };
        // `0900` in a column called time is a time of day.
        let is_time = is_time_name(&self.names[column]);
        let has_leading_zero = |cell: &str| {
            !is_time && cell.len() > 1 && cell.starts_with('0') && cell.bytes().all(|byte| byte.is_ascii_digit())
        };
        let found = |cell: &str| {
            (look(cell) == Look::Other && is_name(cell) && !is_number_with_signs(cell)) || has_leading_zero(cell)
        };
        let Some((row, example)) = self.rows(column).find(|(_, cell)| found(cell)) else { return Ok(()) };
        let is_value = |other: usize| {
            other != column && self.role_by_name(other, None).is_none() && {
                let mut cells = self.cells(other).peekable();
                cells.peek().is_some() && cells.all(|cell| look(cell) != Look::Other && !has_leading_zero(cell))
            }
        };
        if !self.has_header || !(0..self.names.len()).any(is_value) {
            return Ok(());
        }
        let (line, example) = (self.lines[row], example.chars().take(40).collect());
        Err(TableError::NumbersAndNames { column: self.names[column].clone(), line, example })
    }

    /// Whether the column is stated to hold numbers.
    pub(super) fn is_stated(&self, column: usize) -> bool {
        self.values.contains(&self.names[column])
    }

    /// Refuses a statement about a column that the table does not have, or that is called time.
    pub(super) fn check_stated(&self) -> Result<(), TableError> {
        if let Some(stated) = self.values.iter().find(|stated| !self.names.contains(stated)) {
            return Err(TableError::NoSuchColumn { column: stated.clone(), columns: listed(self.names) });
        }
        let time = self.values.iter().find(|stated| self.has_header && is_time_name(stated));
        time.map_or(Ok(()), |time| Err(TableError::StatedTime { column: time.clone() }))
    }

    /// Whether a column has another role than the time because of its name alone.
    pub(super) fn is_named_otherwise(&self, column: usize) -> bool {
        let name = &self.names[column];
        if self.is_stated(column) {
            return true;
        }
        name.strip_prefix(LABEL_PREFIX).is_some_and(|key| !key.is_empty())
            || ANNOTATION_NAMES.iter().any(|other| name.eq_ignore_ascii_case(other))
    }

    /// Refuses a column of text in which at least half of the cells are numbers with other signs.
    fn check_text(&self, column: usize) -> Result<(), TableError> {
        let (mut numbers, mut others, mut example) = (0, 0, None);
        for (row, cell) in self.rows(column) {
            if is_number_with_signs(cell) {
                example = example.or(Some((row, cell)));
            } else if look(cell) == Look::Other {
                others += 1;
                continue;
            }
            numbers += 1;
        }
        match example {
            Some((row, example)) if numbers >= others => Err(TableError::NumbersWithSigns {
                column: self.names[column].clone(),
                line: self.lines[row],
                example: example.chars().take(40).collect(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether most texts are different. As labels, each would begin a series.
    fn is_free_text(&self, column: usize) -> bool {
        let cells: Vec<&str> = self.cells(column).collect();
        let different: HashSet<&str> = cells.iter().copied().collect();
        cells.len() >= ROWS_TO_JUDGE_TEXT && different.len() * 2 > cells.len()
    }

    /// Refuses two used columns of one name, and too many labels.
    pub(super) fn check_names(&self, roles: &[Role]) -> Result<(), TableError> {
        // Also names that are composed of different characters and look equal.
        let (mut by_name, mut by_role) = (HashMap::new(), HashMap::new());
        for (second, role) in roles.iter().enumerate() {
            let Some(becomes) = becomes(role) else { continue };
            let earlier = [by_name.insert(&self.names[second], second), by_role.insert(becomes, second)];
            if let Some(first) = earlier.into_iter().flatten().min() {
                let name = self.names[first].clone();
                return Err(TableError::SameName { first: first + 1, second: second + 1, name });
            }
        }
        let labels = roles.iter().zip(self.names).filter(|(role, _)| matches!(role, Role::Label(_)));
        let labels: Vec<&str> = labels.map(|(_, name)| name.as_str()).collect();
        if labels.len() > Labels::MAX {
            let (count, columns) = (labels.len(), labels.join(", "));
            return Err(TableError::TooManyLabels { count, columns, most: Labels::MAX });
        }
        Ok(())
    }
}

/// The first cell that is no time by itself, or else the first one.
fn not_a_time<'c>(cells: &[&'c str]) -> &'c str {
    cells.iter().find(|cell| super::parse_time(cell).is_none()).or(cells.first()).unwrap_or(&"")
}

/// The name of a KPI or of a label, and whether it is a label.
fn becomes(role: &Role) -> Option<(bool, &str)> {
    match role {
        Role::Value(kpi) => Some((false, kpi.as_str())),
        Role::Label(key) => Some((true, key)),
        Role::Time | Role::Kpi | Role::Unused(_) => None,
    }
}
