use super::*;

fn read(format: TimeFormat, text: &str) -> Option<String> {
    let Moment::At(time) = (TimeReader { format, zone: TimeZone::UTC }).read(text)? else { return None };
    Some(jiff::Timestamp::from_millisecond(time).unwrap().to_string())
}

#[test]
fn all_documented_notations_are_parsed() {
    for (text, milliseconds) in [
        ("2014-04-01T00:00:00Z", 1_396_310_400_000),
        ("2014-04-01T02:00:00+02:00", 1_396_310_400_000),
        ("2014-04-01T02:00:00+02:00[Europe/Berlin]", 1_396_310_400_000),
        ("2014-04-01 00:00:00", 1_396_310_400_000),
        ("2014-04-01 00:00:00.25", 1_396_310_400_250),
        ("2014-04-01T00:00:00", 1_396_310_400_000),
        ("2014-04-01 00:00", 1_396_310_400_000),
        ("2014/04/01 00:00", 1_396_310_400_000),
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
    assert_eq!(parse_time("9223372036854775807"), Some(9_223_372_036_854));
    assert_eq!(parse_time("-9223372036854775808"), Some(-9_223_372_036_855));
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
        "2014-04-01T00:00:00+05:00[Europe/Berlin]",
        "12:00:00",
        "NaN",
        "inf",
        "--1",
        "1.2.3",
        "1e300",
    ] {
        assert_eq!(parse_time(text), None, "{text:?}");
    }
}

#[test]
fn form_follows_from_the_first_rows() {
    for (times, expected) in [
        (&["2026-01-31", "2026-02-01"][..], TimeFormat::Iso),
        (&["20250701", "20250702"], TimeFormat::Compact),
        (&["202507011230"], TimeFormat::Compact),
        (&["20250701123000"], TimeFormat::Compact),
        (&["1767225600"], TimeFormat::Seconds),
        (&["1767225600000"], TimeFormat::Milliseconds),
        (&["0", "60"], TimeFormat::Seconds),
        (&["01/02/2026", "13/02/2026"], TimeFormat::DayFirst),
        (&["01/02/2026 1:05 PM", "01/13/2026 12:00 AM"], TimeFormat::MonthFirst),
        (&["01.02.2026 10:00"], TimeFormat::DayFirst),
        (&["31-01-2026 10:00:05"], TimeFormat::DayFirst),
        (&["", "2026-01-31", "total"], TimeFormat::Iso),
    ] {
        assert_eq!(detect(times), Ok(Some(expected)), "{times:?}");
    }
    for times in [&[][..], &["total", "sum"], &["10:00"], &[""]] {
        assert_eq!(detect(times), Ok(None), "{times:?}");
    }
    for times in [&["01/02/2026", "03/04/2026"][..], &["45000", "45001.5"]] {
        assert!(detect(times).is_err(), "{times:?}");
    }
}

#[test]
fn every_form_has_its_times() {
    for (format, text, expected) in [
        (TimeFormat::DayFirst, "01/02/2026", "2026-02-01T00:00:00Z"),
        (TimeFormat::MonthFirst, "01/02/2026 9:30", "2026-01-02T09:30:00Z"),
        (TimeFormat::MonthFirst, "1/2/2026 12:05 AM", "2026-01-02T00:05:00Z"),
        (TimeFormat::MonthFirst, "1/2/2026, 12:05:06 pm", "2026-01-02T12:05:06Z"),
        (TimeFormat::DayFirst, "31.1.2026 23:59:59.5", "2026-01-31T23:59:59.5Z"),
        (TimeFormat::Compact, "20250701", "2025-07-01T00:00:00Z"),
        (TimeFormat::Compact, "20250701123005", "2025-07-01T12:30:05Z"),
        (TimeFormat::Excel, "45839.5", "2025-07-01T12:00:00Z"),
        (TimeFormat::Seconds, "100000000000", "5138-11-16T09:46:40Z"),
        (TimeFormat::Milliseconds, "1000", "1970-01-01T00:00:01Z"),
    ] {
        assert_eq!(read(format, text).as_deref(), Some(expected), "{format:?} {text}");
    }
    for (format, text) in [
        (TimeFormat::DayFirst, "01/13/2026"),
        (TimeFormat::DayFirst, "01/02/26"),
        (TimeFormat::DayFirst, "1/2/3/2026"),
        (TimeFormat::MonthFirst, "1/2/2026 13:00 PM"),
        (TimeFormat::Compact, "20251301"),
        (TimeFormat::Compact, "18000101"),
        (TimeFormat::Excel, "-5"),
        (TimeFormat::Seconds, "2026-01-01"),
    ] {
        assert_eq!(read(format, text), None, "{format:?} {text}");
    }
}

#[test]
fn times_without_a_zone_are_in_the_stated_one() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let reader = TimeReader { format: TimeFormat::Iso, zone };
    assert_eq!(reader.read("2014-04-01 02:00"), Some(Moment::At(1_396_310_400_000)));
    assert_eq!(reader.read("2014-04-01T00:00:00Z"), Some(Moment::At(1_396_310_400_000)));
}
