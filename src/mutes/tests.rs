use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;
/// 2026-03-01T00:00:00Z
const NOW: i64 = 1_772_323_200_000;

fn kpi(name: &str) -> KpiName {
    KpiName::new(name).unwrap()
}

fn labels(text: &str) -> Labels {
    Labels::parse(text).unwrap()
}

fn mute(json: &str) -> Result<Mute, Vec<String>> {
    Mute::new("m", serde_json::from_str(json).unwrap(), NOW)
}

fn utc(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn starts(mute: &Mute) -> Vec<String> {
    let at = |window: &Window| jiff::Timestamp::from_millisecond(window.from_ms).unwrap().to_string();
    mute.windows.iter().map(at).collect()
}

#[test]
fn a_window_begins_with_its_first_moment_and_ends_before_its_last() {
    let deployment = mute(r#"{"name": "deployment", "from": 1000, "until": 2000}"#).unwrap();
    assert_eq!([999, 1000, 1999, 2000].map(|at| deployment.window_at(at).is_some()), [false, true, true, false]);
    assert!(!deployment.is_over(1999) && deployment.is_over(2000));
}

#[test]
fn a_mute_speaks_of_the_series_it_names() {
    let of = |json: &str, name: &str, of: &str| mute(json).unwrap().names(&kpi(name), &labels(of));
    let some =
        r#"{"name": "x", "from": 1, "until": 2, "kpis": ["shop.*", "*.errors", "a*b*c"], "labels": {"region": "eu"}}"#;
    assert!(of(some, "shop.revenue", "region:eu") && of(some, "api.errors", "region:eu,zone:a"));
    assert!(of(some, "a.x.b.y.c", "region:eu") && !of(some, "acb", "region:eu"));
    assert!(
        !of(some, "shop.revenue", "region:us")
            && !of(some, "shop.revenue", "")
            && !of(some, "api.requests", "region:eu")
    );
    let all = r#"{"name": "x", "from": 1, "until": 2}"#;
    assert!(of(all, "anything", "") && of(all, "anything", "a:b"));
    let one = r#"{"name": "x", "from": 1, "until": 2, "kpis": ["shop"], "exact": true}"#;
    assert!(of(one, "shop", "") && !of(one, "shop", "a:b") && !of(one, "shop.b", ""));
}

#[test]
fn a_repeated_window_stays_at_its_local_time_when_the_clocks_change() {
    let night = r#"{"name": "backup", "schedule": {"start": "2026-03-26T02:30", "rrule": "FREQ=DAILY;COUNT=6", "for": "1h",
        "time_zone": "Europe/Berlin"}}"#;
    let night = mute(night).unwrap();
    // On the 29th there is no 02:30; the window begins at 03:30 instead.
    let expected = [
        "2026-03-26T01:30:00Z",
        "2026-03-27T01:30:00Z",
        "2026-03-28T01:30:00Z",
        "2026-03-29T01:30:00Z",
        "2026-03-30T00:30:00Z",
        "2026-03-31T00:30:00Z",
    ];
    assert_eq!(starts(&night), expected);
    let autumn = r#"{"name": "backup", "schedule": {"start": "2026-10-24T02:30", "rrule": "FREQ=DAILY;COUNT=3", "for": "1h",
        "time_zone": "Europe/Berlin"}}"#;
    // On the 25th 02:30 happens twice; the first is meant.
    assert_eq!(
        starts(&mute(autumn).unwrap()),
        ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
}

#[test]
fn an_old_rule_is_worked_out_around_now_only() {
    let weekly = r#"{"name": "weekly", "schedule": {"start": "2001-01-01T22:00", "rrule": "FREQ=WEEKLY;BYDAY=SU", "for": "4h"}}"#;
    let weekly = mute(weekly).unwrap();
    assert!((60..90).contains(&weekly.windows.len()), "{}", weekly.windows.len());
    assert!(weekly.window_at(utc("2026-03-01T23:00:00Z")).is_some());
    assert!(
        weekly.window_at(utc("2026-03-02T01:59:59Z")).is_some()
            && weekly.window_at(utc("2026-03-02T02:00:00Z")).is_none()
    );
    assert_eq!(weekly.next_after(NOW).unwrap().from_ms, utc("2026-03-01T22:00:00Z"));
}

#[test]
fn the_end_of_a_rule_is_kept_in_every_form() {
    for until in ["20260303T010000Z", "20260303T020000", "20260303"] {
        let json = format!(
            r#"{{"name": "x", "schedule": {{"start": "2026-03-01T02:00", "rrule": "FREQ=DAILY;UNTIL={until}", "for": "1h",
                "time_zone": "Europe/Berlin"}}}}"#
        );
        assert_eq!(mute(&json).unwrap().windows.len(), 3, "{until}");
    }
}

#[test]
fn days_are_local_days() {
    let json =
        r#"{"name": "holidays", "calendar": {"days": ["2026-03-29", "2026-05-01"], "time_zone": "Europe/Berlin"}}"#;
    let holidays = mute(json).unwrap();
    let lengths: Vec<i64> = holidays.windows.iter().map(|w| (w.until_ms - w.from_ms) / HOUR_MS).collect();
    assert_eq!(lengths, [23, 24], "the day on which the clocks go forward is an hour short");
    assert_eq!(holidays.windows[0].from_ms, utc("2026-03-28T23:00:00Z"));
}

const CALENDAR: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Christ\r\n mas\r\n\
    DTSTART;VALUE=DATE:20251225\r\nDTEND;VALUE=DATE:20251227\r\nRRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:2\r\n\
    SUMMARY:Maintenance\r\nDTSTART;TZID=America/New_York:20260301T220000\r\nDURATION:PT2H\r\nRRULE:FREQ=WEEKLY;COUNT=3\r\n\
    EXDATE;TZID=America/New_York:20260308T220000\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:3\r\nSTATUS:CANCELLED\r\n\
    DTSTART:20260401T000000Z\r\nDTEND:20260402T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
fn an_icalendar_document_mutes_its_events() {
    let document = serde_json::json!({"name": "calendar", "calendar": {"ics": CALENDAR}});
    let calendar = mute(&document.to_string()).unwrap();
    // The clocks of New York go forward on the 8th of March.
    assert_eq!(
        starts(&calendar),
        ["2025-12-25T00:00:00Z", "2026-03-02T03:00:00Z", "2026-03-16T02:00:00Z", "2026-12-25T00:00:00Z"]
    );
    assert_eq!(calendar.windows[0].until_ms - calendar.windows[0].from_ms, 48 * HOUR_MS);
    assert_eq!(calendar.windows[1].until_ms - calendar.windows[1].from_ms, 2 * HOUR_MS);
}

#[test]
fn all_problems_are_named_at_once() {
    let wrong = r#"{"name": "", "kpis": ["a b"], "from": 5,
        "schedule": {"start": "soon", "rrule": "FREQ=SECONDLY", "for": "a while", "time_zone": "Mars"},
        "calendar": {"days": ["2026-02-30"], "ics": "BEGIN:VCALENDAR\nEND:VCALENDAR"}}"#;
    let problems = mute(wrong).unwrap_err();
    for word in ["name must", "a b", "belong together", "start must", "a while", "Mars", "2026-02-30", "no events"] {
        assert!(problems.iter().any(|problem| problem.contains(word)), "{word}: {problems:#?}");
    }
    let rule = |rule: &str| {
        let document =
            serde_json::json!({"name": "x", "schedule": {"start": "2026-01-01T00:00", "rrule": rule, "for": "1h"}});
        mute(&document.to_string())
    };
    for bad in ["FREQ=SECONDLY", "BYDAY=MO", "FREQ=DAILY;UNTIL=soon", "FREQ=DAILY;COUNT=no", "FREQ=DAILY\nEXDATE:1", ""]
    {
        assert!(rule(bad).is_err(), "{bad:?}");
    }
    assert!(rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30").unwrap().windows.is_empty(), "a rule that never falls ends");
    assert!(mute(r#"{"name": "x"}"#).is_err() && mute(r#"{"name": "x", "from": 2, "until": 2}"#).is_err());
    let long = r#"{"name": "x", "from": 0, "until": 9000000000000}"#;
    assert!(mute(long).is_err());
    let backwards = CALENDAR.replace("DTEND;VALUE=DATE:20251227", "DTEND;VALUE=DATE:20251224");
    let problems = mute(&serde_json::json!({"name": "x", "calendar": {"ics": backwards}}).to_string()).unwrap_err();
    assert!(problems[0].contains("event 1 (Christmas): it ends before it begins"), "{problems:?}");
}

#[test]
fn the_mute_that_lasts_longest_is_named_and_changes_are_announced() {
    let make = |id: &str, from: i64, until: i64| {
        let json = serde_json::json!({"name": id, "kpis": ["a*"], "from": from, "until": until});
        Mute::new(id, serde_json::from_value(json).unwrap(), NOW).unwrap()
    };
    let mutes = Mutes::new(vec![make("short", 10, 20), make("long", 15, 40), make("later", 100, 110)]);
    let at = |at_ms| mutes.covering(&kpi("a.b"), &Labels::none(), at_ms).map(|found| (found.mute.id(), found.until_ms));
    assert_eq!(
        [at(9), at(10), at(16), at(39), at(40)],
        [None, Some(("short", 20)), Some(("long", 40)), Some(("long", 40)), None]
    );
    assert!(mutes.covering(&kpi("b"), &Labels::none(), 16).is_none());
    let changes: Vec<_> = [0, 10, 16, 20, 40, 100, 110].iter().map(|at| mutes.next_change_ms(*at)).collect();
    assert_eq!(changes, [Some(10), Some(15), Some(20), Some(40), Some(100), Some(110), None]);
}

#[test]
fn one_series_is_muted_for_a_while() {
    let of = [("region".to_owned(), "eu".to_owned())];
    let document = MuteDocument::of_series(&kpi("shop"), of, NOW, "90m").unwrap();
    let mute = Mute::new("m", document, NOW).unwrap();
    assert_eq!(mute.windows, [Window { from_ms: NOW, until_ms: NOW + 90 * 60_000 }]);
    assert!(mute.names(&kpi("shop"), &labels("region:eu")) && !mute.names(&kpi("shop"), &labels("region:eu,zone:a")));
    for wrong in ["", "0s", "-1h", "for ever", "400d", "1y"] {
        assert!(MuteDocument::of_series(&kpi("shop"), BTreeMap::new(), NOW, wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn daily_window_begins_at_its_local_time_if_that_exists(
        hour in 0i8..24, minute in 0i8..60, zone in prop::sample::select(vec![
            "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC", "Africa/Casablanca"]),
    ) {
        let start = format!("2026-01-01T{hour:02}:{minute:02}");
        let document = serde_json::json!({"name": "x", "schedule": {
            "start": start, "rrule": "FREQ=DAILY", "for": "10m", "time_zone": zone}});
        let mute = mute(&document.to_string()).unwrap();
        let zone = super::zone::zone(zone).unwrap();
        let mut moved = 0;
        let (mut days, mut before) = (0, i64::MIN);
        for window in mute.windows.iter().filter(|window| window.from_ms < NOW + 365 * DAY_MS) {
            let local = super::zone::local(window.from_ms, &zone).unwrap();
            moved += u32::from((local.hour(), local.minute()) != (hour, minute));
            prop_assert!(window.from_ms > before && window.until_ms - window.from_ms == 10 * 60_000);
            before = window.from_ms;
            days += 1;
        }
        prop_assert!(moved <= 2, "{} of {} windows moved", moved, days);
        // One more or less where the day of a zone has another date.
        prop_assert!((59 + 364..=59 + 366).contains(&days), "{}", days);
    }

    #[test]
    fn no_document_makes_it_panic(rule in "[A-Z=;,0-9-]{0,40}", ics in ".{0,200}", start in "[0-9T:-]{0,20}", length in "[0-9dhmsy ]{0,8}") {
        let document = serde_json::json!({"name": "x", "from": 1, "until": 2, "calendar": {"ics": ics},
            "schedule": {"start": start, "rrule": rule, "for": length}});
        let _result = mute(&document.to_string());
        let event = CALENDAR.replace("FREQ=YEARLY", &rule).replace("PT2H", &length).replace("20260301T220000", &start);
        let _result = mute(&serde_json::json!({"name": "x", "calendar": {"ics": event}}).to_string());
    }

    #[test]
    fn patterns_match_what_a_slow_matcher_matches(pattern in "[ab*]{0,6}", name in "[ab]{1,8}") {
        fn slow(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern, name) {
                ([], []) => true,
                ([b'*', rest @ ..], _) => slow(rest, name) || (!name.is_empty() && slow(pattern, &name[1..])),
                ([p, rest @ ..], [n, more @ ..]) => p == n && slow(rest, more),
                _ => false,
            }
        }
        prop_assert_eq!(matches(&pattern, &name), slow(pattern.as_bytes(), name.as_bytes()), "{} {}", pattern, name);
    }
}
