//! Which form the times of a column have.

use jiff::civil::{Date, DateTime, Time};

use super::TimeReader;
use crate::options::TimeFormat;

/// Times that have more than one meaning: one of them, and the formats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ambiguous {
    pub(crate) example: String,
    pub(crate) meanings: &'static str,
}

/// The form of these times. `None` if most are not times of any form.
///
/// # Errors
/// They have more than one meaning.
pub(crate) fn detect(times: &[&str]) -> Result<Option<TimeFormat>, Ambiguous> {
    let times: Vec<&str> = times.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
    let Some(first) = times.first() else { return Ok(None) };
    let ambiguous = |meanings| Ambiguous { example: (*first).chars().take(40).collect(), meanings };
    let share = |format| {
        let reader = TimeReader { format, zone: jiff::tz::TimeZone::UTC };
        times.iter().filter(|text| reader.reads(text)).count()
    };
    let most = |count: usize| count > 0 && count * 2 >= times.len();
    if most(share(TimeFormat::Compact)) {
        // As a number since 1970, each is a time of 1970 or of the far future.
        return Ok(Some(TimeFormat::Compact));
    }
    let numbers: Vec<f64> = times.iter().filter_map(|text| number(text)).collect();
    if most(numbers.len()) {
        let largest = numbers.iter().fold(0.0f64, |largest, number| largest.max(number.abs()));
        let days = (20_000.0..80_000.0).contains(&largest) && numbers.iter().all(|number| *number >= 20_000.0);
        return if days { Err(ambiguous("seconds or excel")) } else { Ok(Some(unit_of(largest))) };
    }
    if most(share(TimeFormat::Iso)) {
        return Ok(Some(TimeFormat::Iso));
    }
    day_and_month(&times)
}

/// The order of day and month. `None` if most are not such dates.
fn day_and_month(times: &[&str]) -> Result<Option<TimeFormat>, Ambiguous> {
    let ambiguous = |example: &str, meanings| Ambiguous { example: example.chars().take(40).collect(), meanings };
    let fits = |text: &str| [Order::DayFirst, Order::MonthFirst].map(|order| ordered(text, order).is_some());
    let all: Vec<[bool; 2]> = times.iter().map(|text| fits(text)).collect();
    let [day_first, month_first] = [0, 1].map(|order| all.iter().filter(|fits| fits[order]).count());
    let most = day_first.max(month_first);
    if most == 0 || most * 2 < times.len() {
        return Ok(None);
    }
    let (format, order) = if month_first > day_first { (TimeFormat::MonthFirst, 1) } else { (TimeFormat::DayFirst, 0) };
    // A date of the other order, or of none: all dates of the file are in doubt.
    let other = times.iter().zip(&all).find(|(text, fits)| !fits[order] && is_three_numbers(text));
    if let Some((other, _)) = other {
        return Err(ambiguous(other, "day_first or month_first, as the rows do not agree"));
    }
    // No country writes the month first with points between.
    let is_dotted = || times.iter().any(|text| is_dotted_date(text));
    if day_first == month_first && !is_dotted() {
        return Err(ambiguous(times[0], "day_first or month_first"));
    }
    Ok(Some(format))
}

/// Whether the text begins with three numbers with `/`, `.` or `-` between.
fn is_three_numbers(text: &str) -> bool {
    let date = text.split([' ', 'T']).next().unwrap_or_default().trim_end_matches(',');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    date.split(['/', '.', '-']).count() == 3 && date.split(['/', '.', '-']).all(is_number)
}

/// The unit of a number since 1970, by its magnitude: below 10¹¹ seconds (until the year 5138),
/// below 10¹⁴ milliseconds (from 1973), below 10¹⁷ microseconds, else nanoseconds.
pub(crate) fn unit_of(number: f64) -> TimeFormat {
    match number.abs() {
        size if size < 1e11 => TimeFormat::Seconds,
        size if size < 1e14 => TimeFormat::Milliseconds,
        size if size < 1e17 => TimeFormat::Microseconds,
        _ => TimeFormat::Nanoseconds,
    }
}

/// A finite number in digits, with a point or an exponent. Dates and words are not numbers.
pub(crate) fn number(text: &str) -> Option<f64> {
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    let legal = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    (begins && legal).then(|| text.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
}

/// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, from 1990 to 2099.
pub(super) fn compact(text: &str) -> Option<DateTime> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && matches!(text.len(), 8 | 12 | 14);
    let part = |from: usize, to: usize| -> Option<i16> { text.get(from..to)?.parse().ok() };
    let small = |from: usize, to: usize| part(from, to).and_then(|number| i8::try_from(number).ok());
    let year = digits.then(|| part(0, 4)).flatten().filter(|year| (1990..2100).contains(year))?;
    let date = Date::new(year, small(4, 6)?, small(6, 8)?).ok()?;
    let clock = |from: usize| if text.len() >= from + 2 { small(from, from + 2) } else { Some(0) };
    Some(date.to_datetime(Time::new(clock(8)?, clock(10)?, clock(12)?, 0).ok()?))
}

/// Days since 1899-12-30, as spreadsheets count them, with the time of day as their fraction.
pub(super) fn excel(text: &str) -> Option<DateTime> {
    let days = number(text).filter(|days| (1.0..2_958_466.0).contains(days))?;
    // Spreadsheets keep milliseconds.
    let milliseconds = (days * 86_400_000.0).round() as i64;
    let start = Date::new(1899, 12, 30).ok()?.to_datetime(Time::midnight());
    start.checked_add(jiff::SignedDuration::from_millis(milliseconds)).ok()
}

/// Whether the day or the month comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    DayFirst,
    MonthFirst,
}

/// Three numbers with `/`, `.` or `-` between, the year last and with four digits, and a time of
/// day, which may end in AM or PM.
pub(super) fn ordered(text: &str, order: Order) -> Option<DateTime> {
    let (date, clock) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let separator = date.find(['/', '.', '-']).and_then(|at| date[at..].chars().next())?;
    let mut parts = date.trim_end_matches(',').split(separator);
    let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || first.len() > 2 || second.len() > 2 {
        return None;
    }
    let (day, month) = if order == Order::DayFirst { (first, second) } else { (second, first) };
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    Some(date.to_datetime(time_of_day(clock.trim())?))
}

/// Whether the text begins with a date such as `31.12.2026`.
pub(crate) fn is_dotted_date(text: &str) -> bool {
    let date = text.split([' ', 'T']).next().unwrap_or_default();
    date.contains('.') && (ordered(date, Order::DayFirst).is_some() || ordered(date, Order::MonthFirst).is_some())
}

/// Whether the text is a time of day alone, such as `9:30` or `09:30:00 PM`.
pub(crate) fn is_time_of_day(text: &str) -> bool {
    clock(text.trim()).is_some()
}

/// A time of day alone.
pub(super) fn clock(text: &str) -> Option<Time> {
    let (hour, _) = text.split_once(':')?;
    let begins = matches!(hour.len(), 1 | 2) && hour.bytes().all(|byte| byte.is_ascii_digit());
    begins.then(|| time_of_day(text)).flatten()
}

fn time_of_day(text: &str) -> Option<Time> {
    if text.is_empty() {
        return Some(Time::midnight());
    }
    let upper = text.to_ascii_uppercase();
    let half = [("AM", 0), ("PM", 12)].into_iter().find_map(|(name, hours)| Some((upper.strip_suffix(name)?, hours)));
    let Some((clock, hours)) = half else { return civil_time(&upper) };
    let (hour, rest) = clock.trim().split_once(':').unwrap_or((clock.trim(), "00"));
    let hour: i8 = hour.parse().ok().filter(|hour| (1..=12).contains(hour))?;
    civil_time(&format!("{:02}:{rest}", hour % 12 + hours))
}

/// `H:MM`, `HH:MM:SS` or `HH:MM:SS.fff`.
fn civil_time(text: &str) -> Option<Time> {
    let padded = if text.find(':') == Some(1) { format!("0{text}") } else { text.to_owned() };
    padded.contains(':').then(|| padded.parse().ok()).flatten()
}
