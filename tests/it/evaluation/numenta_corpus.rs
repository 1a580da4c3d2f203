//! The Numenta scorer against the published scores. The corpus is not in the repository.
//!
//! `EARCON_TEST_NAB=DIRECTORY cargo test --test it numenta_corpus -- --ignored`

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use earcon::evaluation::LabelledSeries;
use earcon::evaluation::nab::{PROFILES, Sweep};

use super::json;

/// The directory of the Numenta corpus, with `reference-scores` next to `data` and `labels`.
/// Panics if `EARCON_TEST_NAB` is not set.
fn corpus_dir() -> PathBuf {
    std::env::var_os("EARCON_TEST_NAB").map(PathBuf::from).expect("EARCON_TEST_NAB names the Numenta corpus")
}

fn corpus(dir: &Path) -> Vec<LabelledSeries> {
    let time = |text: &str| earcon_tables::parse_time(text).unwrap();
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

/// Computes the rounded scores of windowedGaussian again.
///
/// The file of scores has six digits: 2,339 rows are rounded to 1, and the best threshold is among
/// them. The published results come from scores with twelve digits. The detector has a window of
/// 6,400 values that moves by 100. Twelve digits round the tail of the normal distribution to 1
/// from 7.131 standard deviations on.
fn separate_rounded_scores(series: &LabelledSeries, scores: &mut [f64]) {
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
#[ignore = "needs the Numenta corpus"]
fn scorer_agrees_with_the_published_scores() {
    let dir = corpus_dir();
    let corpus = corpus(&dir);
    for (detector, published) in [
        ("windowedGaussian", [39.6, 20.9, 47.4]),
        ("contextOSE", [69.9, 67.0, 73.2]),
        ("ARTime", [74.9, 65.2, 80.4]),
        ("randomCutForest", [51.7, 38.4, 59.7]),
    ] {
        let mut scores = published_scores(&dir, detector);
        if detector == "windowedGaussian" {
            corpus.iter().for_each(|one| separate_rounded_scores(one, scores.get_mut(&one.name).unwrap()));
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
#[ignore = "needs the Numenta corpus"]
fn program_scores_the_whole_corpus() {
    let dir = corpus_dir();
    let found = json(&["nab", "--data", dir.to_str().unwrap(), "--json"]);
    assert_eq!((&found["quality"]["windows"], &found["quality"]["rows"]), (&116.into(), &365_558.into()));
    assert_eq!(found["series"].as_array().unwrap().len(), 58);
    for profile in found["profiles"].as_array().unwrap() {
        assert!(profile["best"]["score"].as_f64() >= profile["fixed"]["score"].as_f64(), "{profile:#}");
    }
}
