//! `earcon evaluate`: measures the detector, or a baseline, on labelled files, on a labelled
//! corpus, and on generated series.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::input::Failure;
use self::report::{Evaluation, EventsReport, KindResult, NotScored, NullResult, ProfileResult, SeriesResult};
use self::subject::{Scoring, Subject};
use super::output::{UNAVAILABLE, complain, say};
use crate::evaluation::metrics::quality;
use crate::evaluation::nab::{PROFILES, Sweep};
use crate::evaluation::{CONSTRUCTED_KINDS, Events, LabelledSeries, NULL_KINDS, Run, TRAP_KINDS, plot};

mod input;
mod report;
mod rows;
mod subject;

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
    /// Detect generated events among ordinary behaviour that looks like one: nights without orders,
    /// deployments, holidays, jobs that come late, counters sent as gauges, held values
    Traps {
        /// Number of series of each kind
        #[arg(long, value_name = "N", default_value_t = 3)]
        series: u64,
        /// Seed of the first series; it also draws rates, heights and hours
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
pub(super) struct Report {
    #[command(flatten)]
    scoring: Scoring,
    /// Write a plot of each series to this directory, as SVG
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Write the score, the band and the label of each row to this file, as CSV
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,
}

pub(super) fn evaluate(command: EvaluateCommand) -> ExitCode {
    match evaluated(command) {
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

fn evaluated(command: EvaluateCommand) -> Result<String, Failure> {
    match command {
        EvaluateCommand::Nab { data, report } => {
            let subject = report.scoring.subject()?;
            labelled(&input::nab(&data)?, &subject, &report)
        }
        EvaluateCommand::Csv { files, report } => {
            let subject = report.scoring.subject()?;
            let corpus: Result<Vec<_>, _> = files.iter().map(|file| input::csv(file)).collect();
            labelled(&corpus?, &subject, &report)
        }
        EvaluateCommand::Constructed { series, seed, scoring } => {
            let kinds = CONSTRUCTED_KINDS.map(|kind| (kind.name, move |seed| kind.series(seed)));
            generated("constructed anomalies", &kinds, seed..seed.saturating_add(series), &scoring)
        }
        EvaluateCommand::Traps { series, seed, scoring } => {
            let kinds = TRAP_KINDS.map(|kind| (kind.name, move |seed| kind.series(seed)));
            generated("events and what looks like one", &kinds, seed..seed.saturating_add(series), &scoring)
        }
        EvaluateCommand::Null { series, samples, seed, scoring } => {
            null(samples, seed..seed.saturating_add(series), &scoring)
        }
    }
}

fn labelled(corpus: &[LabelledSeries], subject: &Subject, report: &Report) -> Result<String, Failure> {
    let runs: Vec<Run> = corpus.iter().map(|series| subject.run(series)).collect();
    let threshold = subject.threshold;
    if let Some(dir) = &report.plots {
        draw(dir, corpus, &runs, threshold).map_err(|problem| (UNAVAILABLE, problem))?;
    }
    if let Some(file) = &report.rows {
        rows::write(file, corpus, &runs).map_err(|problem| (UNAVAILABLE, problem))?;
    }
    let any_labelled = corpus.iter().any(|series| series.labelled);
    let pairs = || corpus.iter().zip(&runs);
    let with_labels = pairs().filter(|(series, _)| series.labelled || !any_labelled);
    let series = pairs().map(|(series, run)| SeriesResult {
        name: &series.name,
        labelled: series.labelled,
        not_scored: NotScored::of(run),
        events: EventsReport::new(Events::count([(series, run)], threshold), series.labelled),
        quality: quality([(series, run)], threshold),
    });
    let evaluation = Evaluation {
        detector: subject.name,
        sensitivity: subject.sensitivity,
        labelled: any_labelled,
        events: EventsReport::new(Events::count(with_labels, threshold), any_labelled),
        profiles: if any_labelled { profiles(corpus, &runs, threshold) } else { Vec::new() },
        quality: quality(pairs(), threshold),
        series: series.collect(),
    };
    if report.scoring.json { report::json(&evaluation) } else { Ok(report::of_labelled(&evaluation)) }
}

fn profiles(corpus: &[LabelledSeries], runs: &[Run], threshold: f64) -> Vec<ProfileResult> {
    let sweep = Sweep::new(corpus.iter().zip(runs).map(|(series, run)| (series, &run.alerts[..])));
    let of = |profile| (sweep.at(threshold, profile), sweep.optimised(profile));
    let results = PROFILES.iter().map(|one| {
        let (fixed, best) = of(*one);
        ProfileResult { profile: one.name, fixed, best }
    });
    results.collect()
}

fn generated(
    title: &str,
    kinds: &[(&'static str, impl Fn(u64) -> LabelledSeries)],
    seeds: std::ops::Range<u64>,
    scoring: &Scoring,
) -> Result<String, Failure> {
    let subject = scoring.subject()?;
    let of_kind = |(name, series): &(&'static str, _)| {
        let runs: Vec<_> = seeds.clone().map(series).map(|series| (subject.run(&series), series)).collect();
        let pairs = || runs.iter().map(|(run, of)| (of, run));
        let events = Events::count(pairs(), subject.threshold);
        let rows_to_detect = quality(pairs(), subject.threshold).rows_to_detect;
        KindResult { kind: name, events, per_10000: events.false_alerts_per_10000(), rows_to_detect }
    };
    let results: Vec<KindResult> = kinds.iter().map(of_kind).collect();
    let title = format!("{}: {title}", subject.name);
    if scoring.json { report::json(&results) } else { Ok(report::of_kinds(&title, &results)) }
}

fn null(samples: usize, seeds: std::ops::Range<u64>, scoring: &Scoring) -> Result<String, Failure> {
    let subject = scoring.subject()?;
    let of_kind = |kind: &crate::evaluation::NullKind| {
        let alerts = |seed| subject.run(&kind.series(seed, samples)).opened.len();
        let false_alerts = seeds.clone().map(alerts).sum();
        let samples = samples * seeds.clone().count();
        let per_10000 = if samples == 0 { 0.0 } else { 10_000.0 * false_alerts as f64 / samples as f64 };
        NullResult { kind: kind.name, samples, false_alerts, per_10000 }
    };
    let results: Vec<NullResult> = NULL_KINDS.iter().map(of_kind).collect();
    if scoring.json { report::json(&results) } else { Ok(report::of_null(subject.name, &results)) }
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
