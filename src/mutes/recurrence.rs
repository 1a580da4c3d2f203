//! Repeated local times from an RFC 5545 recurrence rule.
//!
//! The rule is expanded in local clock time, as if that were UTC. Each local time is then converted
//! to a moment separately. So a window at 02:00 stays at 02:00 local time when the clocks change.

use jiff::civil;
use jiff::tz::TimeZone;
use rrule::RRuleSet;

use super::window::Window;
use super::zone::{local, moment};

/// Most occurrences computed from one rule.
const MOST: u16 = 2_000;
/// Most characters of a rule.
const LONGEST: usize = 500;
/// Frequencies that are allowed. Finer ones would take long to compute and mute everything anyway.
const FREQUENCIES: [&str; 4] = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"];

/// The local times of a rule that starts at `start`, within `range`.
///
/// # Errors
/// The problem with the rule.
pub(super) fn expand(
    start: civil::DateTime,
    rule: &str,
    zone: &TimeZone,
    range: Window,
) -> Result<Vec<civil::DateTime>, String> {
    let rule = rule.trim().strip_prefix("RRULE:").unwrap_or(rule.trim());
    check(rule)?;
    if start.year() < 1900 {
        return Err("a rule may start in 1900 or later".to_owned());
    }
    let rule = with_local_end(rule, zone)?;
    let text = format!("DTSTART:{}Z\nRRULE:{rule}", start.strftime("%Y%m%dT%H%M%S"));
    let set: RRuleSet = text.parse().map_err(|error| format!("the rule is not understood: {error}"))?;
    // One more day on both sides, because the range is in UTC.
    let edge = |at_ms: i64, days: i64| {
        let near = local(at_ms, zone).unwrap_or(if days < 0 { start } else { civil::DateTime::MAX });
        let ms = moment(near, &TimeZone::UTC).unwrap_or_default().saturating_add(days * 86_400_000);
        chrono_of(ms)
    };
    if let Some(after) = edge(range.from_ms, -1)
        && let Some(before) = edge(range.until_ms, 1)
    {
        let found = set.after(after).before(before).all(MOST);
        let times = found.dates.iter().filter_map(|at| local(at.timestamp_millis(), &TimeZone::UTC));
        return Ok(times.collect());
    }
    Ok(Vec::new())
}

fn chrono_of(ms: i64) -> Option<chrono::DateTime<rrule::Tz>> {
    chrono::DateTime::from_timestamp_millis(ms).map(|at| at.with_timezone(&rrule::Tz::UTC))
}

fn check(rule: &str) -> Result<(), String> {
    if rule.len() > LONGEST || rule.chars().any(char::is_control) {
        return Err(format!("the rule must be one line of at most {LONGEST} characters"));
    }
    let frequency = rule.split(';').find_map(|part| part.strip_prefix("FREQ="));
    match frequency {
        Some(known) if FREQUENCIES.contains(&known) => Ok(()),
        Some(other) => Err(format!("FREQ must be one of {}, not {other:?}", FREQUENCIES.join(", "))),
        None => Err("the rule must have a FREQ, as in FREQ=WEEKLY;BYDAY=MO".to_owned()),
    }
}

/// The rule with its `UNTIL` in local clock time.
fn with_local_end(rule: &str, zone: &TimeZone) -> Result<String, String> {
    let mut parts: Vec<String> = Vec::new();
    for part in rule.split(';').filter(|part| !part.is_empty()) {
        let Some(until) = part.strip_prefix("UNTIL=") else {
            parts.push(part.to_owned());
            continue;
        };
        let wrong = || format!("UNTIL must be a date or a time like 20261231T235959Z, not {until:?}");
        let end = if until.len() == 8 {
            let day: civil::Date = civil::Date::strptime("%Y%m%d", until).map_err(|_| wrong())?;
            day.at(23, 59, 59, 0)
        } else {
            let plain = until.strip_suffix('Z').unwrap_or(until);
            let face = civil::DateTime::strptime("%Y%m%dT%H%M%S", plain).map_err(|_| wrong())?;
            match until.ends_with('Z') {
                true => moment(face, &TimeZone::UTC).and_then(|ms| local(ms, zone)).ok_or_else(wrong)?,
                false => face,
            }
        };
        parts.push(format!("UNTIL={}Z", end.strftime("%Y%m%dT%H%M%S")));
    }
    Ok(parts.join(";"))
}
