//! Numbers whose form has more than one meaning, or that are not written as plain numbers.

use super::*;

fn refusal(text: &str) -> String {
    match read_as(None, text.as_bytes()) {
        Ok(outcome) => panic!("{text:?} was read: {:?}", outcome.rows()),
        Err(error) => error.to_string(),
    }
}

fn values(text: &str) -> Vec<f64> {
    let outcome = read(text);
    assert!(outcome.problems.is_empty(), "{text:?}: {:?}", outcome.problems);
    outcome.samples.iter().map(|one| one.sample.value).collect()
}

#[test]
fn three_digits_after_a_point_are_refused_where_a_comma_is_usual() {
    for text in [
        "time;a\n2025-07-01;1.500\n2025-07-02;12.750\n",
        "time;a\n2025-07-01;1.500\n2025-07-02;750\n",
        "time;a;b\n2025-07-01;1.500;7\n2025-07-02;12.750;8\n",
        "Datum\ta\n01.07.2025\t1.500\n02.07.2025\t12.750\n",
        "time,a\n2025-07-01,1.500\n2025-07-02,750\n",
        "time;kpi;value\n2025-07-01;a;1.500\n",
    ] {
        let refused = refusal(text);
        assert!(refused.contains("\"1.500\" in column") && refused.contains("state the decimal sign"), "{refused}");
    }
}

#[test]
fn three_digits_after_a_point_are_decided_by_other_values() {
    for (text, expected) in [
        ("time,a\n2025-07-01,1.500\n2025-07-02,2.25\n2025-07-03,3\n", vec![1.5, 2.25, 3.0]),
        ("time,a\n2025-07-01,1.500\n2025-07-02,12.750\n", vec![1.5, 12.75]),
        ("time,a,b\n2025-07-01,1.500,7\n2025-07-02,12.750,8\n", vec![1.5, 7.0, 12.75, 8.0]),
        ("time;a\n2025-07-01;1.500\n2025-07-02;2.25\n", vec![1.5, 2.25]),
        ("time;a\n2025-07-01;1.500\n2025-07-02;1234.5\n", vec![1.5, 1_234.5]),
        ("time;a\n2025-07-01;1.500\n2025-07-02;2,5\n", vec![1_500.0, 2.5]),
        ("time;a;label.version\n2025-07-01;1;1.500\n", vec![1.0]),
    ] {
        assert_eq!(values(text), expected, "{text:?}");
    }
    for (sign, expected) in [(DecimalSign::Comma, 1_500.0), (DecimalSign::Point, 1.5)] {
        let stated = TableOptions { decimal: Some(sign), ..options(None) };
        let outcome = read_with(&stated, &b"time;a\n2025-07-01;1.500\n"[..]).unwrap();
        assert_eq!(outcome.rows()[0].3, expected);
    }
}

#[test]
fn first_number_with_a_fraction_after_the_sniffed_rows_decides() {
    let whole: String = (0..200).map(|i| format!("{i};5\n")).collect();
    for (late, values, problems) in [
        (["1.500", "1,500", "7"], vec![7.0], 2),
        (["2.5", "1.500", "7"], vec![2.5, 1.5, 7.0], 0),
        (["2,5", "1.500", "7"], vec![2.5, 1_500.0, 7.0], 0),
    ] {
        let rows: String = late.iter().enumerate().map(|(i, value)| format!("{};{value}\n", i + 200)).collect();
        let outcome = read(&format!("time;a\n{whole}{rows}"));
        let read: Vec<f64> = outcome.samples[200..].iter().map(|one| one.sample.value).collect();
        assert_eq!((read, outcome.problems.len()), (values, problems), "{late:?}");
    }
}

#[test]
fn signs_between_thousands_and_a_typographic_minus_are_read() {
    assert_eq!(values("time;a\n1;1 230,5\n2;1\u{a0}230\n3;\u{2212}3\n"), [1_230.5, 1_230.0, -3.0]);
    assert_eq!(values("time,a\n1,1'230.5\n2,\u{2212}0.25\n"), [1_230.5, -0.25]);
}

#[test]
fn spellings_of_a_missing_value_are_no_text() {
    let outcome = read("time,a,b\n1,#N/A,1\n2,--,2\n3,nil,3\n4,5,4\n");
    assert_eq!(outcome.kpis(), ["b", "a", "b"]);
    assert_eq!((outcome.samples.len(), outcome.problems.len()), (5, 0));
}

#[test]
fn column_of_numbers_with_signs_is_refused_and_named() {
    for cell in ["12%", "€12", "(3)", "3 ms", "\"=\"\"5\"\"\"", "1 2"] {
        let refused = refusal(&format!("time,load,rate\n1,5,\n2,6,{cell}\n3,7,{cell}\n"));
        assert!(refused.contains("\"rate\"") && refused.contains("line 3"), "{refused}");
        assert!(refused.contains("label.rate"), "{refused}");
    }
    assert!(refusal("timestamp,kpi,value\n1,a,5%\n2,a,6%\n").contains("label.value"));
    let labelled = read("time,load,label.rate\n1,5,12%\n");
    assert_eq!(labelled.rows()[0].1, "rate:12%");
    assert_eq!(read("time,load,size\n1,5,2xl\n2,5,10.0.0.1\n").rows()[0].1, "size:2xl");
    let few = read("time,a\n1,5\n2,6\n3,7%\n");
    assert_eq!(few.problem_texts(), ["line 4: a: \"7%\" is not a finite number"]);
}

#[test]
fn what_has_more_than_one_meaning_is_refused_and_can_be_stated() {
    for (text, word) in [
        ("time,a\n01/02/2025,1\n03/04/2025,2\n", "day_first or month_first"),
        ("time,a\n45839,1\n45840.5,2\n", "seconds or excel"),
        ("time;a\n2025-07-01;1,234\n2025-07-02;2\n", "decimal sign"),
        ("time,a,a\n1,2,3\n", "columns 2 and 3 have the same name \"a\""),
    ] {
        assert!(refusal(text).contains(word), "{}", refusal(text));
    }
    let stated = TableOptions { time_format: Some(TimeFormat::MonthFirst), ..options(None) };
    let outcome = read_with(&stated, &b"time,a\n01/02/2025,1\n"[..]).unwrap();
    assert_eq!(outcome.rows()[0].2, 1_735_776_000_000);
    let stated = TableOptions { decimal: Some(DecimalSign::Comma), ..options(None) };
    let outcome = read_with(&stated, &b"time;a\n2025-07-01;1,234\n"[..]).unwrap();
    assert_eq!(outcome.rows()[0].3, 1.234);
}
