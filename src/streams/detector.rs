//! Detectors: each has seen the past of one series and scores the next sample.

mod any_detector;
mod features;
mod score;
mod season_reach;

pub(super) use any_detector::AnyDetector;
pub use score::{Detector, Score};
pub use season_reach::SeasonReach;
