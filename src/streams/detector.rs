//! Detectors: each has seen the past of one series and scores the next sample.

mod any_detector;
mod calibration;
mod features;
mod forecast;
mod robust_forecast;
mod score;
mod tail_rank;

pub(super) use any_detector::AnyDetector;
pub use robust_forecast::RobustForecast;
pub use score::{Detector, Score};
pub use tail_rank::TailRank;
