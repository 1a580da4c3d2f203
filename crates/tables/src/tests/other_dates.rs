//! Columns of dates other than the time.

use super::*;

#[test]
fn the_date_of_the_time_is_left_out_and_named() {
    let berlin = TableOptions { time_zone: jiff::tz::TimeZone::get("Europe/Berlin").ok(), ..options(None) };
    for (header, first, second) in [
        ("date,timestamp", "2025-07-01,2025-07-01 12:00", "2025-07-02,2025-07-02 12:00"),
        ("date,ts", "2025-07-01,1751371200", "2025-07-02,1751457600"),
        ("day,datetime", "01/07/2025,2025-07-01T12:00:00Z", "02/07/2025,2025-07-02T12:00:00Z"),
        ("day,created", "20250701,2025-07-01 12:00", "20250702,2025-07-02 12:00"),
        // In the zone of the table, or as the time is written.
        ("day,time", "2025-07-02,2025-07-01T22:30:00Z", "2025-07-03,2025-07-02T22:30:00Z"),
        ("day,time", "2025-07-01,2025-07-01T22:30:00-08:00", "2025-07-02,2025-07-02T22:30:00-08:00"),
    ] {
        for again in [1, 20] {
            let rows: String = (0..again).map(|i| format!("{first},{i}\n{second},{i}\n")).collect();
            let outcome = read_with(&berlin, format!("{header},a\n{rows}").as_bytes()).unwrap();
            assert!(outcome.samples.iter().all(|one| one.labels.is_empty()), "{header} {first}");
            assert_eq!(outcome.kpis(), ["a"], "{header} {first}");
            let (name, warning) = (header.split(',').next().unwrap(), outcome.warning.unwrap());
            assert!(warning.contains(&format!("{name} (it holds the date of the time)")), "{warning}");
        }
    }
    let long = read("date,time,kpi,value\n2025-07-01,2025-07-01 12:00,k,1\n2025-07-02,2025-07-02 12:00,k,1\n");
    assert!(long.samples.iter().all(|one| one.labels.is_empty()) && long.warning.is_some());
}

#[test]
fn other_dates_are_refused_or_named() {
    for text in [
        "date,timestamp,a\n2025-07-01,2025-07-01 12:00,1\n2025-07-01,2025-07-02 12:00,2\n",
        "date,ts,a\n2025-06-01,1751371200,1\n2025-06-02,1751457600,2\n",
        // They tell rows of one time apart.
        "made,time,a\n2025-06-01,2025-07-01 12:00,1\n2025-06-02,2025-07-01 12:00,2\n",
    ] {
        let refused = read_as(None, text.as_bytes()).err().unwrap().to_string();
        assert!(refused.contains("could both be the time") && refused.contains("label."), "{refused}");
    }
    let outcome = read("made,time,a\n2025-06-01,2025-07-01 12:00,1\n2025-06-02,2025-07-02 12:00,2\n");
    assert!(outcome.samples.iter().all(|one| one.labels.is_empty()));
    let warning = outcome.warning.unwrap();
    assert!(warning.contains("made (it holds other times; call it label.<name> to keep it)"), "{warning}");
    let kept = read("label.made,time,a\n2025-06-01,2025-07-01 12:00,1\n");
    assert_eq!(kept.rows()[0].1, "made:2025-06-01");
    // Numbers that look like days stay numbers.
    assert_eq!(read("time,order,a\n2025-07-01 12:00,20240101,1\n").kpis(), ["order", "a"]);
}
