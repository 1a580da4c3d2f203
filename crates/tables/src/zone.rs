//! The zone that the name of a column says, such as `time (CET)` or `timestamp_utc`.

use jiff::tz::TimeZone;

/// Short names of zones that people write. The same letters mean several zones, or a zone without
/// its summer time, so none of them is read.
const SHORT: [&str; 42] = [
    "LOCAL",
    "LOCAL TIME",
    "LT",
    "CET",
    "CEST",
    "MEZ",
    "MESZ",
    "WET",
    "WEST",
    "EET",
    "EEST",
    "BST",
    "IST",
    "MSK",
    "TRT",
    "ET",
    "EST",
    "EDT",
    "CT",
    "CST",
    "CDT",
    "MT",
    "MST",
    "MDT",
    "PT",
    "PST",
    "PDT",
    "AKST",
    "HST",
    "BRT",
    "ART",
    "JST",
    "KST",
    "HKT",
    "SGT",
    "ICT",
    "AEST",
    "AEDT",
    "ACST",
    "AWST",
    "NZST",
    "NZDT",
];

/// The zone in the name of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NamedZone {
    /// UTC, an offset from it, or a zone of the time zone database.
    Known(TimeZone),
    /// A name that does not tell the offset at each time.
    Unclear(String),
}

impl NamedZone {
    /// The zone in this name. `None` if it names none.
    pub(super) fn of(column: &str) -> Option<Self> {
        let in_brackets = bracketed(column).map(|(_, inside)| inside);
        // Without brackets, words such as `et` are no zones.
        let behind = column.rsplit_once(['_', ' ']).map(|(_, word)| word).filter(|word| word.len() >= 3);
        let text = in_brackets.or(behind)?.trim();
        let upper = text.to_ascii_uppercase();
        if matches!(upper.as_str(), "UTC" | "GMT" | "Z" | "ZULU" | "UTC TIME") {
            return Some(Self::Known(TimeZone::UTC));
        }
        if let Some(offset) =
            ["UTC", "GMT"].iter().find_map(|utc| upper.strip_prefix(utc)).or(in_brackets.map(|_| &*upper))
            && let Some(zone) = fixed(offset.trim())
        {
            return Some(Self::Known(zone));
        }
        if in_brackets.is_some()
            && text.contains('/')
            && let Ok(zone) = TimeZone::get(text)
        {
            return Some(Self::Known(zone));
        }
        SHORT.contains(&upper.as_str()).then(|| Self::Unclear(text.to_owned()))
    }
}

/// The name of a column without a zone in brackets behind it.
pub(super) fn without_zone(column: &str) -> &str {
    match bracketed(column) {
        Some((name, _)) if NamedZone::of(column).is_some() => name,
        _ => column,
    }
}

/// The text in front of brackets at the end, and the one in them.
fn bracketed(column: &str) -> Option<(&str, &str)> {
    let open = [(')', '('), (']', '[')].into_iter().find_map(|(close, open)| {
        let (name, inside) = column.trim().strip_suffix(close)?.rsplit_once(open)?;
        Some((name.trim_end(), inside.trim()))
    });
    open.filter(|(name, inside)| !name.is_empty() && !inside.is_empty())
}

/// The zone of an offset such as `+2`, `+02:00` or `-0530`.
fn fixed(offset: &str) -> Option<TimeZone> {
    let (sign, digits) = match offset.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, offset.strip_prefix(['-', '\u{2212}'])?),
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if digits.len() > 2 => digits.split_at_checked(digits.len() - 2)?,
        None => (digits, "0"),
    };
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (hours, minutes): (i32, i32) =
        (all_digits(hours) && all_digits(minutes)).then(|| Some((hours.parse().ok()?, minutes.parse().ok()?)))??;
    (hours < 16 && minutes < 60)
        .then(|| jiff::tz::Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok())?
        .map(TimeZone::fixed)
}

/// The name of a zone for a person, such as `Europe/Berlin` or `UTC+02`.
pub(super) fn name(zone: &TimeZone) -> String {
    match (zone.iana_name(), zone.to_fixed_offset()) {
        (Some(name), _) => name.to_owned(),
        (None, Ok(offset)) if !offset.is_zero() => format!("UTC{offset}"),
        _ => "UTC".to_owned(),
    }
}

/// Whether an RFC 3339 time says its offset or its zone.
pub(super) fn says_zone(time: &str) -> bool {
    let time = time.trim();
    time.ends_with(']') || time.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_in_names_are_read_or_found_unclear() {
        let hours = |hours: i32| {
            Some(NamedZone::Known(TimeZone::fixed(jiff::tz::Offset::from_seconds(hours * 3_600).unwrap())))
        };
        for (name, expected) in [
            ("time (UTC)", Some(NamedZone::Known(TimeZone::UTC))),
            ("timestamp_utc", Some(NamedZone::Known(TimeZone::UTC))),
            ("Time [gmt]", Some(NamedZone::Known(TimeZone::UTC))),
            ("time (UTC+2)", hours(2)),
            ("time (GMT-05:00)", hours(-5)),
            ("time (+0200)", hours(2)),
            ("time (Europe/Berlin)", Some(NamedZone::Known(TimeZone::get("Europe/Berlin").unwrap()))),
            ("time (CET)", Some(NamedZone::Unclear("CET".into()))),
            ("date_est", Some(NamedZone::Unclear("est".into()))),
            ("Time (local time)", Some(NamedZone::Unclear("local time".into()))),
            ("time", None),
            ("time (s)", None),
            ("time (ms)", None),
            ("created_at", None),
            ("a_et", None),
            ("(UTC)", None),
            ("time (Mars/Base)", None),
        ] {
            assert_eq!(NamedZone::of(name), expected, "{name}");
        }
        let name_of = |offset| fixed(offset).map(|zone| name(&zone));
        assert_eq!([name_of("+2").as_deref(), name_of("-0530").as_deref()], [Some("UTC+02"), Some("UTC-05:30")]);
        assert_eq!((without_zone("time (UTC+2)"), without_zone("time (s)")), ("time", "time (s)"));
    }

    #[test]
    fn offsets_have_hours_and_minutes() {
        for good in ["+2", "+02", "+02:00", "-0530", "+530", "\u{2212}3"] {
            assert!(fixed(good).is_some(), "{good}");
        }
        for bad in ["2", "+", "+2:", "+25", "+02:60", "+x", "+2:0x", "+12345678901"] {
            assert!(fixed(bad).is_none(), "{bad}");
        }
    }
}
