//! The times of a table.

mod format;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

pub(super) use format::{Ambiguous, detect, is_dotted_date, is_time_of_day, number};

use super::options::TimeFormat;

/// Parses the times of one column.
#[derive(Debug, Clone)]
pub(super) struct TimeReader {
    pub(super) format: TimeFormat,
    /// The zone of times that do not say one.
    pub(super) zone: TimeZone,
}

impl TimeReader {
    /// Milliseconds since 1970. `None` if the text is not a time of the column's form.
    pub(super) fn parse(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        match self.format {
            TimeFormat::Iso => iso(text, &self.zone),
            TimeFormat::DayFirst => self.at(format::ordered(text, format::Order::DayFirst)?),
            TimeFormat::MonthFirst => self.at(format::ordered(text, format::Order::MonthFirst)?),
            TimeFormat::Compact => self.at(format::compact(text)?),
            TimeFormat::Seconds => since_1970(text, 1_000.0, 1),
            TimeFormat::Milliseconds => since_1970(text, 1.0, 1),
            TimeFormat::Microseconds => since_1970(text, 1e-3, 1_000),
            TimeFormat::Nanoseconds => since_1970(text, 1e-6, 1_000_000),
            TimeFormat::Excel => self.at(format::excel(text)?),
        }
    }

    /// Whether the text is a number that a spreadsheet has rounded, such as `1.79596E+12`.
    pub(super) fn is_rounded(&self, text: &str) -> bool {
        use TimeFormat::{Compact, Excel, Microseconds, Milliseconds, Nanoseconds, Seconds};
        let are_numbers = matches!(self.format, Compact | Seconds | Milliseconds | Microseconds | Nanoseconds | Excel);
        are_numbers && text.contains(['e', 'E']) && format::number(text.trim()).is_some()
    }

    /// The date in a text that holds no time of day.
    pub(super) fn date(&self, text: &str) -> Option<Date> {
        let text = text.trim();
        let is_alone = !text.contains([':', ' ', 'T', 't']);
        match self.format {
            _ if !is_alone => None,
            TimeFormat::Iso => text.replace('/', "-").parse().ok(),
            TimeFormat::DayFirst => Some(format::ordered(text, format::Order::DayFirst)?.date()),
            TimeFormat::MonthFirst => Some(format::ordered(text, format::Order::MonthFirst)?.date()),
            TimeFormat::Compact if text.len() == 8 => Some(format::compact(text)?.date()),
            _ => None,
        }
    }

    /// Milliseconds since 1970 of a date and a time of day. `None` if one of them is not.
    pub(super) fn parse_both(&self, date: &str, clock: &str) -> Option<i64> {
        self.at(self.date(date)?.to_datetime(format::clock(clock.trim())?))
    }

    fn at(&self, civil: DateTime) -> Option<i64> {
        Some(civil.to_zoned(self.zone.clone()).ok()?.timestamp().as_millisecond())
    }
}

/// Parses a time as milliseconds since 1970, UTC. `None` if it is not a time.
///
/// - RFC 3339, such as `2014-04-01T00:00:00+02:00`, also with a zone in brackets.
/// - `YYYY-MM-DD HH:MM:SS[.fff]`, also with `T` and without seconds, in UTC.
/// - `YYYY-MM-DD`: midnight UTC.
/// - A number since 1970; its size tells the unit (below 10¹¹ seconds, below 10¹⁴ milliseconds …).
///
/// Fractions of a millisecond are cut off.
pub fn parse_time(text: &str) -> Option<i64> {
    let format = format::number(text.trim()).map_or(TimeFormat::Iso, format::unit_of);
    TimeReader { format, zone: TimeZone::UTC }.parse(text)
}

fn iso(text: &str, zone: &TimeZone) -> Option<i64> {
    if text.ends_with(']') {
        // Refuses an offset that the zone does not have at that time.
        return Some(text.parse::<jiff::Zoned>().ok()?.timestamp().as_millisecond());
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_millisecond());
    }
    // Only digits and separators: a civil time would silently ignore an offset.
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'/' | b':' | b'.' | b' ' | b'T' | b't'));
    let civil = plain.then(|| text.replace('/', "-").parse::<DateTime>().ok()).flatten()?;
    Some(civil.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond())
}

/// A number of units since 1970. Whole numbers are exact.
fn since_1970(text: &str, milliseconds: f64, per_millisecond: i64) -> Option<i64> {
    if let Ok(whole) = text.parse::<i64>() {
        let larger = if milliseconds > 1.0 { milliseconds as i64 } else { 1 };
        return Some(whole.checked_mul(larger)?.div_euclid(per_millisecond));
    }
    let value = format::number(text)? * milliseconds;
    // A fraction such as .123 is not exact in binary, so a microsecond is added before the cut.
    (value.abs() < 1e16).then(|| (value + 1e-3).floor() as i64)
}

#[cfg(test)]
mod tests;
