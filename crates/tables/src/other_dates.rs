//! Columns of dates other than the column with the time.
//!
//! As a label, such a column would begin a series each day.

use jiff::civil::Date;

use super::columns::{Columns, FREE_TEXT};
use super::error::TableError;
use super::layout::{LABEL_PREFIX, Role};
use super::options::{TableOptions, TimeFormat};
use super::sparse::different_rows;
use super::time::{Moment, TimeReader, detect};
use super::time_column::{Kind, is_time_name, kind, two_times};

/// Takes their role from the columns that hold the date of the time, and from columns of other
/// times if the time has a name that says so and they tell no rows of one time apart.
///
/// # Errors
/// Another column could be the time as well.
pub(super) fn set_aside(
    roles: &mut [Role],
    columns: &Columns<'_>,
    options: &TableOptions,
    times: &TimeReader,
) -> Result<(), TableError> {
    let any_form = TableOptions { time_format: None, ..options.clone() };
    for column in 0..roles.len() {
        let name = &columns.names[column];
        let is_text = match roles[column] {
            Role::Label(_) if name.strip_prefix(LABEL_PREFIX).is_none_or(str::is_empty) => true,
            Role::Unused(FREE_TEXT) => true,
            Role::Value(_) => false,
            _ => continue,
        };
        if !matches!(kind(columns, column, &any_form), Kind::Dates | Kind::Instants) {
            continue;
        }
        let is_named = |column: usize| columns.has_header && is_time_name(&columns.names[column]);
        if is_date_of_time(columns, column, times) {
            roles[column] = Role::Unused("it holds the date of the time");
        } else if is_named(column) || (is_text && !is_named(columns.time)) {
            return Err(two_times(columns, columns.time, column));
        } else if is_text {
            roles[column] = Role::Label(name.clone());
            if different_rows(roles, columns, None) != different_rows(roles, columns, Some(column)) {
                return Err(two_times(columns, columns.time, column));
            }
            roles[column] = Role::Unused("it holds other times; call it label.<name> to keep it");
        }
    }
    Ok(())
}

/// Whether each row has the date of its time in a column.
fn is_date_of_time(columns: &Columns<'_>, column: usize, times: &TimeReader) -> bool {
    let cells: Vec<&str> = columns.cells(column).collect();
    let formats = match detect(&cells) {
        Ok(format) => format.into_iter().collect(),
        Err(_) => vec![TimeFormat::DayFirst, TimeFormat::MonthFirst],
    };
    let text = |row: usize| columns.data[row].get(columns.time).and_then(|cell| std::str::from_utf8(cell).ok());
    formats.into_iter().any(|format| {
        let reader = TimeReader { format, zone: times.zone.clone() };
        columns.rows(column).all(|(row, cell)| {
            let date = reader.date(cell);
            // A row without a time is skipped.
            text(row).is_none_or(|time| {
                times.read(time).is_none_or(|moment| {
                    date.is_some_and(|date| date_at(&moment, times) == Some(date) || written(time) == Some(date))
                })
            })
        })
    })
}

/// The date in the zone of the table.
fn date_at(moment: &Moment, times: &TimeReader) -> Option<Date> {
    match moment {
        Moment::At(ms) => Some(jiff::Timestamp::from_millisecond(*ms).ok()?.to_zoned(times.zone.clone()).date()),
        Moment::Repeated(repeated) => Some(repeated.local.date()),
        Moment::Missing { local, .. } => Some(local.date()),
    }
}

/// The date that a time with an offset begins with.
fn written(time: &str) -> Option<Date> {
    time.trim().get(..10)?.replace('/', "-").parse().ok()
}
