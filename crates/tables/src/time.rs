//! The times of a table.

mod format;
mod moment;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

pub(super) use format::{Ambiguous, detect, is_dotted_date, is_time_of_day, number};
pub(super) use moment::{Moment, Repeated};

use super::options::TimeFormat;

/// Parses the times of one column.
#[derive(Debug, Clone)]
pub(super) struct TimeReader {
    pub(super) format: TimeFormat,
    /// The zone of times that do not say one.
    pub(super) zone: TimeZone,
}

impl TimeReader {
    /// When it is. `None` if the text is not a time of the column's form.
    pub(super) fn read(&self, text: &str) -> Option<Moment> {
        let text = text.trim();
        match self.format {
            TimeFormat::Iso => self.iso(text),
            TimeFormat::DayFirst => self.at(text, format::ordered(text, format::Order::DayFirst)?),
            TimeFormat::MonthFirst => self.at(text, format::ordered(text, format::Order::MonthFirst)?),
            TimeFormat::Compact => self.at(text, format::compact(text)?),
            TimeFormat::Seconds => since_1970(text, 1_000.0, 1).map(Moment::At),
            TimeFormat::Milliseconds => since_1970(text, 1.0, 1).map(Moment::At),
            TimeFormat::Microseconds => since_1970(text, 1e-3, 1_000).map(Moment::At),
            TimeFormat::Nanoseconds => since_1970(text, 1e-6, 1_000_000).map(Moment::At),
            TimeFormat::Excel => self.at(text, format::excel(text)?),
        }
    }

    /// Whether the text is a time of the column's form.
    pub(super) fn reads(&self, text: &str) -> bool {
        self.read(text).is_some()
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

    /// When a date and a time of day are. `None` if one of them is not.
    pub(super) fn read_both(&self, date: &str, clock: &str) -> Option<Moment> {
        Moment::of(self.date(date)?.to_datetime(format::clock(clock.trim())?), &self.zone)
    }

    /// A day alone is its first moment, whatever the clocks show then.
    fn at(&self, text: &str, civil: DateTime) -> Option<Moment> {
        let is_day_number = || self.format == TimeFormat::Excel && !text.contains('.');
        if civil.time() == Time::midnight() && (self.date(text).is_some() || is_day_number()) {
            let first = civil.to_zoned(self.zone.clone()).ok()?;
            // Zones that moved across the date line have skipped a whole day.
            if first.date() == civil.date() {
                return Some(Moment::At(first.timestamp().as_millisecond()));
            }
        }
        Moment::of(civil, &self.zone)
    }

    fn iso(&self, text: &str) -> Option<Moment> {
        if let Some((local, zone)) = text.strip_suffix(']').and_then(|text| text.split_once('['))
            && let Some(civil) = civil(local)
        {
            return Moment::of(civil, &TimeZone::get(zone).ok()?);
        }
        if earcon_intake::has_impossible_offset(text) {
            return None;
        }
        if text.ends_with(']') {
            // Refuses an offset that the zone does not have at that time.
            return Some(Moment::At(text.parse::<jiff::Zoned>().ok()?.timestamp().as_millisecond()));
        }
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return Some(Moment::At(time.as_millisecond()));
        }
        self.at(text, civil(text)?)
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
    // No hour is repeated or missing in UTC. Of a zone in brackets it would have to be guessed.
    match (TimeReader { format, zone: TimeZone::UTC }).read(text)? {
        Moment::At(ms) => Some(ms),
        Moment::Repeated(_) | Moment::Missing { .. } => None,
    }
}

/// A date and a time of day without an offset.
fn civil(text: &str) -> Option<DateTime> {
    // Only digits and separators: a civil time would silently ignore an offset.
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'/' | b':' | b'.' | b' ' | b'T' | b't'));
    plain.then(|| text.replace('/', "-").parse().ok()).flatten()
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
