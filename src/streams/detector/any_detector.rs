//! The available detectors, and a value that holds any of them.

use super::{Detector, RobustForecast, TailRank, Verdict};
use crate::settings::StreamSettings;
use earcon_model::Sample;

/// The name of a detector, version included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DetectorName {
    /// [`RobustForecast`].
    RobustForecast,
    /// [`TailRank`].
    #[default]
    TailRank,
}

impl DetectorName {
    /// All detectors.
    pub const ALL: [Self; 2] = [Self::TailRank, Self::RobustForecast];

    /// The name in configuration, anomalies and snapshots.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RobustForecast => RobustForecast::VERSION,
            Self::TailRank => TailRank::VERSION,
        }
    }

    /// Heap memory of one detector.
    pub(crate) fn heap_bytes(self) -> usize {
        match self {
            Self::RobustForecast => size_of::<RobustForecast>(),
            Self::TailRank => size_of::<TailRank>(),
        }
    }

    /// The detector with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|detector| detector.as_str() == name)
    }
}

/// A detector of either kind; boxed, so that a series with the smaller one stays small.
#[derive(Debug, Clone)]
pub(crate) enum Chosen {
    RobustForecast(Box<RobustForecast>),
    TailRank(Box<TailRank>),
}

impl Chosen {
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

    pub(crate) fn push(&mut self, sample: Sample, settings: &StreamSettings) -> Verdict {
        match self {
            Self::RobustForecast(detector) => detector.push(sample, settings),
            Self::TailRank(detector) => detector.push(sample, settings),
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
