//! Compares the wall clock with the monotonic one, and reports its jumps.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::services::clock_health::{ClockHealth, ClockJump};
use crate::telemetry::{Metric, count};
use earcon_model::Clock;

/// Time between two readings.
const EVERY: Duration = Duration::from_secs(1);

/// Watches until it is aborted.
pub(super) async fn run(clock: Arc<dyn Clock>, health: ClockHealth) {
    let mut last = (clock.now_ms(), Instant::now());
    loop {
        tokio::time::sleep(EVERY).await;
        let now = (clock.now_ms(), Instant::now());
        let monotonic_ms = now.1.duration_since(last.1).as_millis() as i64;
        if let Some(jump) = ClockJump::between(now.0.saturating_sub(last.0), monotonic_ms, now.0) {
            tracing::warn!(by_ms = jump.by_ms, "{jump}; samples are compared with the clock as it is now");
            count(Metric::ClockJumps, 1);
            health.jumped(jump);
        }
        last = now;
    }
}
