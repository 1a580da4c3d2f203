//! Numbers that say what a row is about.

use super::*;

#[test]
fn number_that_tells_rows_of_one_time_apart_is_refused_and_named() {
    for (text, columns) in [
        ("time,store_id,sales\n1,7,5.5\n1,8,6.5\n2,7,5.25\n2,8,6.25\n", &["store_id"][..]),
        ("time,storeId,sales\n1,7,500\n1,8,650\n", &["storeId"]),
        ("id,time,shop,sales\n1,1,7,5.5\n2,1,8,6.5\n3,2,7,5.5\n4,2,8,6.5\n", &["shop"]),
        ("time,shop,sales\n1,7,500\n1,8,650\n2,7,501\n2,8,655\n", &["shop"]),
        ("time,zip,sales\n1,91067,5\n1,80331,5\n2,91067,6\n", &["zip"]),
        ("date,hour,sales\n2025-07-01,0,5\n2025-07-01,1,6\n2025-07-01,2,6\n", &["hour"]),
        ("date,time,sales\n2025-07-01,0900,5\n2025-07-01,0915,6\n", &["time"]),
        (
            "date,hour,shop,sales\n2025-07-01,0,7,5\n2025-07-01,0,8,6\n2025-07-01,1,7,5\n2025-07-01,1,8,9\n",
            &["hour", "shop"],
        ),
        ("time,region,store_id,sales\n1,eu,7,5\n1,eu,8,6\n1,us,7,5\n1,us,8,9\n", &["store_id"]),
    ] {
        let refused = match read_as(None, text.as_bytes()) {
            Ok(outcome) => panic!("{text:?} was read: {:?}", outcome.rows()),
            Err(error) => error.to_string(),
        };
        assert!(refused.starts_with("lines 2 and 3 have the same time"), "{refused}");
        assert!(columns.iter().all(|column| refused.contains(&format!("column {column:?}"))), "{refused}");
        assert!(refused.contains(&format!("label.{}", columns[0])), "{refused}");
        assert!(!refused.contains("\"id\""), "{refused}");
    }
    let labelled = read("time,label.store_id,sales\n1,7,5.5\n1,8,6.5\n");
    assert_eq!(labelled.rows()[1].1, "store_id:8");
}

#[test]
fn numbers_at_different_times_are_kpis() {
    for text in [
        "time,store_id,sales\n1,7,5\n2,8,6\n3,7,5\n",
        "time,region,queue,sales\n1,eu,7,5\n1,us,8,6\n2,eu,7,5\n2,us,7,9\n",
        // Rows that are sent again, and the hour that a clock repeats in autumn.
        "time,queue,sales\n1,7,5\n1,7,5\n2,8,6\n2,8,6\n",
        "time,queue,sales\n1,7,5\n2,8,6\n3,8,6\n4,7,6\n5,8,5\n2,7,7\n",
        // No column tells these rows apart.
        "time,queue,sales\n1,7,5.5\n1,7,6.5\n2,7,7.5\n2,7,8.5\n",
    ] {
        let outcome = read(text);
        assert_eq!(outcome.samples.len(), (text.lines().count() - 1) * 2, "{text:?}");
    }
}

/// Rows of each store in turn, a second apart, from the same time on.
fn grouped(name: &str, stores: &[u32], rows: u32) -> String {
    let row = |store: u32| (0..rows).map(move |i| format!("{},{store},{i}.5\n", 1_000 + i));
    let rows: String = stores.iter().flat_map(|store| row(*store)).collect();
    format!("time,{name},sales\n{rows}")
}

#[test]
fn groups_that_begin_below_the_first_rows_are_refused_and_named() {
    for (name, rows) in [("store_id", 101), ("store", 101), ("store_id", 90), ("store_id", 3_000)] {
        let text = grouped(name, &[1, 2], rows);
        let end = read_as(None, text.as_bytes()).map_or_else(Err, |outcome| outcome.end);
        let refused = end.unwrap_err().to_string();
        assert!(refused.starts_with(&format!("lines 2 and {} have the same time", rows + 2)), "{refused}");
        assert!(refused.contains(&format!("write label.{name} ")), "{refused}");
        let labelled = read(&grouped(&format!("label.{name}"), &[1, 2], rows));
        assert_eq!(labelled.samples.len(), 2 * rows as usize);
    }
}

#[test]
fn rows_that_are_sent_again_are_read() {
    // The same number: nothing tells the rows apart.
    assert_eq!(read(&grouped("store_id", &[1, 1], 150)).samples.len(), 600);
    // Few rows with another number: it is a value.
    let again = "1007,9,7.5\n1008,9,8.5\n";
    assert_eq!(read(&format!("{}{again}", grouped("errors", &[0], 150))).samples.len(), 304);
    // The numbers of rows differ, and say nothing.
    let rows: String = (0..300).map(|i| format!("{i},{},5.5\n", 1_000 + i % 150)).collect();
    assert_eq!(read(&format!("id,time,sales\n{rows}")).samples.len(), 600);
}

#[test]
fn column_of_numbers_and_names_is_refused_and_named() {
    for text in ["time,sku,sales\n1,12,5\n1,A7,6\n2,12,7\n2,A7,8\n", "time,sku,sales\n1,12,5\n2,13,6\n3,B-1,7\n"] {
        let refused = read_as(None, text.as_bytes()).err().unwrap().to_string();
        assert!(
            refused.starts_with("column \"sku\" holds numbers, but also") && refused.contains("label.sku"),
            "{refused}"
        );
    }
    let labelled = read("time,label.sku,sales\n1,12,5\n1,A7,6\n");
    assert_eq!(labelled.rows()[1].1, "sku:A7");
    // A failed sensor.
    assert_eq!(read("time,heat,sales\n1,12,5\n2,offline,6\n3,13,7\n").samples.len(), 5);
}
