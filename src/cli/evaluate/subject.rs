//! The subject of an evaluation: a detector of the product or a baseline, with its options.

use std::sync::Arc;

use clap::Args;
use jiff::tz::TimeZone;

use super::input::Failure;
use crate::app::utc_offsets;
use crate::cli::output::USAGE;
use crate::evaluation::{Baseline, LabelledSeries, Run, run};
use earcon_streams::{DetectorName, StreamOptions, StreamSettings, UtcOffsets};

#[derive(Args)]
pub(in crate::cli) struct Scoring {
    /// A detector or a baseline: season-reach-1, holt-winters-daily, holt-winters-weekly,
    /// seasonal-median, netdata-k-means, rolling-sigmas
    #[arg(long, value_name = "NAME", default_value = DetectorName::default().as_str(), value_parser = kind)]
    detector: Kind,
    /// As streams.sensitivity in the configuration; for a baseline, its threshold is divided by it
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    sensitivity: f64,
    /// Time zone of daily and weekly patterns, an IANA name
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Detector(DetectorName),
    Baseline(Baseline),
}

/// A detector or a baseline, ready to run.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) sensitivity: f64,
    /// The score of an alert.
    pub(super) threshold: f64,
    kind: Kind,
    settings: Arc<StreamSettings>,
    offsets: UtcOffsets,
}

impl Scoring {
    pub(super) fn subject(&self) -> Result<Subject, Failure> {
        let zone = TimeZone::get(&self.time_zone)
            .map_err(|_| (USAGE, format!("{} is not the name of a time zone", self.time_zone)))?;
        let offsets = utc_offsets(&zone);
        let (name, detector) = match self.detector {
            Kind::Detector(detector) => (detector.as_str(), detector),
            Kind::Baseline(baseline) => (baseline.as_str(), DetectorName::default()),
        };
        let options = StreamOptions {
            sensitivity: self.sensitivity,
            utc_offsets: offsets.clone(),
            ..StreamOptions::for_detector(detector)
        };
        let settings = StreamSettings::try_from(options).map_err(|problems| {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            (USAGE, all.join("; "))
        })?;
        let threshold = f64::from(settings.open_score);
        let (sensitivity, kind) = (self.sensitivity, self.detector);
        Ok(Subject { name, sensitivity, threshold, kind, settings: Arc::new(settings), offsets })
    }
}

impl Subject {
    /// Scores a series.
    pub(super) fn run(&self, series: &LabelledSeries) -> Run {
        match self.kind {
            Kind::Detector(_) => run(series, &self.settings),
            Kind::Baseline(baseline) => {
                let threshold = baseline.threshold() / self.sensitivity;
                baseline.run(series, threshold, &self.settings, |at_ms| self.offsets.local_ms(at_ms))
            }
        }
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    let detector = DetectorName::parse(name).map(Kind::Detector);
    detector.or_else(|| Baseline::parse(name).map(Kind::Baseline)).ok_or_else(|| {
        let detectors = DetectorName::ALL.map(DetectorName::as_str);
        let baselines = Baseline::ALL.map(Baseline::as_str);
        format!("unknown; the detectors are {}, the baselines {}", detectors.join(", "), baselines.join(", "))
    })
}
