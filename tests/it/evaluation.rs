//! `earcon evaluate`: what it prints, and that its Numenta scorer agrees with the published scores.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use earcon::evaluation::LabelledSeries;
use earcon::evaluation::nab::{PROFILES, Sweep};
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

/// A thousand rows of noise with a labelled spike near the end.
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
fn a_labelled_file_of_ones_own_is_scored_and_drawn() {
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
fn data_that_is_not_there_is_said_plainly() {
    let dir = TempDir::new().unwrap();
    let nab = evaluate(&["nab", "--data", dir.path().to_str().unwrap()]);
    assert_eq!(nab.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&nab.stderr).contains("combined_windows.json"));
    let bad = evaluate(&["null", "--sensitivity", "100"]);
    assert_eq!(bad.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("sensitivity must be"));
}

/// The directory of the Numenta corpus, with `reference-scores` beside `data` and `labels`.
fn corpus_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("EARCON_TEST_NAB").map(PathBuf::from);
    if dir.is_none() {
        eprintln!("skipped: EARCON_TEST_NAB does not name the directory of the Numenta corpus");
    }
    dir
}

fn corpus(dir: &Path) -> Vec<LabelledSeries> {
    let time = |text: &str| earcon::sources::csv::parse_time(text).unwrap();
    let text = std::fs::read_to_string(dir.join("labels/combined_windows.json")).unwrap();
    let windows: HashMap<String, Vec<(String, String)>> = serde_json::from_str(&text).unwrap();
    let read = |(name, windows): (String, Vec<(String, String)>)| {
        let windows = windows.iter().map(|(from, to)| (time(from), time(to))).collect();
        let mut series = LabelledSeries { name, windows, ..LabelledSeries::default() };
        let mut reader = csv::Reader::from_path(dir.join("data").join(&series.name)).unwrap();
        for row in reader.records().map(Result::unwrap) {
            series.timestamps_ms.push(time(&row[0]));
            series.values.push(row[1].parse().unwrap());
        }
        series
    };
    windows.into_iter().map(read).collect()
}

fn published_scores(dir: &Path, detector: &str) -> HashMap<String, Vec<f64>> {
    let file = std::fs::File::open(dir.join(format!("reference-scores/{detector}.csv.gz"))).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut scores: HashMap<String, Vec<f64>> = HashMap::new();
    for line in text.lines().skip(1) {
        let mut cells = line.split(',');
        let (name, score) = (cells.next().unwrap(), cells.nth(1).unwrap());
        scores.entry(name.to_owned()).or_default().push(score.parse().unwrap());
    }
    scores
}

/// The file of scores has six digits; 2,339 rows of windowedGaussian are rounded to 1 in it, and the best threshold lies among
/// them. The published results come from scores with twelve digits, so these rows are told apart by computing the detector
/// again: a window of 6,400 values that moves by 100, and the tail of the normal distribution, which twelve digits round
/// to 1 from 7.131 standard deviations on.
fn separate_what_was_rounded(series: &LabelledSeries, scores: &mut [f64]) {
    let (mut window, mut waiting) = (Vec::new(), Vec::new());
    let (mut mean, mut deviation) = (0.0, 1.0);
    for (score, value) in scores.iter_mut().zip(&series.values) {
        if *score == 1.0 {
            let z: f64 = (value - mean) / deviation;
            *score += z.abs().min(7.131) / 1e6;
        }
        if window.len() < 6_400 {
            window.push(*value);
        } else {
            waiting.push(*value);
            if waiting.len() < 100 {
                continue;
            }
            window.drain(..100);
            window.append(&mut waiting);
        }
        mean = window.iter().sum::<f64>() / window.len() as f64;
        let variance = window.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / window.len() as f64;
        deviation = if variance == 0.0 { 1e-6 } else { variance.sqrt() };
    }
}

#[test]
fn published_detectors_get_their_published_numenta_scores() {
    let Some(dir) = corpus_dir() else { return };
    let corpus = corpus(&dir);
    for (detector, published) in [
        ("windowedGaussian", [39.6, 20.9, 47.4]),
        ("contextOSE", [69.9, 67.0, 73.2]),
        ("ARTime", [74.9, 65.2, 80.4]),
        ("randomCutForest", [51.7, 38.4, 59.7]),
    ] {
        let mut scores = published_scores(&dir, detector);
        if detector == "windowedGaussian" {
            corpus.iter().for_each(|one| separate_what_was_rounded(one, scores.get_mut(&one.name).unwrap()));
        }
        let sweep = Sweep::new(corpus.iter().map(|one| (one, &scores[&one.name][..])));
        for (profile, published) in PROFILES.into_iter().zip(published) {
            let found = sweep.optimised(profile);
            assert!((found.score - published).abs() < 0.3, "{detector}, {}: {found:?}", profile.name);
            assert_eq!(found.windows, 116);
        }
    }
}

#[test]
fn the_numenta_corpus_is_scored_by_the_program() {
    let Some(dir) = corpus_dir() else { return };
    let found = json(&["nab", "--data", dir.to_str().unwrap(), "--json"]);
    assert_eq!((&found["quality"]["windows"], &found["quality"]["rows"]), (&116.into(), &365_558.into()));
    assert_eq!(found["series"].as_array().unwrap().len(), 58);
    for profile in found["profiles"].as_array().unwrap() {
        assert!(profile["best"]["score"].as_f64() >= profile["fixed"]["score"].as_f64(), "{profile:#}");
    }
}
