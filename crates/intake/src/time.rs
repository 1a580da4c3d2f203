//! Parses the time parameters of senders.

/// Parses integer milliseconds since the Unix epoch, or an RFC 3339 date and time, also with a zone
/// in brackets (RFC 9557). Returns milliseconds. `None` also if the zone does not have that offset
/// at that time.
pub fn parse_time(text: &str) -> Option<i64> {
    match text.parse::<i64>() {
        Ok(ms) => Some(ms),
        // A '+' that was not percent-encoded arrives as a space.
        Err(_) => date_and_time(&text.replace(' ', "+")),
    }
}

fn date_and_time(text: &str) -> Option<i64> {
    // It has an offset, which jiff does not compare with the zone here.
    let time = text.parse::<jiff::Timestamp>().ok()?;
    match text.contains('[') {
        true => Some(text.parse::<jiff::Zoned>().ok()?.timestamp().as_millisecond()),
        false => Some(time.as_millisecond()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_in_brackets_must_have_the_offset() {
        let midnight = Some(1_767_222_000_000);
        assert_eq!(parse_time("2026-01-01T00:00:00+01:00"), midnight);
        assert_eq!(parse_time("2026-01-01T00:00:00+01:00[Europe/Berlin]"), midnight);
        assert_eq!(parse_time("2025-12-31T23:00:00Z[Europe/Berlin]"), midnight);
        for refused in [
            "2026-01-01T00:00:00+02:00[Europe/Berlin]",
            "2026-01-01T00:00:00[Europe/Berlin]",
            "2026-01-01T00:00:00Z[Mars]",
        ] {
            assert_eq!(parse_time(refused), None, "{refused}");
        }
    }
}
