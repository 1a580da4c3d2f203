//! `earcon evaluate`: its output and its errors.

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
    assert_eq!((&found["quality"]["windows"], &found["quality"]["found"]), (&1.into(), &1.into()), "{found:#}");
    assert_eq!(found["quality"]["rows_to_detect"], 5.0);
    assert_eq!(found["profiles"].as_array().unwrap().len(), 3);
    let pictures: Vec<_> = std::fs::read_dir(plots).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(pictures.len(), 1);
    assert!(std::fs::read_to_string(&pictures[0]).unwrap().contains("<title>hit, row 900"));

    let text = evaluate(&["csv", file]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for part in ["standard", "low false positives", "point-adjusted", "ranges", "a day", "time to detect"] {
        assert!(text.contains(part), "{part} not in:\n{text}");
    }
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
