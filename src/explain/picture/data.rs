//! The data of a picture.

use earcon_model::Anomaly;

/// The series at one time, or over one step of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Milliseconds UTC; the middle of a step.
    pub at_ms: i64,
    /// The value, or the smallest of the step.
    pub low: f64,
    /// The value, or the largest of the step.
    pub high: f64,
    /// The expected value; NaN if unknown.
    pub expected: f64,
    /// Lower edge of the band; NaN if unknown.
    pub lower: f64,
    /// Upper edge of the band; NaN if unknown.
    pub upper: f64,
}

/// The data of a picture.
pub struct PictureData<'a> {
    /// The anomaly.
    pub anomaly: &'a Anomaly,
    /// The finding in words, for readers who do not see the picture.
    pub finding: &'a str,
    /// Its series in time order.
    pub points: &'a [Point],
    /// First moment shown, milliseconds UTC.
    pub from_ms: i64,
    /// Last moment shown.
    pub to_ms: i64,
    /// Local time of a moment, for the axis.
    pub local_ms: &'a dyn Fn(i64) -> i64,
    /// The name of that time zone.
    pub zone: &'a str,
}
