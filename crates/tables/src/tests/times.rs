//! Which columns hold the time.

use super::*;

const NOON: i64 = 1_751_371_200_000;

fn refusal(text: &str) -> String {
    match read_as(None, text.as_bytes()) {
        Ok(outcome) => panic!("{text:?} was read: {:?}", outcome.rows()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn time_column_is_found_by_name_at_any_position() {
    let outcome = read("load,TimeStamp\n5,2014-04-01\n");
    assert_eq!(outcome.rows(), [("load".into(), String::new(), 1_396_310_400_000, 5.0)]);
    assert_eq!(read("when,load\n2014-04-01,5\n").samples.len(), 1);
}

#[test]
fn written_dates_are_preferred_to_a_number_in_the_first_column() {
    for text in [
        "id,created_at,load\n1,2025-07-01 12:00,5\n2,2025-07-01 12:01,6\n",
        "id;Zeitpunkt;load\n1;01.07.2025 12:00;5\n2;02.07.2025 12:01;6\n",
        "sensor,load,epoch\n17,5,1751371200\n18,6,1751371260\n",
        "day,created_at,load\n2025-07-01,2025-07-01 12:00,5\n",
        "ms,timestamp,load\n3,1751371200,5\n",
        "timestamp,created_at,load\n1751371200,2025-07-01 11:00,5\n",
        "timestamp,date,load\n2025-07-01 12:00,2025-07-01,5\n",
        "created,load,count\n2025-07-01 12:00,5,1751371300\n",
    ] {
        let outcome = read(text);
        assert!(outcome.samples.iter().any(|one| one.sample.timestamp_ms == NOON), "{text:?}: {:?}", outcome.rows());
        assert!(outcome.problems.is_empty(), "{text:?}");
    }
    assert_eq!(read("when,load\n1,2\n").rows()[0].2, 1_000, "the first column without another time");
}

#[test]
fn two_columns_that_could_be_the_time_are_refused() {
    for (text, names) in [
        ("created,updated,load\n2025-07-01 12:00,2025-07-01 12:01,5\n", ["created", "updated"]),
        ("load,opened,closed\n1,2025-07-01,2025-07-02\n", ["opened", "closed"]),
        ("epoch,load,day\n1751371200,5,2025-07-01\n", ["epoch", "day"]),
        ("begin,end,load\n1751371200,1751371260,5\n", ["begin", "end"]),
        ("time,created,load\n12,2025-07-01 12:00,5\n", ["time", "created"]),
        ("timestamp,datetime,load\n2025-07-01 12:00,2025-07-01 12:01,5\n", ["timestamp", "datetime"]),
    ] {
        let refused = refusal(text);
        assert!(names.iter().all(|name| refused.contains(name)) && refused.contains("could both be"), "{refused}");
        assert!(refused.contains("label."), "{refused}");
    }
    let named = read("created,time,load\n2025-07-01 11:00,2025-07-01 12:00,5\n");
    assert_eq!(named.rows()[0].2, NOON);
    let labelled = read("created,label.updated,load\n2025-07-01 12:00,2025-07-01 12:01,5\n");
    assert_eq!(labelled.rows()[0].2, NOON);
}

#[test]
fn date_and_time_of_day_in_two_columns_are_one_time() {
    for text in [
        "date,time,load\n2025-07-01,12:00,5\n2025-07-01,12:01:00.5,6\n",
        "time,date,load\n12:00,2025-07-01,5\n12:01:00.5,2025-07-01,6\n",
        "Datum;Uhrzeit;load\n01.07.2025;12:00;5,5\n01.07.2025;12:01:00.5;6,5\n",
        "day,load,at\n20250701,5,12:00 PM\n20250701,6,12:01:00.5 PM\n",
        "id,load,day,at\n1,5,2025/07/01,12:00\n2,6,2025/07/01,12:01:00.5\n",
    ] {
        let outcome = read(text);
        let mut times: Vec<i64> = outcome.samples.iter().map(|one| one.sample.timestamp_ms).collect();
        times.dedup();
        assert_eq!(times, [NOON, NOON + 60_500], "{text:?}");
        assert!(outcome.problems.is_empty() && outcome.rows().iter().all(|row| row.1.is_empty()), "{text:?}");
    }
    let zone = TableOptions { time_zone: jiff::tz::TimeZone::get("Europe/Berlin").ok(), ..options(None) };
    let outcome = read_with(&zone, &b"date,time,load\n2025-07-01,14:00,5\n"[..]).unwrap();
    assert_eq!(outcome.rows()[0].2, NOON);
    let bad = read("date,time,load\n2025-07-01,12:00,5\n2025-07-01,,6\n2025-07-01,13:00,6\n");
    assert_eq!((bad.samples.len(), bad.problems.len()), (2, 1));
    assert!(bad.problem_texts()[0].contains("a date of the form iso and a time of day"), "{:?}", bad.problem_texts());
}

#[test]
fn times_of_day_without_a_date_of_their_own_are_refused() {
    for (text, names) in [
        ("timestamp,load,opened\n2025-07-01 12:00,5,09:00\n", ["timestamp", "opened"]),
        ("date,start,end,load\n2025-07-01,09:00,10:00,5\n", ["date", "start"]),
    ] {
        let refused = refusal(text);
        assert!(names.iter().all(|name| refused.contains(name)) && refused.contains("times of day"), "{refused}");
    }
    assert!(refusal("time,load\n12:00,5\n").contains("should hold the time"));
}

#[test]
fn rounded_times_are_refused() {
    for text in [
        "time,load\n1.79596E+12,5\n1.79596E+12,6\n",
        "time,load\n1.79596e12,5\n",
        "id,time,load\n1,1795960000000,5\n2,1.79596E+12,6\n",
        "time,load\n2.02507E+13,5\n",
        "time;load\n1,79596E+12;5\n",
    ] {
        let refused = refusal(text);
        assert!(refused.contains("E+") || refused.contains("e12"), "{refused}");
    }
    assert!(refusal("time,load\n1.79596E+12,5\n").contains("line 2 is a time without its last digits"));
    let stated = TableOptions { time_format: Some(TimeFormat::Milliseconds), ..options(None) };
    assert!(read_with(&stated, &b"time,load\n1.79596E+12,5\n"[..]).is_err());
    let rows: String = (0..200).map(|i| format!("{},5\n", 1_795_960_000_000_u64 + i)).collect();
    let late = read(&format!("time,load\n{rows}1.79596E+12,6\n"));
    assert_eq!((late.samples.len(), late.problems.len()), (200, 1));
}

#[test]
fn order_of_day_and_month_follows_from_all_rows() {
    let month_first = read("time,load\n07.01.2025,5\n07.31.2025,6\n");
    assert_eq!(month_first.rows()[0].2, NOON - 12 * 3_600_000);
    assert_eq!(read("time,load\n01.07.2025,5\n02.07.2025,6\n").rows()[0].2, NOON - 12 * 3_600_000);
    for text in [
        "time,load\n13/01/2025,5\n01/13/2025,6\n02/01/2025,6\n",
        "time,load\n31.01.2025,5\n30.01.2025,6\n01.31.2025,6\n",
        "time,load\n31.01.2025,5\n01.02.2025,6\n31.02.2025,6\n",
        "time,load\n01/31/2025,5\n01/30/2025,5\n31/31/2025,6\n",
        "time,load\n01/31/2025,5\n01/30/2025,5\n01/30/25,6\n",
    ] {
        let refused = refusal(text);
        assert!(refused.contains("have more than one meaning") && refused.contains("2025") || refused.contains("/25"));
    }
    assert_eq!(read("time,load\n31.01.2025,5\ntotal,6\n").samples.len(), 1);
}

#[test]
fn names_of_equal_characters_are_equal() {
    for text in [
        "time,caf\u{e9},cafe\u{301}\n1,5,6\n",
        "time,load,caf\u{e9},cafe\u{301}\n1,5,a,b\n",
        "time,load,label.region,region\n1,5,a,b\n",
    ] {
        assert!(refusal(text).contains("have the same name"), "{}", refusal(text));
    }
}

#[test]
fn a_name_has_one_spelling_in_a_file() {
    let outcome =
        read("time,kpi,value\n1,caf\u{e9},5\n2,cafe\u{301},6\n3,caf\u{e9},7\n4,e\u{301}tat,8\n5,e\u{301}tat,9\n");
    let rows: Vec<f64> = outcome.samples.iter().map(|one| one.sample.value).collect();
    assert_eq!(rows, [5.0, 7.0, 8.0, 9.0]);
    assert_eq!(outcome.problems.len(), 1);
    assert!(outcome.problem_texts()[0].contains("line 3: the name café is written with other characters"));
}
