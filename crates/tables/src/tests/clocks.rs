//! Times that clocks repeat or skip when they are changed.

use super::*;

/// 2025-10-26 02:00 in Berlin, before the clocks are set back at 03:00.
const FIRST: i64 = 1_761_436_800_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn in_zone(zone: &str, text: &str) -> (Outcome, Option<String>) {
    let options = TableOptions { time_zone: jiff::tz::TimeZone::get(zone).ok(), ..options(None) };
    let mut reader = TableReader::new(text.as_bytes(), &options).unwrap();
    let (mut samples, mut problems) = (Vec::new(), Problems::default());
    while reader.read_row(&mut samples, &mut problems).unwrap() {}
    let clocks = reader.clock_warning();
    (Outcome { samples, problems: problems.first().to_vec(), warning: reader.warning(), end: Ok(()) }, clocks)
}

/// Hours and minutes of 2025-10-26 in Berlin, one row each.
fn rows(clocks: &[&str]) -> String {
    let rows = clocks.iter().enumerate().map(|(i, clock)| format!("2025-10-26 {clock},{i}\n"));
    format!("time,load\n{}", rows.collect::<String>())
}

fn offsets(outcome: &Outcome) -> Vec<i64> {
    outcome.samples.iter().map(|one| (one.sample.timestamp_ms - FIRST) / MINUTE).collect()
}

#[test]
fn an_hour_that_is_repeated_is_read_in_both_passes() {
    let clocks = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"];
    let (outcome, warning) = in_zone("Europe/Berlin", &rows(&clocks));
    assert_eq!(offsets(&outcome), [-30, 0, 30, 60, 90, 120]);
    let warning = warning.unwrap();
    assert!(warning.starts_with("4 rows lie in an hour that the clocks repeat: 2 read as its first pass and 2"));
    assert!(!warning.contains("cannot be told apart"), "{warning}");
    let newest_first: Vec<&str> = clocks.into_iter().rev().collect();
    let (outcome, _) = in_zone("Europe/Berlin", &rows(&newest_first));
    assert_eq!(offsets(&outcome), [120, 90, 60, 30, 0, -30]);
    let (hourly, _) = in_zone("Europe/Berlin", &rows(&["01:00", "02:00", "02:00", "03:00"]));
    assert_eq!(offsets(&hourly), [-60, 0, 60, 120]);
    // Every form of a time without an offset.
    for text in [
        "time;load\n26.10.2025 01:30;1\n26.10.2025 02:30;2\n26.10.2025 02:30;3\n",
        "time,load\n10/26/2025 1:30 AM,1\n10/26/2025 2:30 AM,2\n10/26/2025 2:30 AM,3\n",
        "time,load\n202510260130,1\n202510260230,2\n202510260230,3\n",
        "date,time,load\n2025-10-26,01:30,1\n2025-10-26,02:30,2\n2025-10-26,02:30,3\n",
    ] {
        assert_eq!(offsets(&in_zone("Europe/Berlin", text).0), [-30, 30, 90], "{text}");
    }
    let named = "time,load\n2025-10-26T01:30[Europe/Berlin],1\n2025-10-26T02:30[Europe/Berlin],2\n2025-10-26T02:30[Europe/Berlin],3\n";
    assert_eq!(offsets(&in_zone("UTC", named).0), [-30, 30, 90]);
}

#[test]
fn each_series_repeats_the_hour_for_itself() {
    let table = |rows: &[(&str, &str)]| {
        let rows = rows.iter().map(|(clock, region)| format!("2025-10-26 {clock},{region},1\n"));
        format!("time,region,load\n{}", rows.collect::<String>())
    };
    let one_after_the_other =
        table(&[("02:00", "eu"), ("02:30", "eu"), ("02:00", "eu"), ("02:00", "us"), ("02:30", "us"), ("02:30", "us")]);
    assert_eq!(offsets(&in_zone("Europe/Berlin", &one_after_the_other).0), [0, 30, 60, 0, 30, 90]);
    let in_turn = table(&[("02:30", "eu"), ("02:30", "us"), ("02:30", "eu"), ("02:30", "us")]);
    assert_eq!(offsets(&in_zone("Europe/Berlin", &in_turn).0), [30, 30, 90, 90]);
}

#[test]
fn repeated_times_that_cannot_be_decided_are_refused_or_counted() {
    let (outcome, _) = in_zone("Europe/Berlin", &rows(&["02:30", "02:30", "02:30", "03:30", "02:45"]));
    assert_eq!(offsets(&outcome), [30, 90, 150]);
    let problems = outcome.problem_texts();
    assert!(
        problems[0].starts_with("line 4: the clocks of Europe/Berlin show 2025-10-26T02:30:00 twice"),
        "{problems:?}"
    );
    assert!(
        problems[0].ends_with("such as 2025-10-26T02:30:00+02") && problems[1].starts_with("line 6"),
        "{problems:?}"
    );
    let (outcome, warning) = in_zone("Europe/Berlin", &rows(&["01:30", "02:15", "02:30", "03:00"]));
    assert_eq!(offsets(&outcome), [-30, 15, 30, 120]);
    let warning = warning.unwrap();
    assert!(warning.contains("2 of them, first line 3, 2025-10-26T02:15:00, cannot be told apart"), "{warning}");
    let (_, at_the_end) = in_zone("Europe/Berlin", &rows(&["01:30", "02:15"]));
    assert!(at_the_end.unwrap().contains("1 of them, first line 3"));
}

#[test]
fn a_time_that_the_clocks_skip_is_refused_by_name() {
    let text = "time,load\n2026-03-29 01:59,1\n2026-03-29 02:30,2\n2026-03-29 03:00,3\n";
    let (outcome, warning) = in_zone("Europe/Berlin", text);
    assert_eq!((outcome.samples.len(), warning), (2, None));
    assert_eq!(outcome.samples[1].sample.timestamp_ms - outcome.samples[0].sample.timestamp_ms, MINUTE);
    assert_eq!(
        outcome.problem_texts(),
        ["line 3: 2026-03-29T02:30:00 does not exist: the clocks of Europe/Berlin skip it"]
    );
    // A file with that hour alone is a table all the same.
    let (alone, _) = in_zone("Europe/Berlin", "time,load\n2026-03-29 02:30,2\n");
    assert_eq!(alone.problems.len(), 1);
}

#[test]
fn a_day_alone_begins_with_its_first_moment() {
    // Cairo skips midnight, and Havana repeats it.
    for (zone, day, utc) in [
        ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00Z"),
        ("America/Havana", "2024-11-03", "2024-11-03T04:00:00Z"),
    ] {
        let (outcome, warning) = in_zone(zone, &format!("day,load\n{day},1\n"));
        let expected: jiff::Timestamp = utc.parse().unwrap();
        assert_eq!(outcome.samples[0].sample.timestamp_ms, expected.as_millisecond(), "{zone}");
        assert_eq!((outcome.problems.len(), warning), (0, None));
    }
    let (apia, _) = in_zone("Pacific/Apia", "day,load\n2011-12-29,1\n2011-12-30,2\n2011-12-31,3\n");
    assert_eq!(apia.samples.len(), 2);
    assert!(
        apia.problem_texts()[0].starts_with("line 3: 2011-12-30T00:00:00 does not exist"),
        "{:?}",
        apia.problem_texts()
    );
}

#[test]
fn rows_of_a_repeated_hour_are_not_taken_for_groups() {
    let minutes = |first: i64| (0..60).map(move |i| format!("2025-10-26 02:{i:02},{},7\n", first + i));
    let text: String = minutes(1).chain(minutes(61)).collect();
    let (outcome, _) = in_zone("Europe/Berlin", &format!("time,load,store_id\n{text}"));
    assert_eq!(outcome.samples.len(), 240);
    let times: std::collections::HashSet<i64> = outcome.samples.iter().map(|one| one.sample.timestamp_ms).collect();
    assert_eq!(
        (times.len(), times.iter().min(), times.iter().max()),
        (120, Some(&FIRST), Some(&(FIRST + 2 * HOUR - MINUTE)))
    );
}
