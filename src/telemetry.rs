//! What operators see: one catalogue of metrics, and structured logs.

mod catalogue;
mod logs;

pub use catalogue::{GaugePart, Metric, count, describe_all, gauge, record};
pub use logs::{LogFormat, start_logs};
