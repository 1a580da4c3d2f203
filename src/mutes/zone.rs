//! Local times of a zone as moments. When the clocks change, a time that does not exist is moved
//! behind the gap, and of a time that exists twice the first is used (RFC 5545, section 3.3.5).

use jiff::civil;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The zone with an IANA name, from the bundled database.
pub(super) fn zone(name: &str) -> Result<TimeZone, String> {
    if name.eq_ignore_ascii_case("utc") {
        return Ok(TimeZone::UTC);
    }
    TimeZoneDatabase::bundled()
        .get(name)
        .map_err(|_| format!("{name:?} is no time zone; give a name like Europe/Berlin"))
}

/// The moment of a local time, milliseconds UTC; `None` if the calendar does not reach that far.
pub(super) fn moment(local: civil::DateTime, zone: &TimeZone) -> Option<i64> {
    zone.to_ambiguous_zoned(local).compatible().ok().map(|zoned| zoned.timestamp().as_millisecond())
}

/// The local time of a moment.
pub(super) fn local(at_ms: i64, zone: &TimeZone) -> Option<civil::DateTime> {
    Some(zone.to_datetime(jiff::Timestamp::from_millisecond(at_ms).ok()?))
}
