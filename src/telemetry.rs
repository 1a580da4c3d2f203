//! Telemetry for operators: one enum of all metrics, and structured logs.

mod logs;
mod metrics;
mod plain;
mod repeats;

pub use logs::{LogFormat, start_logs};
pub use metrics::{GaugePart, Metric, count, describe_all, gauge, record};
pub use plain::{plain, plain_lines};
pub use repeats::Repeats;
