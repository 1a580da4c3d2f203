//! Columns of numbers and zones that the owner of a file states.

use jiff::tz::TimeZone;

use super::*;

fn stated(values: &[&str]) -> TableOptions {
    TableOptions { values: values.iter().map(|name| (*name).to_owned()).collect(), ..options(None) }
}

/// A table whose last column is empty until row 150.
fn late(header: &str) -> String {
    let row = |i: usize| format!("2026-01-01 {:02}:{:02},{i},{}\n", i / 60, i % 60, if i < 150 { "" } else { "7.5" });
    format!("time,{header}\n{}", (0..152).map(row).collect::<String>())
}

#[test]
fn a_late_column_that_is_stated_to_hold_numbers_is_a_kpi() {
    let text = late("orders,returns");
    let refused = check_late_columns(text.as_bytes(), &options(None)).unwrap_err().to_string();
    assert!(refused.contains("(values=returns)"), "{refused}");
    let options = stated(&["returns"]);
    check_late_columns(text.as_bytes(), &options).unwrap();
    let outcome = read_with(&options, text.as_bytes()).unwrap();
    outcome.end.unwrap();
    let returns: Vec<f64> =
        outcome.samples.iter().filter(|one| one.kpi.as_str() == "returns").map(|one| one.sample.value).collect();
    assert_eq!((outcome.samples.len(), returns), (154, vec![7.5, 7.5]));
    assert_eq!((outcome.problems.len(), outcome.warning), (0, None));
}

#[test]
fn the_only_column_of_numbers_may_begin_late_if_it_is_stated() {
    let text = format!(
        "time,a\n{}",
        (0..150).map(|i| format!("{i},{}\n", if i < 120 { "" } else { "1" })).collect::<String>()
    );
    let refused = read_as(None, text.as_bytes()).err().unwrap().to_string();
    assert!(refused.contains("(values=a)"), "{refused}");
    assert_eq!(read_with(&stated(&["a"]), text.as_bytes()).unwrap().kpis(), ["a"]);
}

#[test]
fn a_statement_about_no_column_or_another_kind_of_column_is_refused() {
    for (values, text, part) in [
        (["b"], "time,a\n1,2\n", "there is no column \"b\""),
        (["time"], "time,a\n1,2\n", "\"time\" holds the time"),
        (["region"], "time,kpi,region,value\n1,a,,2\n", "in column \"value\""),
    ] {
        let refused = read_with(&stated(&values), text.as_bytes()).err().unwrap().to_string();
        assert!(refused.contains(part), "{refused}");
    }
    // A cell that is no number is named.
    let outcome = read_with(&stated(&["b"]), &b"time,a,b\n1,2,x\n2,3,4\n"[..]).unwrap();
    assert_eq!((outcome.samples.len(), outcome.problem_texts().len()), (3, 1));
}

#[test]
fn a_zone_in_the_name_of_the_time_is_honoured_or_asked_for() {
    let first = |header: &str| read(&format!("{header},a\n2026-01-01 12:00:00,1\n")).samples[0].sample.timestamp_ms;
    let noon = 1_767_268_800_000;
    assert_eq!([first("time (UTC)"), first("timestamp_utc"), first("time")], [noon; 3]);
    assert_eq!(first("time (UTC+2)"), noon - 7_200_000);
    assert_eq!(first("Time [Europe/Berlin]"), noon - 3_600_000);
    let text = "time (CET),a\n2026-07-01 12:00:00,1\n";
    let refused = read_as(None, text.as_bytes()).err().unwrap().to_string();
    assert!(refused.contains("says a zone, CET,") && refused.contains("time_zone=Europe/Berlin"), "{refused}");
    let berlin = TableOptions { time_zone: TimeZone::get("Europe/Berlin").ok(), ..options(None) };
    let read_again = read_with(&berlin, text.as_bytes()).unwrap();
    assert_eq!(read_again.samples[0].sample.timestamp_ms, 1_782_900_000_000);
    // Times that say their offset, and numbers since 1970, need none.
    assert_eq!(read("time (CET),a\n2026-01-01T12:00:00Z,1\n").samples.len(), 1);
    assert_eq!(read("time (EST),a\n1767268800,1\n").samples.len(), 1);
    let described = TableReader::new(&b"time (UTC+2),a\n2026-01-01 12:00,1\n"[..], &options(None)).unwrap().describe();
    assert_eq!(described.time_zone, "UTC+02");
}

#[test]
fn offsets_that_no_zone_has_are_no_times() {
    let bad = "2026-01-01T00:01:00+25:00,2\n2026-01-01 00:02:00+14:60,3\n";
    let outcome = read(&format!("time,a\n2026-01-01T00:00:00+01:00,1\n{bad}2026-01-01T00:03:00-11:00,4\n"));
    assert_eq!((outcome.samples.len(), outcome.problems.len()), (2, 2), "{:?}", outcome.problem_texts());
    let refused = read_as(None, format!("time,a\n2026-01-01T00:00:00Z,1\n{bad}").as_bytes()).err().unwrap();
    assert!(refused.to_string().contains("+25:00"), "the example is one that is no time: {refused}");
    assert!(outcome.problem_texts()[0].contains("+25:00"), "{:?}", outcome.problem_texts());
}

#[test]
fn a_made_name_and_the_one_it_was_made_of_are_not_one_in_a_file() {
    let made = name_from("disk used %");
    let outcome = read(&format!("time,kpi,value\n1,disk used %,1\n2,{made},2\n3,disk used %,3\n"));
    assert_eq!((outcome.kpis(), outcome.samples.len(), outcome.problems.len()), (vec![made.as_str()], 2, 1));
    // Alone, a made name is the name of its KPI.
    assert_eq!(read(&format!("time,kpi,value\n1,{made},1\n")).kpis(), [made.as_str()]);
    let refused = read_as(None, format!("time,disk used %,{made}\n1,2,3\n").as_bytes()).err().unwrap().to_string();
    assert!(refused.contains("have the same name"), "{refused}");
}

#[test]
fn megabytes_of_blank_lines_are_no_row_and_a_long_row_is_no_open_quote() {
    let blank = "\n".repeat(3 << 20);
    for text in [format!("time,a\n1,2\n{blank}2,3\n"), format!("{blank}time,a\n1,2\n2,3\n")] {
        assert_eq!(read(&text).samples.len(), 2);
    }
    let spaces = format!("time,a\n1,2\n{}\n2,3\n", " ".repeat(3 << 20));
    let end = read_as(None, spaces.as_bytes()).and_then(|outcome| outcome.end).unwrap_err().to_string();
    assert!(end.contains("line 3 is longer than 1 MiB; a row of a table is shorter"), "{end}");
    let open = format!("time,a\n1,2\n2,\"3\n{}", "4,5\n".repeat(1 << 20));
    let end = read_as(None, open.as_bytes()).and_then(|outcome| outcome.end).unwrap_err().to_string();
    assert!(end.contains("is a quote"), "{end}");
}

#[test]
fn whole_numbers_with_zeros_in_front_are_no_kpi_unless_it_is_stated() {
    let text = "time,zip,v\n1,01234,1\n2,12345,2\n";
    let refused = read_as(None, text.as_bytes()).err().unwrap().to_string();
    assert!(refused.contains("\"01234\" in line 2") && refused.contains("label.zip"), "{refused}");
    assert_eq!(read_with(&stated(&["zip"]), text.as_bytes()).unwrap().kpis(), ["zip", "v", "zip", "v"]);
    // The only column of numbers holds the values, whatever they look like.
    assert_eq!(read("time,v\n1,007\n2,012\n").kpis(), ["v"]);
    assert_eq!(read("time,v,w\n1,0,0.5\n2,10,00.5\n").samples.len(), 4);
}
