//! Whole files as users provide them.

use std::io::{self, Cursor, Read};

use super::*;

struct Outcome {
    samples: Vec<SourceSample>,
    problems: Vec<RowProblem>,
    warning: Option<String>,
    end: Result<(), TableError>,
}

impl Outcome {
    fn rows(&self) -> Vec<(String, String, i64, f64)> {
        let row = |s: &SourceSample| (s.kpi.to_string(), s.labels.to_string(), s.sample.timestamp_ms, s.sample.value);
        self.samples.iter().map(row).collect()
    }

    fn kpis(&self) -> Vec<&str> {
        let mut kpis: Vec<&str> = self.samples.iter().map(|s| s.kpi.as_str()).collect();
        kpis.dedup();
        kpis
    }

    fn problem_texts(&self) -> Vec<String> {
        self.problems.iter().map(ToString::to_string).collect()
    }
}

fn options(kpi: Option<&str>) -> TableOptions {
    TableOptions { kpi: kpi.map(name_from), ..TableOptions::new(name_from("file")) }
}

fn read_as(kpi: Option<&str>, input: impl Read) -> Result<Outcome, TableError> {
    read_with(&options(kpi), input)
}

fn read_with(options: &TableOptions, input: impl Read) -> Result<Outcome, TableError> {
    let mut reader = TableReader::new(input, options)?;
    let (mut samples, mut problems) = (Vec::new(), Problems::default());
    let end = loop {
        match reader.read_row(&mut samples, &mut problems) {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    Ok(Outcome { samples, problems: problems.first().to_vec(), warning: reader.warning(), end })
}

fn read(text: &str) -> Outcome {
    let outcome = read_as(None, text.as_bytes()).unwrap();
    outcome.end.as_ref().unwrap();
    outcome
}

#[test]
fn benchmark_file_is_one_kpi_named_after_the_file() {
    let outcome = read(include_str!("../../../tests/data/benchmark.csv"));
    assert_eq!(outcome.rows()[0], ("file".into(), String::new(), 1_396_310_400_000, 19.761_251_903));
    assert_eq!(outcome.samples.len(), 5);
    assert_eq!((outcome.problems.len(), outcome.warning), (0, None));
}

#[test]
fn given_kpi_names_a_single_value_column() {
    let outcome = read_as(Some("shop.revenue"), &b"ts,euros\n1,2\n"[..]).unwrap();
    assert_eq!(outcome.kpis(), ["shop.revenue"]);
    assert_eq!(read("ts,euros\n1,2\n").kpis(), ["euros"]);
}

#[test]
fn given_kpi_prefixes_several_value_columns() {
    let text = "time,a,b c\n1,2,3\n";
    assert_eq!(read_as(Some("shop"), text.as_bytes()).unwrap().kpis(), ["shop.a", "shop.b_c_da031a4f25c60c3d"]);
    assert_eq!(read(text).kpis(), ["a", "b_c_d342d59876b9ac2c"]);
}

#[test]
fn file_without_header_loses_no_row() {
    let outcome = read("2014-04-01 00:00:00,1\n2014-04-01 00:05:00,2\n");
    assert_eq!(outcome.rows()[0], ("file".into(), String::new(), 1_396_310_400_000, 1.0));
    assert_eq!(outcome.samples.len(), 2);
    assert_eq!(read("1396310400,1,5\n").kpis(), ["column_2", "column_3"]);
}

#[test]
fn byte_order_mark_quotes_blanks_and_crlf_are_accepted() {
    let outcome = read("\u{feff}\"timestamp\" , \"load\"\r\n\"2014-04-01\",\" 5 \"\r\n");
    assert_eq!(outcome.rows(), [("load".into(), String::new(), 1_396_310_400_000, 5.0)]);
}

#[test]
fn columns_of_text_become_labels_and_free_text_is_skipped() {
    let outcome = read("ts,load,label.region,shop,label.az\n1,5,eu,north,1\n2,6,us,,\n");
    let labels: Vec<String> = outcome.rows().into_iter().map(|row| row.1).collect();
    assert_eq!(labels, ["az:1,region:eu,shop:north", "region:us"]);
    let warning = outcome.warning.unwrap();
    assert_eq!(warning, "column \"shop\" is empty in 1 row of 2, which become a series without it");
    let rows: String = (0..30).map(|i| format!("{i},5,remark {i},{}\n", i % 3)).collect();
    let outcome = read(&format!("ts,load,note,shard\n{rows}"));
    let warning = outcome.warning.unwrap();
    assert!(warning.contains("note (it holds free text"), "{warning}");
    assert_eq!(outcome.samples.len(), 60, "a column of numbers is a KPI");
}

#[test]
fn long_form_takes_every_other_column_as_label() {
    let outcome = read("timestamp,kpi,region,shard,value\n1,orders,eu,7,5\n2,orders,us,8,6\n");
    let rows = outcome.rows();
    assert_eq!(rows[0], ("orders".into(), "region:eu,shard:7".into(), 1_000, 5.0));
    assert_eq!((rows.len(), outcome.warning), (2, None));
    let outcome = read("timestamp,region,orders\n1,eu,5\n2,us,6\n");
    assert_eq!(outcome.rows()[1], ("orders".into(), "region:us".into(), 2_000, 6.0));
    let outcome = read("time,kpi,value\n1,温度,5\n1,湿度,6\n1,Выручка,7\n1,a/b,8\n1,a%b,9\n");
    let kpis: std::collections::HashSet<&str> = outcome.kpis().into_iter().collect();
    assert_eq!(kpis.len(), 5, "{kpis:?}");
}

#[test]
fn separators_signs_and_dates_of_other_countries_are_understood() {
    let semicolons = read("Datum;Umsatz;Besucher\n01.07.2025 10:00;1234,5;7\n01.07.2025 10:01;-0,25;8\n");
    assert_eq!(semicolons.rows()[0], ("Umsatz".into(), String::new(), 1_751_364_000_000, 1_234.5));
    assert_eq!(semicolons.rows()[2].3, -0.25);
    let british = read("time,a\n31/07/2025 10:00,1\n01/08/2025 10:00,2\n");
    assert_eq!(british.rows()[1].2, 1_754_042_400_000);
    let american = read("sep=\t\ntime\ta\n07/31/2025 10:00 AM\t1,5\n08/01/2025 10:00 AM\t2\n");
    assert_eq!(american.rows()[1], ("a".into(), String::new(), 1_754_042_400_000, 2.0));
    let compact = read("date,b52\n20250701,1\n20250702,2\n");
    assert_eq!(compact.rows()[0].2, 1_751_328_000_000);
    let trailing = read("time,b51\n2025-07-01 00:00:00,1,\n2025-07-01 00:01:00,2,,\n");
    assert_eq!((trailing.samples.len(), trailing.problems.len()), (2, 0));
    let trailing = read("time;a;\n1;2;\n2;3;\n");
    assert_eq!(trailing.samples.len(), 2);
}

#[test]
fn utf16_with_a_mark_is_decoded() {
    let text = "time,größe\n2025-07-01,5\n";
    let bytes = |encode: fn(u16) -> [u8; 2], mark: u16| {
        std::iter::once(mark).chain(text.encode_utf16()).flat_map(encode).collect::<Vec<u8>>()
    };
    for file in [bytes(u16::to_le_bytes, 0xFEFF), bytes(u16::to_be_bytes, 0xFEFF)] {
        assert_eq!(read_as(None, &file[..]).unwrap().kpis(), ["größe"]);
    }
    let unmarked: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read_as(None, &unmarked[..]).err().unwrap().to_string().contains("UTF-16"));
    assert!(read_as(None, &b"time,gr\xf6\xdfe\n1,2\n"[..]).err().unwrap().to_string().contains("Windows-1252"));
}

#[test]
fn description_says_what_becomes_of_each_column() {
    let text = "time;kpi;region;value\n2;a;eu;1,5\n1;a;us;2,5\n";
    let reader = TableReader::new(text.as_bytes(), &options(None)).unwrap();
    let Description { separator, decimal, time_format, time_zone, order, columns } = reader.describe();
    assert_eq!((separator, decimal, time_format), (';', DecimalSign::Comma, TimeFormat::Seconds));
    assert_eq!((time_zone.as_str(), order), ("UTC", Order::NewestFirst));
    let roles: Vec<_> = columns.iter().map(|column| (column.role, column.becomes.as_deref())).collect();
    assert_eq!(roles, [("time", None), ("kpi", None), ("label", Some("region")), ("value", None)]);
}

#[test]
fn annotation_column_is_no_value() {
    for name in ["label", "is_anomaly", "Anomaly"] {
        let text = format!("timestamp,value,{name}\n1,5,0\n2,6,1\n");
        let outcome = read_as(Some("shop"), text.as_bytes()).unwrap();
        assert_eq!(outcome.kpis(), ["shop"]);
        assert!(outcome.warning.unwrap().contains(name));
    }
}

#[test]
fn unnamed_row_number_of_a_data_frame_is_no_value() {
    let outcome = read_as(Some("shop"), &b",timestamp,value\n0,2014-04-01,5\n1,2014-04-02,6\n"[..]).unwrap();
    assert_eq!(outcome.kpis(), ["shop"]);
    assert_eq!(outcome.samples.len(), 2);
}

#[test]
fn bad_rows_are_reported_by_line_and_good_rows_kept() {
    let outcome = read("ts,load\n1,5\nnoon,6\n\n3,many\n4\n5,NaN\n6,inf\n7,8,9\n8,10\n");
    let values: Vec<f64> = outcome.samples.iter().map(|s| s.sample.value).collect();
    assert_eq!(values, [5.0, 10.0]);
    assert_eq!(
        outcome.problem_texts(),
        [
            "line 3: \"noon\" is not a time of the form seconds",
            "line 5: load: \"many\" is not a finite number",
            "line 6: holds no value",
            "line 7: holds no value",
            "line 8: load: \"inf\" is not a finite number",
            "line 9: has 3 fields where 2 are expected",
        ]
    );
}

#[test]
fn last_line_number_is_right_with_and_without_line_break() {
    for text in ["ts,load\n1,5\nnoon,6", "ts,load\n1,5\nnoon,6\n", "ts,load\n\n1,5\nnoon,6", "ts,load\r\n1,5\r\nnoon,6"]
    {
        let expected = text.trim_end().lines().count() as u64;
        assert_eq!(read(text).problems[0].line, expected, "{text:?}");
    }
}

#[test]
fn bad_cell_does_not_affect_other_cells() {
    let outcome = read("ts,a,b\n1,x,2\n2,3,4\n3,,5\n4,6,7\n");
    assert_eq!(outcome.samples.len(), 6);
    assert_eq!(outcome.problem_texts(), ["line 2: a: \"x\" is not a finite number"]);
}

#[test]
fn broken_utf8_skips_only_its_row() {
    let outcome = read_as(None, &b"ts,load\n1,\xff\n2,3\n4,5\n"[..]).unwrap();
    assert_eq!((outcome.samples.len(), outcome.problems.len()), (2, 1));
}

#[test]
fn files_of_another_format_are_refused_with_a_remedy() {
    let refusal = |text: &str| read_as(None, text.as_bytes()).err().unwrap().to_string();
    assert_eq!(refusal(""), "the file is empty");
    assert!(refusal("name,colour\nx,red\n").contains("\"name\" should hold the time, but holds \"x\""));
    assert!(
        refusal("timestamp,note\n2014-04-01,hello\n")
            .contains("holds numbers (columns: timestamp, note; separator: ,)")
    );
}

#[test]
fn header_alone_gives_no_samples() {
    let outcome = read("timestamp,value\n");
    assert_eq!((outcome.samples.len(), outcome.problems.len()), (0, 0));
}

#[test]
fn rows_after_the_sniffed_ones_are_read_alike() {
    let text: String =
        std::iter::once("ts,load\n".to_owned()).chain((0..1_000).map(|i| format!("{i},{i}\n"))).collect();
    let outcome = read(&text);
    assert_eq!(outcome.samples.len(), 1_000);
    assert_eq!(outcome.samples[999].sample, Sample { timestamp_ms: 999_000, value: 999.0 });
}

#[test]
fn bytes_are_counted_by_the_rows_returned() {
    let text = "ts,load\n1,5\n2,6\n3,7\n";
    let mut reader = TableReader::new(text.as_bytes(), &options(None)).unwrap();
    let (mut samples, mut problems) = (Vec::new(), Problems::default());
    let mut positions = Vec::new();
    while reader.read_row(&mut samples, &mut problems).unwrap() {
        positions.push(reader.bytes_read());
    }
    assert_eq!(positions, [12, 16, 20]);
}

#[test]
fn open_quote_ends_the_reading_and_keeps_earlier_rows() {
    let good = "1,5\n".repeat(300);
    let endless = std::io::repeat(b'x').take(1 << 30);
    let input = Cursor::new(format!("ts,load\n{good}2,\"")).chain(endless);
    let outcome = read_as(None, input).unwrap();
    assert_eq!(outcome.samples.len(), 300);
    assert!(matches!(outcome.end, Err(TableError::RecordTooLong { line: 302, quoted: true })), "{:?}", outcome.end);
}

#[test]
fn read_error_ends_the_file_with_its_reason() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let outcome = read_as(None, Cursor::new("ts,load\n1,5\n").chain(Broken)).unwrap();
    assert_eq!(outcome.samples.len(), 1);
    assert!(outcome.end.unwrap_err().to_string().contains("the disk is gone"));
}

#[test]
fn kpi_column_names_the_kpi_of_each_row() {
    let text = "time,kpi,value,label.region\n2026-01-01,sales per day,5,eu\n2026-01-01,visits,7,\n2026-01-02,,8,\n2026-01-02,visits,x,\n";
    let mut reader = TableReader::new(text.as_bytes(), &options(None)).unwrap();
    assert_eq!(reader.warning(), None);
    let (mut samples, mut problems) = (Vec::new(), Problems::default());
    while reader.read_row(&mut samples, &mut problems).unwrap() {}
    let brief: Vec<_> = samples.iter().map(|s| (s.kpi.as_str(), s.labels.as_str(), s.sample.value)).collect();
    assert_eq!(brief, [("sales_per_day_d4499d46b2126d5f", "region:eu", 5.0), ("visits", "", 7.0)]);
    assert_eq!(problems.first().iter().map(|problem| problem.line).collect::<Vec<_>>(), [4, 5]);
    assert!(problems.first()[0].reason.contains("names no KPI"), "{problems:?}");
}

mod clocks;
mod late;
mod numbers;
mod other_dates;
mod quotes;
mod repeats;
mod shape;
mod stated;
mod times;

#[test]
fn annotated_csv_of_influxdb_is_refused_with_what_to_do() {
    let table = "2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z,1.5,usage,cpu,a";
    let header = ",result,table,_start,_stop,_time,_value,_field,_measurement,host";
    let types = "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string";
    let annotated = format!(
        "#group,false,false,true,true,false,false,true,true,true\n{types}\n#default,_result,,,,,,,,\n{header}\n,,0,{table}\n\n"
    );
    for (text, line) in [(annotated.as_str(), 1), (&format!("{header}\n,,0,{table}\n"), 1), (&format!("{types}\n"), 1)]
    {
        let refused = read_as(None, text.as_bytes()).err().unwrap();
        assert!(matches!(refused, TableError::AnnotatedInflux { line: found } if found == line), "{refused}");
        assert!(refused.to_string().contains("/api/v2/write?backfill=true"), "{refused}");
    }
    // What the refusal says to do.
    let outcome = read("time,value,kpi,_measurement,host\n2026-01-01T00:00:00Z,1.5,usage,cpu,a\n");
    assert_eq!(outcome.rows(), [("usage".into(), "_measurement:cpu,host:a".into(), 1_767_225_600_000, 1.5)]);
}
