//! What a detector is: something that has seen the past of one series and says how surprising the next sample is.

mod any_detector;
mod calibration;
mod features;
mod forecast;
mod robust_forecast;
mod tail_rank;

pub(super) use any_detector::Chosen;
pub use any_detector::DetectorName;
pub use robust_forecast::RobustForecast;
pub use tail_rank::TailRank;

use super::settings::StreamSettings;
use earcon_model::{Direction, Feature, Features, Rank, Sample};

/// Beyond this, values are scored as if they were this: sums of a few of them stay finite.
const LARGEST: f64 = 1e300;

/// What a detector says of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// `None` while warming up.
    pub judgement: Option<Judgement>,
}

/// A verdict after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// Calibrated surprise, 0 to 1; 0.5 is worth an alert.
    pub score: f32,
    /// What was expected before the value was seen, in the KPI's unit. Finite.
    pub expected: f64,
    /// Lower edge of the band of ordinary values. Finite, at most `expected`.
    pub lower: f64,
    /// Upper edge. Finite, at least `expected`.
    pub upper: f64,
    /// The values behind the score.
    pub features: Features,
    /// Which way the sample differs from what was expected.
    pub direction: Direction,
    /// The feature that contributed most.
    pub reason: Feature,
    /// How rare that feature's value is; `None` for samples that are no surprise.
    pub rank: Option<Rank>,
}

/// Scores the samples of one series, one after another.
///
/// Pure and deterministic: the same samples give the same verdicts and the same bytes, to the bit, on every platform.
/// Samples come in strictly increasing order of timestamp with finite values; any finite value must be survived.
/// One that has seen nothing is the default.
pub trait Detector: Sized + Default {
    /// Names algorithm and byte form. It is part of an anomaly's identity and of every snapshot, so a change that
    /// changes scores or bytes needs a new one.
    const VERSION: &'static str;

    /// Judges a sample by what came before it, then learns from it. Verdicts begin after the `warm_up` of the settings, and
    /// a score of 0.5 stands for the less surprise the larger the `sensitivity` is (1 as designed).
    fn push(&mut self, sample: Sample, settings: &StreamSettings) -> Verdict;

    /// Samples seen, saturating.
    fn seen(&self) -> u32;

    /// Appends the state's byte form, from which [`decode`](Self::decode) makes an equal detector.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads what `encode` wrote; `None` when the bytes are not that.
    fn decode(bytes: &[u8]) -> Option<Self>;
}
