//! Numbers that say what a row is about.

use super::*;

#[test]
fn number_that_tells_rows_of_one_time_apart_is_refused_and_named() {
    for (text, columns) in [
        ("time,store_id,sales\n1,7,5.5\n1,8,6.5\n2,7,5.25\n2,8,6.25\n", &["store_id"][..]),
        ("time,storeId,sales\n1,7,500\n1,8,650\n", &["storeId"]),
        ("id,time,shop,sales\n1,1,7,5.5\n2,1,8,6.5\n3,2,7,5.5\n4,2,8,6.5\n", &["shop"]),
        ("time,shop,sales\n1,7,500\n1,8,650\n2,7,501\n2,8,655\n", &["shop"]),
        ("time,zip,sales\n1,01067,5\n1,80331,5\n2,01067,6\n", &["zip"]),
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
