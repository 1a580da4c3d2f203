//! The available detectors, and a value that holds any of them.

use super::score::{Detector, Score};
use super::season_reach::SeasonReach;
use crate::detector_name::DetectorName;
use crate::natural::Observed;
use crate::settings::StreamSettings;
use earcon_model::Sample;

/// A detector of any kind. Its hot part is inline.
#[derive(Debug, Clone)]
pub(crate) enum AnyDetector {
    SeasonReach(SeasonReach),
}

impl AnyDetector {
    /// Heap memory of one detector.
    pub(crate) fn heap_bytes(name: DetectorName) -> usize {
        match name {
            DetectorName::SeasonReach => SeasonReach::heap_bytes(),
        }
    }

    pub(crate) fn new(name: DetectorName) -> Self {
        match name {
            DetectorName::SeasonReach => Self::SeasonReach(SeasonReach::default()),
        }
    }

    pub(crate) fn decode(name: DetectorName, bytes: &[u8]) -> Option<Self> {
        Some(match name {
            DetectorName::SeasonReach => Self::SeasonReach(SeasonReach::decode(bytes)?),
        })
    }

    pub(crate) fn score(&mut self, sample: Sample, settings: &StreamSettings, sensitivity: f64) -> Option<Score> {
        match self {
            Self::SeasonReach(detector) => detector.score(sample, settings, sensitivity),
        }
    }

    pub(crate) fn seen(&self) -> u32 {
        match self {
            Self::SeasonReach(detector) => detector.seen(),
        }
    }

    /// How long the detector has known its series at a time, milliseconds.
    pub(crate) fn known_for_ms(&self, timestamp_ms: i64) -> i64 {
        match self {
            Self::SeasonReach(detector) => detector.known_for_ms(timestamp_ms),
        }
    }

    /// What the values were so far; `None` before the first.
    pub(crate) fn observed(&self) -> Option<Observed> {
        match self {
            Self::SeasonReach(detector) => detector.observed(),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::SeasonReach(detector) => detector.encode(out),
        }
    }
}
