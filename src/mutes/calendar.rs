//! Windows from iCalendar documents (RFC 5545): all events that are not cancelled, with
//! recurrences.

use icalendar::parser::{Component, Property, read_calendar, unfold};
use jiff::civil;
use jiff::tz::TimeZone;

use super::recurrence::expand;
use super::window::{DAY_MS, Window};
use super::zone::{moment, zone};

/// Most events of one calendar.
const MOST_EVENTS: usize = 1_000;

/// The windows of all events in `range`; days and times without a zone are those of `home`.
///
/// # Errors
/// The problems of each event that cannot be parsed.
pub(super) fn windows(text: &str, home: &TimeZone, range: Window) -> Result<Vec<Window>, Vec<String>> {
    let unfolded = unfold(text);
    let calendar = read_calendar(&unfolded).map_err(|error| {
        let error: String = error.to_string().chars().take(200).collect();
        vec![format!("the calendar is not understood: {error}")]
    })?;
    let events: Vec<&Component<'_>> = calendar.components.iter().filter(|one| one.name == "VEVENT").collect();
    if events.is_empty() {
        return Err(vec!["the calendar has no events (VEVENT)".to_owned()]);
    }
    if events.len() > MOST_EVENTS {
        return Err(vec![format!("a calendar may have at most {MOST_EVENTS} events, not {}", events.len())]);
    }
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (number, event) in events.iter().enumerate() {
        match of_event(event, home, range) {
            Ok(windows) => found.extend(windows),
            Err(problem) if problems.len() < 20 => {
                let name = property(event, "SUMMARY").map_or_else(String::new, |name| format!(" ({})", name.val));
                problems.push(format!("event {}{name}: {problem}", number + 1));
            }
            Err(_) => {}
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// A date or a time of a calendar.
#[derive(Debug, Clone, PartialEq)]
struct Stamp {
    local: civil::DateTime,
    zone: TimeZone,
    whole_day: bool,
}

fn of_event(event: &Component<'_>, home: &TimeZone, range: Window) -> Result<Vec<Window>, String> {
    if property(event, "STATUS").is_some_and(|status| status.val == "CANCELLED") {
        return Ok(Vec::new());
    }
    let start = property(event, "DTSTART").ok_or("it has no DTSTART")?;
    let start = stamps(start, home)?.into_iter().next().ok_or("its DTSTART is empty")?;
    let length = length(event, &start, home)?;
    let mut starts = match property(event, "RRULE") {
        Some(rule) => expand(start.local, rule.val.as_str(), &start.zone, range)?,
        None => vec![start.local],
    };
    for more in event.properties.iter().filter(|one| one.name == "RDATE") {
        starts.extend(stamps(more, home)?.into_iter().map(|stamp| stamp.local));
    }
    for except in event.properties.iter().filter(|one| one.name == "EXDATE") {
        let out: Vec<Option<i64>> =
            stamps(except, home)?.iter().map(|stamp| moment(stamp.local, &stamp.zone)).collect();
        starts.retain(|local| !out.contains(&moment(*local, &start.zone)));
    }
    let window = |local: civil::DateTime| {
        let from_ms = moment(local, &start.zone)?;
        let until_ms = match length {
            Length::Days(days) => {
                let end = local.checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
                moment(end, &start.zone)?
            }
            Length::Exact(ms) => from_ms.checked_add(ms)?,
        };
        (until_ms > range.from_ms && from_ms < range.until_ms).then_some(Window { from_ms, until_ms })
    };
    Ok(starts.into_iter().filter_map(window).collect())
}

/// The length of an event. Whole days are those of the local clock; other lengths are exact.
#[derive(Debug, Clone, Copy)]
enum Length {
    Days(i64),
    Exact(i64),
}

fn length(event: &Component<'_>, start: &Stamp, home: &TimeZone) -> Result<Length, String> {
    let length = if let Some(end) = property(event, "DTEND") {
        let end = stamps(end, home)?.into_iter().next().ok_or("its DTEND is empty")?;
        let at = |stamp: &Stamp| moment(stamp.local, &stamp.zone).ok_or("it lies beyond the calendar");
        match start.whole_day && end.whole_day {
            true => {
                let days = start.local.date().until(end.local.date()).map_err(|error| error.to_string())?;
                Length::Days(days.get_days().into())
            }
            false => Length::Exact(at(&end)? - at(start)?),
        }
    } else if let Some(duration) = property(event, "DURATION") {
        let span: jiff::Span = duration.val.as_str().parse().map_err(|_| "its DURATION is not understood")?;
        let marker = jiff::SpanRelativeTo::days_are_24_hours();
        let ms = span.total((jiff::Unit::Millisecond, marker)).map_err(|error| error.to_string())? as i64;
        if start.whole_day && ms % DAY_MS == 0 { Length::Days(ms / DAY_MS) } else { Length::Exact(ms) }
    } else if start.whole_day {
        Length::Days(1)
    } else {
        return Err("it has neither DTEND nor DURATION".to_owned());
    };
    match length {
        Length::Days(days) if days <= 0 => Err("it ends before it begins".to_owned()),
        Length::Exact(ms) if ms <= 0 => Err("it ends before it begins".to_owned()),
        length => Ok(length),
    }
}

fn property<'a, 'b>(event: &'a Component<'b>, name: &str) -> Option<&'a Property<'b>> {
    event.properties.iter().find(|property| property.name == name)
}

/// The times of a property, which may list several.
fn stamps(property: &Property<'_>, home: &TimeZone) -> Result<Vec<Stamp>, String> {
    let named = property.params.iter().find(|param| param.key == "TZID").and_then(|param| param.val.as_ref());
    let zone = named.map_or_else(|| Ok(home.clone()), |name| zone(name.as_str().trim_matches('"')))?;
    property.val.as_str().split(',').map(|text| stamp(text.trim(), &zone)).collect()
}

fn stamp(text: &str, zone: &TimeZone) -> Result<Stamp, String> {
    let wrong = |_| format!("{text:?} is no date or time of a calendar");
    if text.len() == 8 {
        let day = civil::Date::strptime("%Y%m%d", text).map_err(wrong)?;
        return Ok(Stamp { local: day.at(0, 0, 0, 0), zone: zone.clone(), whole_day: true });
    }
    let (plain, zone) = text.strip_suffix('Z').map_or((text, zone.clone()), |plain| (plain, TimeZone::UTC));
    let local = civil::DateTime::strptime("%Y%m%dT%H%M%S", plain).map_err(wrong)?;
    Ok(Stamp { local, zone, whole_day: false })
}
