//! The interface of baselines.

/// The distance of the next value from the earlier ones.
pub(super) trait Distance {
    /// The distance of a value, 0 while too little is known. Learns the value.
    fn push(&mut self, local_ms: i64, value: f64) -> f64;
}
