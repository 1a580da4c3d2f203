//! `earcon evaluate`: its output and its errors.

mod held_out;
mod numenta_corpus;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn evaluate(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_earcon")).arg("evaluate").args(args).output().expect("the program runs")
}

fn json(args: &[&str]) -> Value {
    let output = evaluate(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Writes a thousand rows of noise with a labelled spike near the end.
fn labelled_file(dir: &Path) -> PathBuf {
    let mut text = "timestamp,value,label\n".to_owned();
    for i in 0..1_000 {
        let spike = i == 900;
        let value = if spike { 500 } else { i * 7_919 % 101 };
        text.push_str(&format!("{},{value},{}\n", 1_700_000_000 + i * 60, u8::from((895..905).contains(&i))));
    }
    let file = dir.join("mine.csv");
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn labelled_file_is_scored_and_plotted() {
    let dir = TempDir::new().unwrap();
    let (file, plots) = (labelled_file(dir.path()), dir.path().join("plots"));
    let (file, plots) = (file.to_str().unwrap(), plots.to_str().unwrap());
    let found = json(&["csv", file, "--json", "--plots", plots]);
    assert_eq!(found["quality"]["rows"], 1_000);
    assert_eq!((&found["events"]["windows"], &found["events"]["found"]), (&1.into(), &1.into()), "{found:#}");
    assert!(found["events"]["agreement"]["f1"].is_number() && found["labelled"] == true);
    assert_eq!((&found["quality"]["windows"], &found["quality"]["found"]), (&1.into(), &1.into()), "{found:#}");
    assert_eq!(found["quality"]["rows_to_detect"], 5.0);
    assert_eq!(found["profiles"].as_array().unwrap().len(), 3);
    let pictures: Vec<_> = std::fs::read_dir(plots).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(pictures.len(), 1);
    assert!(std::fs::read_to_string(&pictures[0]).unwrap().contains("<title>hit, row 900"));

    let text = evaluate(&["csv", file]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("1000 rows (30 not scored: 30 of the warm-up)"), "{text}");
    for part in ["events", "standard", "low false positives", "point-adjusted", "ranges", "a day", "time to detect"] {
        assert!(text.contains(part), "{part} not in:\n{text}");
    }
}

#[test]
fn rows_hold_score_band_and_label() {
    let dir = TempDir::new().unwrap();
    let (file, rows) = (labelled_file(dir.path()), dir.path().join("rows.csv"));
    let output = evaluate(&["csv", file.to_str().unwrap(), "--rows", rows.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut reader = csv::Reader::from_path(&rows).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1_000);
    let spike = &rows[900];
    assert_eq!((&spike[2], &spike[3], &spike[8], &spike[10]), ("500", "scored", "1", "1"), "{spike:?}");
    assert!(spike[7].parse::<f64>().unwrap() < 500.0, "the value is above the band: {spike:?}");
    assert_eq!((&rows[0][3], &rows[0][4], &rows[0][5]), ("warm_up", "", ""), "no score and no band");
    assert_eq!(&rows[0][10], "0");
}

#[test]
fn missing_labels_are_said_and_not_counted_as_zero() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("unlabelled.csv");
    let rows: String = (0..200).map(|i| format!("{},{}\n", 1_700_000_000 + i * 60, i * 31 % 17)).collect();
    std::fs::write(&file, format!("timestamp,value\n{rows}")).unwrap();
    let file = file.to_str().unwrap();
    let found = json(&["csv", file, "--json"]);
    assert_eq!((&found["labelled"], &found["events"]["agreement"]), (&false.into(), &Value::Null));
    assert_eq!(found["events"]["false_alerts_per_day"], Value::Null);
    let text = evaluate(&["csv", file]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("have no labels") && !text.contains("F1"), "{text}");
}

#[test]
fn baselines_run_on_the_same_data() {
    for name in ["holt-winters-daily", "holt-winters-weekly", "seasonal-median", "netdata-k-means", "rolling-sigmas"] {
        let found = json(&["constructed", "--series", "1", "--detector", name, "--json"]);
        assert_eq!(found[0]["kind"], "repeated spikes");
        assert_eq!(found[0]["events"]["windows"], 14, "{name}");
    }
    let unknown = evaluate(&["null", "--detector", "oracle-1"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("holt-winters-daily"));
    let zone = evaluate(&["null", "--time-zone", "Nowhere/Else"]);
    assert_eq!(zone.status.code(), Some(64));
}

#[test]
fn traps_are_counted_by_kind() {
    let found = json(&["traps", "--series", "1", "--json"]);
    assert_eq!(found.as_array().unwrap().len(), 20);
    assert_eq!((&found[0]["kind"], &found[0]["events"]["windows"]), (&"orders".into(), &2.into()));
}

#[test]
fn false_alerts_on_null_data_are_counted_by_kind() {
    let found = json(&["null", "--series", "2", "--samples", "400", "--json"]);
    let kinds: Vec<_> = found.as_array().unwrap().iter().map(|kind| kind["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "constant");
    assert_eq!(kinds.len(), 8);
    assert_eq!((&found[0]["samples"], &found[0]["false_alerts"]), (&800.into(), &0.into()));
}

#[test]
fn missing_data_is_a_clear_error() {
    let dir = TempDir::new().unwrap();
    let nab = evaluate(&["nab", "--data", dir.path().to_str().unwrap()]);
    assert_eq!(nab.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&nab.stderr).contains("combined_windows.json"));
    let bad = evaluate(&["null", "--sensitivity", "100"]);
    assert_eq!(bad.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("sensitivity must be"));
}
