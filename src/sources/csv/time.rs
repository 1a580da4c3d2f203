//! Parses the times of files. Pure.

/// Parses a time as milliseconds since the Unix epoch, UTC. `None` if it is not a time.
///
/// - RFC 3339, such as `2014-04-01T00:00:00+02:00`.
/// - `YYYY-MM-DD HH:MM:SS[.fff]`, also with `T` and without seconds, in UTC.
/// - `YYYY-MM-DD`: midnight UTC.
/// - A number since 1970. Its unit follows from its magnitude: below 10¹¹ seconds (until the year
///   5138), below 10¹⁴ milliseconds (from 1973), below 10¹⁷ microseconds, else nanoseconds.
///   Fractions are allowed.
///
/// Fractions of a millisecond are cut off.
pub fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return Some(from_integer(number));
    }
    if is_decimal(text) {
        return from_decimal(text.parse().ok()?);
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_millisecond());
    }
    // A text with an offset must not get here: a civil time would silently ignore it.
    let time = text.parse::<jiff::civil::DateTime>().ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

fn from_integer(number: i64) -> i64 {
    match number.unsigned_abs() {
        0..100_000_000_000 => number * 1_000,
        100_000_000_000..100_000_000_000_000 => number,
        100_000_000_000_000..100_000_000_000_000_000 => number.div_euclid(1_000),
        _ => number.div_euclid(1_000_000),
    }
}

fn from_decimal(number: f64) -> Option<i64> {
    let milliseconds = match number.abs() {
        size if size < 1e11 => number * 1e3,
        size if size < 1e14 => number,
        size if size < 1e17 => number / 1e3,
        size if size < 1e19 => number / 1e6,
        _ => return None,
    };
    // A fraction such as .123 is not exact in binary, so a microsecond is added before the cut.
    Some((milliseconds + 1e-3).floor() as i64)
}

/// Whether a text is digits with a point or an exponent. Dates and words are not.
fn is_decimal(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        && text.contains(['.', 'e', 'E'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_documented_notations_are_parsed() {
        for (text, milliseconds) in [
            ("2014-04-01T00:00:00Z", 1_396_310_400_000),
            ("2014-04-01T02:00:00+02:00", 1_396_310_400_000),
            ("2014-04-01 00:00:00", 1_396_310_400_000),
            ("2014-04-01 00:00:00.25", 1_396_310_400_250),
            ("2014-04-01T00:00:00", 1_396_310_400_000),
            ("2014-04-01 00:00", 1_396_310_400_000),
            ("2014-04-01", 1_396_310_400_000),
            (" 2014-04-01 ", 1_396_310_400_000),
            ("1969-12-31 23:59:59", -1_000),
        ] {
            assert_eq!(parse_time(text), Some(milliseconds), "{text}");
        }
    }

    #[test]
    fn unit_of_a_number_follows_from_its_magnitude() {
        for text in
            ["1396310400", "1396310400000", "1396310400000000", "1396310400000000000", "1396310400.0", "1.3963104e9"]
        {
            assert_eq!(parse_time(text), Some(1_396_310_400_000), "{text}");
        }
        assert_eq!(parse_time("0"), Some(0));
        assert_eq!(parse_time("-1"), Some(-1_000));
        assert_eq!(parse_time("99999999999"), Some(99_999_999_999_000));
        assert_eq!(parse_time("100000000000"), Some(100_000_000_000));
        assert_eq!(parse_time("1396310400.123"), Some(1_396_310_400_123));
        assert_eq!(parse_time("1396310400123.9"), Some(1_396_310_400_123));
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        assert_eq!(parse_time("9223372036854775807"), Some(9_223_372_036_854));
        assert_eq!(parse_time("-9223372036854775808"), Some(-9_223_372_036_855));
        assert_eq!(parse_time("1e300"), None);
        assert_eq!(parse_time("99999999999999999999"), None);
    }

    #[test]
    fn invalid_times_are_refused() {
        for text in [
            "",
            "noon",
            "01/02/2014",
            "2014-13-01",
            "2014-02-30",
            "2014-04-01 25:00:00",
            "2014-04-01T00:00:00+99:00",
            "12:00:00",
            "NaN",
            "inf",
            "--1",
            "1.2.3",
        ] {
            assert_eq!(parse_time(text), None, "{text:?}");
        }
    }
}
