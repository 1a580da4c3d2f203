//! The interface of detectors: a sample in, a score out.

use crate::settings::StreamSettings;
use earcon_model::{Direction, Feature, Features, Sample};

/// Values beyond this are scored as this, so that sums of a few of them stay finite.
pub(super) const LARGEST: f64 = 1e300;

/// A detector's score of one sample, with the values behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Calibrated surprise, 0 to 1; 0.5 is worth an alert.
    pub value: f32,
    /// The prediction before the value was seen, in the KPI's unit. Finite.
    pub expected: f64,
    /// Lower edge of the band of ordinary values. Finite, at most `expected`.
    pub lower: f64,
    /// Upper edge. Finite, at least `expected`.
    pub upper: f64,
    /// The features behind the score.
    pub features: Features,
    /// The side of the band on which the sample lies; inside of the band, that of `expected`.
    pub direction: Direction,
    /// The feature that contributed most.
    pub reason: Feature,
    /// Whether a fault goes on that has alerted before: the value is nowhere near the expected one,
    /// even if it would not alert itself.
    pub goes_on: bool,
}

/// Scores the samples of one series, one after another.
///
/// Pure and deterministic: the same samples give the same scores and the same bytes, to the bit, on
/// every platform. Samples have strictly increasing timestamps and finite values. Every finite
/// value must be handled. The default is a detector that has seen no sample.
pub trait Detector: Sized + Default {
    /// Names the algorithm and its byte form. It is part of an anomaly's identity and of every
    /// snapshot, so a change of scores or bytes needs a new version.
    const VERSION: &'static str;

    /// Scores a sample by the earlier ones, then learns from it. `None` during the `warm_up` of the
    /// settings. A higher `sensitivity` lowers the surprise that scores 0.5. The design value is 1;
    /// it comes from the settings and from feedback, and does not change what is learned.
    ///
    /// The score reaches `open_score` of the settings if, and only if, the value lies outside of
    /// the band.
    fn score(&mut self, sample: Sample, settings: &StreamSettings, sensitivity: f64) -> Option<Score>;

    /// Samples seen, saturating.
    fn seen(&self) -> u32;

    /// Appends the state's byte form, from which [`decode`](Self::decode) makes an equal detector.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads the bytes of `encode`. `None` if they are not valid.
    fn decode(bytes: &[u8]) -> Option<Self>;
}
