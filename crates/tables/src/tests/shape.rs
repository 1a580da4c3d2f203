//! Which columns a table may have.

use super::*;

fn table(header: &str, row: impl Fn(usize) -> String) -> String {
    let rows = (0..40).map(|i| format!("2026-01-01 00:{i:02},{}\n", row(i)));
    format!("time,{header}\n{}", rows.collect::<String>())
}

#[test]
fn a_comment_in_few_rows_splits_no_series() {
    let note = |i: usize| if i % 20 == 5 { "restarted" } else { "" };
    let outcome = read(&table("load,note", |i| format!("{i},{}", note(i))));
    assert!(outcome.samples.iter().all(|one| one.labels.is_empty()));
    let warning = outcome.warning.unwrap();
    assert!(warning.contains("note (it is empty in most rows") && warning.contains("call it label."), "{warning}");
    let long = read(&table("kpi,value,note", |i| format!("k{},{i},{}", i % 2, note(i))));
    assert!(long.samples.iter().all(|one| one.labels.is_empty()) && long.warning.is_some());
    let kept = read(&table("load,label.note", |i| format!("{i},{}", note(i))));
    assert_eq!(kept.samples.iter().filter(|one| one.labels.as_str() == "note:restarted").count(), 2);
    // A label that tells rows of one time apart stays one, however few rows have it.
    let rows = (0..40).map(|i| format!("2026-01-01 00:{:02},{i},{}\n", i / 3, ["a", "", ""][i % 3]));
    let text = format!("time,load,zone\n{}", rows.collect::<String>());
    assert_eq!(read(&text).samples.iter().filter(|one| one.labels.as_str() == "zone:a").count(), 14);
    // So does one that most rows have.
    let most = read(&table("load,zone", |i| format!("{i},{}", if i % 3 == 0 { "" } else { "a" })));
    assert_eq!(most.samples.iter().filter(|one| one.labels.as_str() == "zone:a").count(), 26);
    let warning = most.warning.unwrap();
    assert_eq!(warning, "column \"zone\" is empty in 14 rows of 40, which become a series without it");
}

#[test]
fn columns_with_empty_cells_are_told_in_a_table_of_any_length() {
    for rows in [3, 10, 19, 20] {
        let lines = |cell: &dyn Fn(usize) -> &'static str| -> String {
            (0..rows).map(|i| format!("2026-01-01 00:{i:02},{i},{}\n", cell(i))).collect()
        };
        let comment = read(&format!("time,load,note\n{}", lines(&|i| if i == 1 { "restarted" } else { "" })));
        assert!(comment.samples.iter().all(|one| one.labels.is_empty()), "{rows}");
        assert!(comment.warning.unwrap().contains("note (it is empty in most rows"), "{rows}");
        let partly = read(&format!("time,load,zone\n{}", lines(&|i| if i == 1 { "" } else { "a" })));
        let warning = partly.warning.unwrap();
        assert!(warning.starts_with(&format!("column \"zone\" is empty in 1 row of {rows}, which")), "{warning}");
    }
    // Merged cells: the value is in the first row of each block.
    let merged = read("time,zone,load\n1,a,5\n2,,6\n3,,7\n1,b,8\n2,,9\n3,,10\n");
    let warning = merged.warning.unwrap();
    assert!(warning.contains("\"zone\" is empty in 4 rows of 6") && warning.contains("merged"), "{warning}");
    assert_eq!(read("time,zone,load\n1,a,5\n1,b,8\n").warning, None);
}

#[test]
fn more_columns_than_a_spreadsheet_has_are_refused() {
    let wide = |columns: usize| {
        let names: Vec<String> = (1..columns).map(|i| format!("c{i}")).collect();
        format!("time,{}\n1{}\n", names.join(","), ",2".repeat(columns - 1))
    };
    assert_eq!(read(&wide(16_384)).samples.len(), 16_383);
    let refused = read_as(None, wide(50_000).as_bytes()).err().unwrap().to_string();
    assert!(refused.starts_with("the table has 50000 columns, and at most 16384 are read"), "{refused}");
    let text = |columns: usize| (0..columns).map(|i| format!("n{i}")).collect::<Vec<_>>().join(",");
    let refused = read_as(None, format!("time,{}\n1{}\n", text(5_000), ",a".repeat(5_000)).as_bytes()).err().unwrap();
    assert!(refused.to_string().contains("n18 and 4981 more") && refused.to_string().len() < 400, "{refused}");
}

#[test]
fn a_file_is_named_without_its_endings() {
    for (file, kpi) in [("orders.csv", "orders"), ("orders.csv.gz", "orders"), ("a.b.CSV.GZ", "a.b"), (".gz", "value")]
    {
        assert!(name_of_file(file).as_str().starts_with(kpi), "{file}: {}", name_of_file(file));
    }
}
