//! Columns that are empty in the first rows.

use super::*;

fn table(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    let rows = (0..rows).map(|i| format!("2026-01-01 {:02}:{:02},{}\n", i / 60, i % 60, row(i)));
    format!("time,{header}\n{}", rows.collect::<String>())
}

#[test]
fn an_empty_column_changes_no_name_of_a_kpi_and_is_named() {
    for header in ["value,comment", "comment,value"] {
        let row = |i: usize| if header.starts_with('v') { format!("{i},") } else { format!(",{i}") };
        let text = table(header, 30, row);
        let outcome = read(&text);
        assert_eq!(outcome.kpis(), ["file"], "{header}");
        let warning = outcome.warning.unwrap();
        assert!(warning.contains("comment (it is empty in the first rows)"), "{warning}");
        assert_eq!(read_as(Some("shop.sales"), text.as_bytes()).unwrap().kpis(), ["shop.sales"]);
    }
    // A word for a missing value is no value either.
    assert_eq!(read(&table("value,comment", 3, |i| format!("{i},n/a"))).kpis(), ["file"]);
    let long = read(&table("kpi,value,comment", 3, |i| format!("k,{i},")));
    assert!(long.kpis() == ["k"] && long.warning.unwrap().contains("comment"));
}

#[test]
fn a_column_that_begins_below_the_first_rows_ends_the_file_with_the_line() {
    for (header, before, late) in
        [("a,host", "5,", "5,web1"), ("a,b", "5,", "5,77"), ("kpi,value,host", "k,5,", "k,5,h")]
    {
        let text = table(header, 152, |i| if i == 150 { late.into() } else { before.into() });
        let outcome = read_as(None, text.as_bytes()).unwrap();
        assert_eq!(outcome.samples.len(), 150, "{header}");
        let end = outcome.end.unwrap_err().to_string();
        let (column, value) = (header.rsplit(',').next().unwrap(), late.rsplit(',').next().unwrap());
        assert!(end.contains(&format!("{value:?} in line 152")) && end.contains(&format!("label.{column} ")), "{end}");
        let whole = check_late_columns(text.as_bytes(), &options(None)).unwrap_err().to_string();
        assert_eq!(whole, end);
        // What the refusal says to do.
        let labelled = read(&text.replacen(column, &format!("label.{column}"), 1));
        assert_eq!(labelled.samples.iter().filter(|one| !one.labels.is_empty()).count(), 1);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(read(&lines[..151].join("\n")).samples.len(), 150);
    }
    let text = table("a,b", 152, |i| if i == 150 { "5,77".into() } else { "5,".into() });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(read(&[&lines[..1], &lines[151..]].concat().join("\n")).kpis(), ["a", "b", "a"]);
    // The row is skipped for another reason.
    let footer = table("a,host", 150, |_| "5,".into()) + "exported,by,me\n";
    assert_eq!((read(&footer).samples.len(), read(&footer).problems.len()), (150, 1));
    check_late_columns(footer.as_bytes(), &options(None)).unwrap();
}

#[test]
fn a_table_whose_only_column_of_values_begins_late_is_refused() {
    let text = table("a", 150, |i| if i < 120 { String::new() } else { i.to_string() });
    let refused = read_as(None, text.as_bytes()).err().unwrap().to_string();
    assert!(refused.contains("in the first 100 rows") && refused.contains("\"a\" is empty"), "{refused}");
}
