//! Whole files as users provide them.

use std::io::Cursor;

use super::*;
use earcon_model::KpiName;

struct Outcome {
    samples: Vec<SourceSample>,
    problems: Vec<RowProblem>,
    warning: Option<String>,
    end: Result<(), CsvError>,
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

fn naming(kpi: Option<&str>) -> Naming {
    Naming { kpi: kpi.map(|k| KpiName::new(k).unwrap()), fallback: KpiName::new("file").unwrap() }
}

fn read_as(kpi: Option<&str>, input: impl Read) -> Result<Outcome, CsvError> {
    let mut reader = CsvReader::new(input, &naming(kpi))?;
    let (mut samples, mut problems) = (Vec::new(), Vec::new());
    let end = loop {
        match reader.read_row(&mut samples, &mut problems) {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    Ok(Outcome { samples, problems, warning: reader.warning().map(str::to_owned), end })
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
    assert_eq!(read_as(Some("shop"), text.as_bytes()).unwrap().kpis(), ["shop.a", "shop.b_c"]);
    assert_eq!(read(text).kpis(), ["a", "b_c"]);
}

#[test]
fn file_without_header_loses_no_row() {
    let outcome = read("2014-04-01 00:00:00,1\n2014-04-01 00:05:00,2\n");
    assert_eq!(outcome.rows()[0], ("file".into(), String::new(), 1_396_310_400_000, 1.0));
    assert_eq!(outcome.samples.len(), 2);
    assert_eq!(read("1396310400,1,5\n").kpis(), ["column_2", "column_3"]);
}

#[test]
fn time_column_is_found_by_name_at_any_position() {
    let outcome = read("load,TimeStamp\n5,2014-04-01\n");
    assert_eq!(outcome.rows(), [("load".into(), String::new(), 1_396_310_400_000, 5.0)]);
    assert_eq!(read("when,load\n2014-04-01,5\n").samples.len(), 1);
}

#[test]
fn byte_order_mark_quotes_blanks_and_crlf_are_accepted() {
    let outcome = read("\u{feff}\"timestamp\" , \"load\"\r\n\"2014-04-01\",\" 5 \"\r\n");
    assert_eq!(outcome.rows(), [("load".into(), String::new(), 1_396_310_400_000, 5.0)]);
}

#[test]
fn label_columns_become_labels_and_other_text_is_skipped() {
    let outcome = read("ts,load,label.region,note,label.az\n1,5,eu,hello,1\n2,6,us,,\n");
    let labels: Vec<String> = outcome.rows().into_iter().map(|row| row.1).collect();
    assert_eq!(labels, ["az:1,region:eu", "region:us"]);
    let warning = outcome.warning.unwrap();
    assert!(warning.contains(": note ("), "{warning}");
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
            "line 3: \"noon\" is not a time that can be read",
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
fn illegal_labels_and_broken_utf8_skip_only_their_row() {
    let outcome = read("ts,load,label.x\n1,5,\"a,b\"\n2,6,ok\n");
    assert_eq!(outcome.samples.len(), 1);
    assert!(outcome.problem_texts()[0].starts_with("line 2: value of label \"x\""));
    let outcome = read_as(None, &b"ts,load\n1,\xff\n2,3\n4,5\n"[..]).unwrap();
    assert_eq!((outcome.samples.len(), outcome.problems.len()), (2, 1));
}

#[test]
fn columns_with_equal_clean_names_get_unique_names() {
    assert_eq!(read("ts,a b,a_b\n1,2,3\n").kpis(), ["a_b", "column_3.a_b"]);
}

#[test]
fn files_of_another_format_are_refused_with_a_remedy() {
    let refusal = |text: &str| read_as(None, text.as_bytes()).err().unwrap().to_string();
    assert_eq!(refusal(""), "the file is empty");
    assert!(refusal("name,colour\nx,red\n").contains("\"name\" should hold the time, but holds \"x\""));
    assert!(refusal("timestamp;value\n2014-04-01;5\n").contains("holds \"2014-04-01;5\""));
    assert!(refusal("timestamp,note\n2014-04-01,hello\n").contains("separated by commas"));
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
fn open_quote_ends_the_reading_and_keeps_earlier_rows() {
    let good = "1,5\n".repeat(300);
    let endless = std::io::repeat(b'x').take(1 << 30);
    let input = Cursor::new(format!("ts,load\n{good}2,\"")).chain(endless);
    let outcome = read_as(None, input).unwrap();
    assert_eq!(outcome.samples.len(), 300);
    assert!(matches!(outcome.end, Err(CsvError::RecordTooLong { line: 302 })), "{:?}", outcome.end);
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
    let naming = Naming { kpi: None, fallback: name_from("file") };
    let mut reader = CsvReader::new(text.as_bytes(), &naming).unwrap();
    assert_eq!(reader.warning(), None);
    let (mut samples, mut problems) = (Vec::new(), Vec::new());
    while reader.read_row(&mut samples, &mut problems).unwrap() {}
    let brief: Vec<_> = samples.iter().map(|s| (s.kpi.as_str(), s.labels.as_str(), s.sample.value)).collect();
    assert_eq!(brief, [("sales_per_day", "region:eu", 5.0), ("visits", "", 7.0)]);
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [4, 5]);
    assert!(problems[0].reason.contains("names no KPI"), "{}", problems[0].reason);
}
