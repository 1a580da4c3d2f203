//! Which columns hold the time.

use super::columns::Columns;
use super::error::TableError;
use super::options::{TableOptions, TimeFormat};
use super::time::{TimeReader, detect, is_time_of_day, number};
use super::zone::without_zone;

/// Names of time columns, compared without case and without a zone in brackets behind them.
const TIME_NAMES: [&str; 5] = ["timestamp", "time", "date", "ts", "datetime"];

/// The column of the time, or of the date and of the time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeColumns {
    pub(super) time: usize,
    pub(super) clock: Option<usize>,
}

/// What the cells of a column are as times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Dates without a time of day.
    Dates,
    /// Dates with a time of day.
    Instants,
    /// Numbers that are times from 2001 to 2100 as seconds since 1970 or in a smaller unit.
    Numbers,
    /// Times of day alone.
    Clock,
    /// No times.
    Other,
}

/// Whether a column with this name holds the time.
pub(super) fn is_time_name(name: &str) -> bool {
    let name = without_zone(name);
    TIME_NAMES.iter().any(|time| name.eq_ignore_ascii_case(time))
}

/// The columns with the time: the one that is called so, else the only one that holds dates, else
/// the first.
///
/// # Errors
/// More than one column could be the time.
pub(super) fn find(columns: &Columns<'_>, options: &TableOptions) -> Result<TimeColumns, TableError> {
    let usable: Vec<usize> = (0..columns.names.len()).filter(|column| !columns.is_named_otherwise(*column)).collect();
    let kinds: Vec<(usize, Kind)> = usable.iter().map(|column| (*column, kind(columns, *column, options))).collect();
    let called: Vec<(usize, Kind)> = kinds
        .iter()
        .copied()
        .filter(|(column, _)| columns.has_header && is_time_name(&columns.names[*column]))
        .collect();
    let time = match (choose(columns, &called)?, called.first()) {
        (Some(time), _) => time,
        // A column that is called time but holds none, such as a duration.
        (None, Some(_)) => match choose(columns, &without_numbers(&kinds))? {
            Some(other) if kinds.contains(&(called[0].0, Kind::Clock)) => other,
            Some(other) => return Err(two_times(columns, called[0].0, other)),
            None => called[0].0,
        },
        (None, None) => match choose(columns, &without_numbers(&kinds))? {
            Some(time) => match kinds.iter().find(|(_, kind)| *kind == Kind::Numbers) {
                // Days alone may belong to the exact time of another column.
                Some((other, _)) if kinds.contains(&(time, Kind::Dates)) => {
                    return Err(two_times(columns, time, *other));
                }
                _ => time,
            },
            None => choose(columns, &kinds)?.or(usable.first().copied()).unwrap_or(0),
        },
    };
    Ok(TimeColumns { time, clock: clock(columns, &kinds, time)? })
}

fn without_numbers(kinds: &[(usize, Kind)]) -> Vec<(usize, Kind)> {
    kinds.iter().copied().filter(|(_, kind)| *kind != Kind::Numbers).collect()
}

/// The only column with times. Where others hold days only, the one with instants. `None` if no
/// column holds times.
fn choose(columns: &Columns<'_>, kinds: &[(usize, Kind)]) -> Result<Option<usize>, TableError> {
    let of = |wanted: &[Kind]| -> Vec<usize> {
        kinds.iter().filter(|(_, kind)| wanted.contains(kind)).map(|(column, _)| *column).collect()
    };
    let instants = of(&[Kind::Instants, Kind::Numbers]);
    let found = if instants.is_empty() { of(&[Kind::Dates]) } else { instants };
    match found[..] {
        [] => Ok(None),
        [time] => Ok(Some(time)),
        [first, second, ..] => Err(two_times(columns, first, second)),
    }
}

/// The column with the time of day of the dates in `time`.
fn clock(columns: &Columns<'_>, kinds: &[(usize, Kind)], time: usize) -> Result<Option<usize>, TableError> {
    let is_date = kinds.contains(&(time, Kind::Dates));
    let clocks: Vec<usize> = kinds.iter().filter(|(_, kind)| *kind == Kind::Clock).map(|(column, _)| *column).collect();
    match clocks[..] {
        [] => Ok(None),
        [only] if only == time => Ok(None),
        [only] if is_date => Ok(Some(only)),
        [first, ..] => {
            let other = clocks.iter().copied().find(|column| *column != time).unwrap_or(first);
            Err(TableError::TimeOfDay { time: columns.names[time].clone(), clock: columns.names[other].clone() })
        }
    }
}

pub(super) fn two_times(columns: &Columns<'_>, first: usize, second: usize) -> TableError {
    TableError::TwoTimes { first: columns.names[first].clone(), second: columns.names[second].clone() }
}

/// What the cells of a column are as times.
pub(super) fn kind(columns: &Columns<'_>, column: usize, options: &TableOptions) -> Kind {
    let cells: Vec<&str> = columns.cells(column).collect();
    if cells.is_empty() {
        return Kind::Other;
    }
    let most = |count: usize| count * 2 >= cells.len();
    if most(cells.iter().filter(|cell| is_time_of_day(cell)).count()) {
        return Kind::Clock;
    }
    let dates = |format: TimeFormat| {
        let reader = TimeReader { format, zone: jiff::tz::TimeZone::UTC };
        cells.iter().filter(|cell| reader.date(cell).is_some()).count()
    };
    let written = |format| if dates(format) == cells.len() { Kind::Dates } else { Kind::Instants };
    let format = match options.time_format {
        Some(format) => Ok(reads_most(format, &cells).then_some(format)),
        None => detect(&cells),
    };
    match format {
        Ok(Some(format @ (TimeFormat::Iso | TimeFormat::DayFirst | TimeFormat::MonthFirst | TimeFormat::Compact))) => {
            written(format)
        }
        // A stated form of numbers suits any column of numbers: the first is taken.
        Ok(Some(_)) if options.time_format.is_none() && is_recent(&cells) => Kind::Numbers,
        Ok(_) => Kind::Other,
        // Numbers may be days of a spreadsheet, or no times.
        Err(_) if cells.iter().any(|cell| number(cell).is_some()) => Kind::Other,
        Err(_) => written(TimeFormat::DayFirst),
    }
}

fn reads_most(format: TimeFormat, cells: &[&str]) -> bool {
    let reader = TimeReader { format, zone: jiff::tz::TimeZone::UTC };
    cells.iter().filter(|cell| reader.reads(cell)).count() * 2 >= cells.len()
}

/// Whether all numbers are times from 2001 to 2100 as numbers since 1970.
fn is_recent(cells: &[&str]) -> bool {
    let years = 978_307_200_000..4_102_444_800_000;
    cells.iter().all(|cell| super::parse_time(cell).is_some_and(|time| years.contains(&time)))
}
