//! The available detectors, and a value that holds any of them.

use super::robust_forecast::RobustForecast;
use super::score::{Detector, Score};
use super::tail_rank::TailRank;
use crate::detector_name::DetectorName;
use crate::settings::StreamSettings;
use earcon_model::Sample;

/// A detector of either kind; boxed, so that a series with the smaller one stays small.
#[derive(Debug, Clone)]
pub(crate) enum AnyDetector {
    RobustForecast(Box<RobustForecast>),
    TailRank(Box<TailRank>),
}

impl AnyDetector {
    /// Heap memory of one detector.
    pub(crate) fn heap_bytes(name: DetectorName) -> usize {
        match name {
            DetectorName::RobustForecast => size_of::<RobustForecast>(),
            DetectorName::TailRank => size_of::<TailRank>(),
        }
    }

    pub(crate) fn new(name: DetectorName) -> Self {
        match name {
            DetectorName::RobustForecast => Self::RobustForecast(Box::default()),
            DetectorName::TailRank => Self::TailRank(Box::default()),
        }
    }

    pub(crate) fn decode(name: DetectorName, bytes: &[u8]) -> Option<Self> {
        Some(match name {
            DetectorName::RobustForecast => Self::RobustForecast(Box::new(RobustForecast::decode(bytes)?)),
            DetectorName::TailRank => Self::TailRank(Box::new(TailRank::decode(bytes)?)),
        })
    }

    pub(crate) fn score(&mut self, sample: Sample, settings: &StreamSettings) -> Option<Score> {
        match self {
            Self::RobustForecast(detector) => detector.score(sample, settings),
            Self::TailRank(detector) => detector.score(sample, settings),
        }
    }

    pub(crate) fn seen(&self) -> u32 {
        match self {
            Self::RobustForecast(detector) => detector.seen(),
            Self::TailRank(detector) => detector.seen(),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::RobustForecast(detector) => detector.encode(out),
            Self::TailRank(detector) => detector.encode(out),
        }
    }
}
