//! The document of a mute as people write it, checked as a whole.

use std::collections::BTreeMap;

use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::window::Window;
use super::zone::{moment, zone};
use super::{calendar, recurrence};
use earcon_model::KpiName;

const LONGEST_NAME: usize = 100;
const LONGEST_REASON: usize = 2_000;
const MOST_KPIS: usize = 100;
const MOST_LABELS: usize = 16;
const MOST_DAYS: usize = 1_000;
const LONGEST_CALENDAR: usize = 256 * 1_024;
/// The longest window, so that no forgotten mute lasts for ever.
const LONGEST_MS: i64 = 366 * 86_400_000;
/// The longest of windows that repeat.
const LONGEST_REPEATED_MS: i64 = 31 * 86_400_000;

/// A mute as it is written and stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MuteDocument {
    /// The name that is shown.
    pub name: String,
    /// Why it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// KPIs that it names; `*` is any sequence of characters. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kpis: Vec<String>,
    /// Labels that a series has to carry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether a series may carry no other labels than these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exact: bool,
    /// First moment of one window, milliseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// First moment after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// A window that repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Days, or a calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Times>,
}

/// A window that repeats in local time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Local time of the first one, `2026-01-05T02:00`.
    pub start: String,
    /// RFC 5545 recurrence rule, `FREQ=WEEKLY;BYDAY=MO`.
    pub rrule: String,
    /// How long each is, `2h` or `90m`.
    #[serde(rename = "for")]
    pub length: String,
    /// IANA name; UTC if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// Days of a year, or an iCalendar document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Whole days, `2026-12-25`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<String>,
    /// The text of an iCalendar document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ics: Option<String>,
    /// IANA name, for days and for times without a zone; UTC if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// Milliseconds of a length of time as people write it: `30m`, `2h`, `1d 12h`. Days have 24 hours.
///
/// # Errors
/// The problem with the text.
pub(super) fn length_ms(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no length of time; write 30m, 2h or 1d");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let marker = jiff::SpanRelativeTo::days_are_24_hours();
    let ms = span.total((jiff::Unit::Millisecond, marker)).map_err(|_| wrong())?;
    if ms >= 1.0 && ms <= LONGEST_MS as f64 {
        Ok(ms as i64)
    } else {
        Err(format!("{text:?} must be above 0 and at most a year"))
    }
}

impl MuteDocument {
    /// A mute of exactly one series, from a moment on, for a length of time as people write it.
    ///
    /// # Errors
    /// The problem with the length.
    pub fn of_series(
        kpi: &KpiName,
        labels: impl IntoIterator<Item = (String, String)>,
        from_ms: i64,
        length: &str,
    ) -> Result<Self, String> {
        let until = from_ms.saturating_add(length_ms(length)?);
        Ok(Self {
            name: format!("{kpi} for {length}"),
            reason: None,
            kpis: vec![kpi.to_string()],
            labels: labels.into_iter().collect(),
            exact: true,
            from: Some(from_ms),
            until: Some(until),
            schedule: None,
            calendar: None,
        })
    }

    /// Its windows that overlap `range`.
    ///
    /// # Errors
    /// Every problem of the document.
    pub(super) fn windows(&self, range: Window) -> Result<Vec<Window>, Vec<String>> {
        let mut problems = self.problems();
        let mut windows = Vec::new();
        match (self.from, self.until) {
            (Some(from_ms), Some(until_ms)) => match until_ms.saturating_sub(from_ms) {
                1..=LONGEST_MS => windows.push(Window { from_ms, until_ms }),
                _ => problems.push("until must be after from, by at most a year".to_owned()),
            },
            (None, None) => {}
            _ => problems.push("from and until belong together".to_owned()),
        }
        let mut take = |name: &str, result: Result<Vec<Window>, Vec<String>>| match result {
            Ok(found) => windows.extend(found),
            Err(wrong) => problems.extend(wrong.into_iter().map(|problem| format!("{name}: {problem}"))),
        };
        if let Some(schedule) = &self.schedule {
            take("schedule", schedule.windows(range));
        }
        if let Some(calendar) = &self.calendar {
            take("calendar", calendar.windows(range));
        }
        if self.from.is_none() && self.until.is_none() && self.schedule.is_none() && self.calendar.is_none() {
            problems.push("give it a time: from and until, a schedule, or a calendar".to_owned());
        }
        if problems.is_empty() { Ok(windows) } else { Err(problems) }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.name.trim().is_empty() || self.name.len() > LONGEST_NAME || self.name.chars().any(char::is_control) {
            problems.push(format!("name must be a line of 1 to {LONGEST_NAME} bytes"));
        }
        if self.reason.as_ref().is_some_and(|reason| reason.len() > LONGEST_REASON) {
            problems.push(format!("reason may have at most {LONGEST_REASON} bytes"));
        }
        if self.kpis.len() > MOST_KPIS {
            problems.push(format!("kpis may have at most {MOST_KPIS} patterns"));
        }
        for pattern in self.kpis.iter().take(MOST_KPIS) {
            let known = |c: char| c.is_ascii_alphanumeric() || "._:-*".contains(c);
            if pattern.is_empty() || pattern.len() > 128 || !pattern.chars().all(known) {
                problems.push(format!("kpis: {pattern:?} is no KPI name or pattern"));
            }
        }
        if self.labels.len() > MOST_LABELS {
            problems.push(format!("labels may have at most {MOST_LABELS} members"));
        }
        problems
    }
}

impl Schedule {
    fn windows(&self, range: Window) -> Result<Vec<Window>, Vec<String>> {
        let mut problems = Vec::new();
        let mut keep = |problem: String| problems.push(problem);
        let start: Option<civil::DateTime> = self.start.parse().map_or_else(
            |_| {
                keep(format!("start must be a local time like 2026-01-05T02:00, not {:?}", self.start));
                None
            },
            Some,
        );
        let length = length_ms(&self.length).map_err(&mut keep).ok();
        if length.is_some_and(|ms| ms > LONGEST_REPEATED_MS) {
            keep("for must be at most 31 days".to_owned());
        }
        let zone = home(self.time_zone.as_deref()).map_err(&mut keep).ok();
        let (Some(start), Some(length), Some(zone)) = (start, length, zone) else { return Err(problems) };
        // A window that begins before the range may reach into it.
        let range = Window { from_ms: range.from_ms.saturating_sub(length), ..range };
        let starts = recurrence::expand(start, &self.rrule, &zone, range).map_err(|problem| vec![problem]);
        let window = |local| {
            let from_ms = moment(local, &zone)?;
            Some(Window { from_ms, until_ms: from_ms.checked_add(length)? })
        };
        match starts {
            Ok(starts) if problems.is_empty() => Ok(starts.into_iter().filter_map(window).collect()),
            Ok(_) => Err(problems),
            Err(more) => Err([problems, more].concat()),
        }
    }
}

impl Times {
    fn windows(&self, range: Window) -> Result<Vec<Window>, Vec<String>> {
        let zone = home(self.time_zone.as_deref()).map_err(|problem| vec![problem])?;
        let (mut windows, mut problems) = (Vec::new(), Vec::new());
        if self.days.is_empty() && self.ics.is_none() {
            problems.push("give days, or the text of an iCalendar document as ics".to_owned());
        }
        if self.days.len() > MOST_DAYS {
            problems.push(format!("days may have at most {MOST_DAYS} members"));
        }
        for text in self.days.iter().take(MOST_DAYS) {
            let day = text.parse::<civil::Date>().ok();
            let window = day.and_then(|day| {
                let end = day.tomorrow().ok()?;
                let at = |day: civil::Date| moment(day.at(0, 0, 0, 0), &zone);
                Some(Window { from_ms: at(day)?, until_ms: at(end)? })
            });
            match window {
                Some(window) => windows.push(window),
                None => problems.push(format!("{text:?} is no day like 2026-12-25")),
            }
        }
        match self.ics.as_deref() {
            Some(ics) if ics.len() > LONGEST_CALENDAR => {
                problems.push(format!("ics may have at most {LONGEST_CALENDAR} bytes"));
            }
            Some(ics) => match calendar::windows(ics, &zone, range) {
                Ok(found) => windows.extend(found),
                Err(wrong) => problems.extend(wrong),
            },
            None => {}
        }
        if problems.is_empty() { Ok(windows) } else { Err(problems) }
    }
}

fn home(name: Option<&str>) -> Result<TimeZone, String> {
    name.map_or(Ok(TimeZone::UTC), zone)
}
