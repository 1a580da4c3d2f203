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

/// A hint, if the text is a number that is no usual time in milliseconds, but one of 2001 to 2100
/// in another unit.
pub fn other_unit(text: &str) -> Option<String> {
    let number: i64 = text.parse().ok()?;
    let years = |unit: i64| (978_307_200 * unit..4_102_444_800 * unit).contains(&number);
    let (unit, meant_ms) = if years(1) {
        ("seconds", number * 1_000)
    } else if years(1_000_000) {
        ("microseconds", number / 1_000)
    } else if years(1_000_000_000) {
        ("nanoseconds", number / 1_000_000)
    } else {
        return None;
    };
    let meant = jiff::Timestamp::from_millisecond(meant_ms).ok()?;
    Some(format!("{number} looks like {unit} since 1970, and milliseconds are expected; write {meant_ms} for {meant}"))
}

/// The greatest distance of a zone from UTC that ever was, rounded up, in hours.
const FARTHEST_ZONE: u32 = 16;

/// Whether an RFC 3339 time ends in an offset that no zone has, such as `+25:00` or `+02:60`. The
/// zone in brackets after it does not matter.
pub fn has_impossible_offset(text: &str) -> bool {
    let text = text.split('[').next().unwrap_or_default().trim_end();
    let Some((_, clock)) = text.split_once(['T', 't', ' ']) else { return false };
    let Some(at) = clock.rfind(['+', '-', '\u{2212}']) else { return false };
    let offset = &clock[at..];
    let digits: String = offset.chars().filter(char::is_ascii_digit).collect();
    let part = |from: usize| digits.get(from..from + 2).map_or(Ok(0), str::parse::<u32>);
    let (Ok(hours), Ok(minutes), Ok(seconds)) = (part(0), part(2), part(4)) else { return true };
    hours > FARTHEST_ZONE || minutes > 59 || seconds > 59 || (hours == FARTHEST_ZONE && minutes + seconds > 0)
}

fn date_and_time(text: &str) -> Option<i64> {
    // It has an offset, which jiff does not compare with the zone here.
    let time = text.parse::<jiff::Timestamp>().ok().filter(|_| !has_impossible_offset(text))?;
    match text.contains('[') {
        true => Some(text.parse::<jiff::Zoned>().ok()?.timestamp().as_millisecond()),
        false => Some(time.as_millisecond()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_another_unit_gets_a_hint() {
        let midnight = 1_767_225_600_000_i64;
        for (text, unit) in
            [("1767225600", "seconds"), ("1767225600000000", "microseconds"), ("1767225600000000000", "nanoseconds")]
        {
            let hint = other_unit(text).unwrap();
            assert!(hint.starts_with(&format!("{text} looks like {unit} since 1970")), "{hint}");
            assert!(hint.ends_with(&format!("write {midnight} for 2026-01-01T00:00:00Z")), "{hint}");
        }
        for usual in ["0", "1", "1000", "1767225600000", "9223372036854775807", "-1767225600", "2026", "x"] {
            assert_eq!(other_unit(usual), None, "{usual}");
        }
    }

    #[test]
    fn offsets_that_no_zone_has_are_refused() {
        let at = |offset: &str| parse_time(&format!("2026-01-01T00:00:00{offset}"));
        for refused in ["+25:00", "+14:60", "-16:01", "+17", "+24:00", "-99:00"] {
            assert_eq!(at(refused), None, "{refused}");
        }
        for taken in ["+14:00", "-12:00", "+05:45", "-15:56", "+1300", "+00:00", "-00:00", "Z"] {
            assert!(at(taken).is_some(), "{taken}");
        }
        assert!(
            parse_time("2026-01-01T00:00:00.5+25:00").is_none() && parse_time("2026-01-01t00:00:00+25:00").is_none()
        );
    }

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
