//! `earcon evaluate`: measures the detector on a labelled corpus, on labelled files, and on
//! anomaly-free data.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;

use self::input::Failure;
use super::output::{UNAVAILABLE, USAGE, complain, say};
use crate::evaluation::metrics::{Quality, quality};
use crate::evaluation::nab::{NabScore, PROFILES, Sweep};
use crate::evaluation::{CONSTRUCTED_KINDS, LabelledSeries, NULL_KINDS, Run, plot, run};
use earcon_streams::{DetectorName, StreamOptions, StreamSettings};

mod input;

#[derive(Subcommand)]
pub(super) enum EvaluateCommand {
    /// Score the corpus of the Numenta Anomaly Benchmark
    Nab {
        /// Directory with `data` and `labels`
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        report: Report,
    },
    /// Score labelled files: CSV with a header and the columns timestamp, value and label (0 or 1)
    Csv {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        report: Report,
    },
    /// Detect generated anomalies: repeated and missing spikes, shifts, drifts, changes of variance
    /// and frequency, stuck values
    Constructed {
        /// Number of series of each kind
        #[arg(long, value_name = "N", default_value_t = 20)]
        series: u64,
        /// Seed of the first series; the same seed gives the same series
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        scoring: Scoring,
    },
    /// Count false alerts on generated anomaly-free series
    Null {
        /// Number of series of each kind
        #[arg(long, value_name = "N", default_value_t = 20)]
        series: u64,
        /// Number of samples of each series
        #[arg(long, value_name = "N", default_value_t = 10_000)]
        samples: usize,
        /// Seed of the first series; the same seed gives the same series
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        scoring: Scoring,
    },
}

#[derive(Args)]
pub(super) struct Scoring {
    /// The detector, by name and version
    #[arg(long, value_name = "NAME", default_value = DetectorName::default().as_str(), value_parser = detector)]
    detector: DetectorName,
    /// As streams.sensitivity in the configuration
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    sensitivity: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Report {
    #[command(flatten)]
    scoring: Scoring,
    /// Write a plot of each series to this directory, as SVG
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

/// The JSON output for labelled series.
#[derive(Serialize)]
struct Evaluation<'a> {
    detector: &'static str,
    sensitivity: f64,
    profiles: Vec<ProfileResult>,
    quality: Quality,
    series: Vec<SeriesResult<'a>>,
}

#[derive(Serialize)]
struct ProfileResult {
    profile: &'static str,
    /// At the threshold that opens episodes in the product.
    fixed: NabScore,
    /// At the threshold that is best for this profile on this corpus. A threshold above all scores
    /// is null.
    best: NabScore,
}

#[derive(Serialize)]
struct SeriesResult<'a> {
    name: &'a str,
    late: usize,
    rejected: usize,
    quality: Quality,
}

/// The JSON output for one kind of constructed anomaly.
#[derive(Serialize)]
struct ConstructedResult {
    kind: &'static str,
    quality: Quality,
}

/// The JSON output for one kind of anomaly-free data.
#[derive(Serialize)]
struct NullResult {
    kind: &'static str,
    samples: usize,
    false_alerts: usize,
    per_10000: f64,
}

pub(super) fn evaluate(command: EvaluateCommand) -> ExitCode {
    let outcome = match command {
        EvaluateCommand::Nab { data, report } => {
            settings(&report.scoring).and_then(|settings| labelled(&input::nab(&data)?, &settings, &report))
        }
        EvaluateCommand::Csv { files, report } => settings(&report.scoring).and_then(|settings| {
            let corpus: Result<Vec<_>, _> = files.iter().map(|file| input::csv(file)).collect();
            labelled(&corpus?, &settings, &report)
        }),
        EvaluateCommand::Constructed { series, seed, scoring } => {
            settings(&scoring).and_then(|settings| constructed(series, seed, &settings, &scoring))
        }
        EvaluateCommand::Null { series, samples, seed, scoring } => {
            settings(&scoring).and_then(|settings| null(series, samples, seed, &settings, &scoring))
        }
    };
    match outcome {
        Ok(text) => {
            say(text.trim_end());
            ExitCode::SUCCESS
        }
        Err((code, problem)) => {
            complain(&problem);
            ExitCode::from(code)
        }
    }
}

fn settings(scoring: &Scoring) -> Result<Arc<StreamSettings>, Failure> {
    let options = StreamOptions { sensitivity: scoring.sensitivity, ..StreamOptions::for_detector(scoring.detector) };
    let settings = StreamSettings::try_from(options).map_err(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        (USAGE, all.join("; "))
    })?;
    Ok(Arc::new(settings))
}

fn labelled(corpus: &[LabelledSeries], settings: &Arc<StreamSettings>, report: &Report) -> Result<String, Failure> {
    let runs: Vec<Run> = corpus.iter().map(|series| run(series, settings)).collect();
    let threshold = f64::from(settings.open_score);
    if let Some(dir) = &report.plots {
        draw(dir, corpus, &runs, threshold).map_err(|problem| (UNAVAILABLE, problem))?;
    }
    let sweep = Sweep::new(corpus.iter().zip(&runs).map(|(series, run)| (series, &run.alerts[..])));
    let profile = |profile| (sweep.at(threshold, profile), sweep.optimised(profile));
    let series = corpus.iter().zip(&runs).map(|(series, run)| SeriesResult {
        name: &series.name,
        late: run.late,
        rejected: run.rejected,
        quality: quality([(series, run)], threshold),
    });
    let evaluation = Evaluation {
        detector: settings.detector.as_str(),
        sensitivity: settings.sensitivity,
        profiles: PROFILES
            .iter()
            .map(|one| {
                let (fixed, best) = profile(*one);
                ProfileResult { profile: one.name, fixed, best }
            })
            .collect(),
        quality: quality(corpus.iter().zip(&runs), threshold),
        series: series.collect(),
    };
    if report.scoring.json { json(&evaluation) } else { Ok(table(&evaluation)) }
}

fn constructed(series: u64, seed: u64, settings: &Arc<StreamSettings>, scoring: &Scoring) -> Result<String, Failure> {
    let threshold = f64::from(settings.open_score);
    let results: Vec<ConstructedResult> = CONSTRUCTED_KINDS
        .iter()
        .map(|kind| {
            let series = (seed..seed.saturating_add(series)).map(|seed| kind.series(seed));
            let runs: Vec<_> = series.map(|series| (run(&series, settings), series)).collect();
            ConstructedResult { kind: kind.name, quality: quality(runs.iter().map(|(run, of)| (of, run)), threshold) }
        })
        .collect();
    if scoring.json {
        return json(&results);
    }
    let mut text = format!("{}: constructed anomalies\n", settings.detector.as_str());
    for ConstructedResult { kind, quality } in &results {
        let Quality { found, windows, false_alerts, .. } = quality;
        let rows =
            quality.rows_to_detect.map_or(String::new(), |rows| format!(", {rows:.0} rows from the start (median)"));
        add(&mut text, &format!("{kind:<18} found {found:>4} of {windows:<4} {false_alerts:>3} false alerts{rows}"));
    }
    Ok(text)
}

fn null(
    series: u64,
    samples: usize,
    seed: u64,
    settings: &Arc<StreamSettings>,
    scoring: &Scoring,
) -> Result<String, Failure> {
    let results: Vec<NullResult> = NULL_KINDS
        .iter()
        .map(|kind| {
            let alerts = |seed| run(&kind.series(seed, samples), settings).alerts.iter().filter(|a| **a > 0.0).count();
            let false_alerts = (seed..seed.saturating_add(series)).map(alerts).sum();
            let samples = samples * series as usize;
            let per_10000 = if samples == 0 { 0.0 } else { 10_000.0 * false_alerts as f64 / samples as f64 };
            NullResult { kind: kind.name, samples, false_alerts, per_10000 }
        })
        .collect();
    if scoring.json {
        return json(&results);
    }
    let mut text = format!("{}: false alerts on anomaly-free data\n", settings.detector.as_str());
    for result in &results {
        let NullResult { kind, samples, false_alerts, per_10000 } = result;
        add(&mut text, &format!("{kind:<18} {per_10000:>7.2} per 10,000 samples  ({false_alerts} in {samples})"));
    }
    let mean = results.iter().map(|result| result.per_10000).sum::<f64>() / results.len() as f64;
    add(&mut text, &format!("{:<18} {mean:>7.2}", "mean"));
    Ok(text)
}

fn detector(name: &str) -> Result<DetectorName, String> {
    let known = || DetectorName::ALL.map(DetectorName::as_str).join(", ");
    DetectorName::parse(name).ok_or_else(|| format!("unknown detector; the detectors are {}", known()))
}

fn json(result: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(result).map_err(|error| (UNAVAILABLE, error.to_string()))
}

fn table(evaluation: &Evaluation<'_>) -> String {
    let Evaluation { detector, quality, series, .. } = evaluation;
    let late: usize = series.iter().map(|series| series.late + series.rejected).sum();
    let mut text = format!(
        "{detector}: {} series, {} rows ({late} not scored), {:.0} days, {} windows\n\n",
        series.len(),
        quality.rows,
        quality.days,
        quality.windows
    );
    add(&mut text, "Numenta score          as is   found  false      best   found  false  threshold");
    for ProfileResult { profile, fixed, best } in &evaluation.profiles {
        let part = |nab: &NabScore| format!("{:>8.2} {:>7} {:>6}", nab.score, nab.found, nab.false_alerts);
        add(&mut text, &format!("{profile:<20}{}  {}  {:>9.4}", part(fixed), part(best), best.threshold));
    }
    add(&mut text, "");
    let agreement = |name: &str, of: &crate::evaluation::metrics::Agreement| {
        format!("{name:<20}precision {:.3}  recall {:.3}  F1 {:.3}", of.precision, of.recall, of.f1)
    };
    add(&mut text, &agreement("point-adjusted", &quality.point_adjusted));
    add(&mut text, &agreement("ranges", &quality.ranges));
    let alerts = (quality.alerts, quality.false_alerts, quality.alerts_per_day);
    add(
        &mut text,
        &format!("{:<20}{} ({} outside of windows), {:.3} a day and series", "alerts", alerts.0, alerts.1, alerts.2),
    );
    let to_detect = match (quality.rows_to_detect, quality.seconds_to_detect) {
        (Some(rows), Some(seconds)) => format!("{rows:.0} rows, {seconds:.0} s from the start of a window (median)"),
        _ => "no window was found".to_owned(),
    };
    add(&mut text, &format!("{:<20}{to_detect}", "time to detect"));
    text
}

fn add(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _infallible = writeln!(text, "{line}").is_err();
}

fn draw(dir: &Path, corpus: &[LabelledSeries], runs: &[Run], threshold: f64) -> Result<(), String> {
    let problem = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(dir).map_err(|error| problem(dir, error))?;
    for (series, run) in corpus.iter().zip(runs) {
        let file = dir.join(format!("{}.svg", series.name.replace(['/', '\\'], "-")));
        std::fs::write(&file, plot(series, run, threshold)).map_err(|error| problem(&file, error))?;
    }
    Ok(())
}
