//! Parses times and spans of the command line. Pure: the present time and the time zone are
//! arguments.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

use earcon_intake::{other_unit, parse_time};

const TIMES: &str = "expected now, -1h30m, 2026-01-01, 2026-01-01T00:00Z, or milliseconds since 1970";
const SPANS: &str = "expected a span such as 30s, 5m, 1h or 1d12h";

/// Parses a time, milliseconds since the Unix epoch. Accepts `now`, a span before now (`-1h`), RFC
/// 3339 with optional seconds and offset, a date (midnight), or milliseconds. Without an offset it
/// is a time in `zone`.
pub(super) fn time_ms(text: &str, now_ms: i64, zone: TimeZone) -> Result<i64, String> {
    if text == "now" {
        return Ok(now_ms);
    }
    if let Some(ago) = text.strip_prefix('-')
        && let Ok(ms) = duration_ms(ago)
    {
        return Ok(now_ms.saturating_sub(ms));
    }
    if let Ok(ms) = text.parse::<i64>() {
        return other_unit(text).map_or(Ok(ms), Err);
    }
    if text.parse::<Timestamp>().is_ok() {
        // Also refuses a zone in brackets that does not have the offset.
        return parse_time(text).ok_or_else(|| TIMES.to_owned());
    }
    let at = |zoned: Option<jiff::Zoned>| {
        zoned.map(|time| time.timestamp().as_millisecond()).ok_or_else(|| TIMES.to_owned())
    };
    if let (false, Ok(day)) = (text.contains(':'), text.parse::<Date>()) {
        return at(day.to_zoned(zone).ok());
    }
    let civil: DateTime = text.parse().map_err(|_| TIMES.to_owned())?;
    let local = zone.to_ambiguous_zoned(civil);
    match local.offset() {
        AmbiguousOffset::Unambiguous { .. } => at(local.unambiguous().ok()),
        AmbiguousOffset::Gap { .. } => Err(format!("{civil} does not exist here: the clocks skip it")),
        AmbiguousOffset::Fold { before, after } => {
            Err(format!("the clocks show {civil} twice here; write {civil}{before} or {civil}{after}"))
        }
    }
}

/// Parses a span, in milliseconds: a sequence of numbers with `ms`, `s`, `m`, `h`, `d` or `w`.
pub(super) fn duration_ms(text: &str) -> Result<i64, String> {
    let wrong = || SPANS.to_owned();
    let mut rest = text;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit: i64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = tail;
    }
    if total > 0 { Ok(total) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use jiff::tz::offset;

    use super::*;

    const NOW: i64 = 1_767_225_600_000;

    #[test]
    fn all_notations_of_times_are_parsed() {
        let cases = [
            ("now", NOW),
            ("-1h", NOW - 3_600_000),
            ("-1h30m", NOW - 5_400_000),
            ("-2w", NOW - 14 * 86_400_000),
            ("2026-01-01T00:00Z", NOW),
            ("2026-01-01", NOW - 3_600_000),
            ("2026-01-01T00:00", NOW - 3_600_000),
            ("2026-01-01 00:00:00", NOW - 3_600_000),
            ("2026-01-01T02:00:00+02:00", NOW),
            ("2026-01-01T01:00:00+01:00[Europe/Berlin]", NOW),
            ("1767225600000", NOW),
        ];
        for (text, expected) in cases {
            assert_eq!(time_ms(text, NOW, TimeZone::fixed(offset(1))), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_local_time_that_the_clocks_repeat_or_skip_is_refused() {
        let berlin = || TimeZone::get("Europe/Berlin").unwrap();
        let refused = |text: &str| time_ms(text, NOW, berlin()).unwrap_err();
        assert_eq!(
            refused("2025-10-26T02:30"),
            "the clocks show 2025-10-26T02:30:00 twice here; write 2025-10-26T02:30:00+02 or 2025-10-26T02:30:00+01"
        );
        assert!(refused("2026-03-29 02:30").contains("does not exist here"));
        assert_eq!(time_ms("2025-10-26T02:30:00+01", NOW, berlin()), Ok(1_761_442_200_000));
        // A day begins with its first moment.
        let havana = TimeZone::get("America/Havana").unwrap();
        assert_eq!(time_ms("2024-11-03", NOW, havana), Ok(1_730_606_400_000));
        assert!(refused("1767225600").contains("looks like seconds"));
    }

    #[test]
    fn invalid_times_and_spans_are_refused() {
        for text in
            ["yesterday", "-", "-1x", "", "1h", "2026-01-01T01:00:00+02:00[Europe/Berlin]", "-99999999999999999w"]
        {
            assert!(time_ms(text, NOW, TimeZone::UTC).is_err(), "{text}");
        }
        assert!(duration_ms("0s").is_err() && duration_ms("5").is_err());
        assert_eq!(duration_ms("1d12h"), Ok(36 * 3_600_000));
    }
}
