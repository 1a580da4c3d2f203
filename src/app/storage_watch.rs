//! Measures the disk under the data directory from time to time.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::services::storage_health::StorageHealth;
use crate::telemetry::{Metric, gauge};
use earcon_adapters_embedded::Disk;

/// Between two measurements. The reserve has to last as long. One costs a microsecond or two.
const EVERY: Duration = Duration::from_millis(50);

/// Measures until it is aborted. The first measurement is made at once.
pub(super) async fn run(disk: Disk, health: StorageHealth, reserve_bytes: u64) {
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        measure(&disk, &health, reserve_bytes).await;
    }
}

/// One measurement. A hanging disk leaves the state unchanged; commits hang too then.
pub(super) async fn measure(disk: &Disk, health: &StorageHealth, reserve_bytes: u64) {
    let disk = disk.clone();
    let Ok(free) = tokio::task::spawn_blocking(move || disk.free_bytes()).await else { return };
    gauge(Metric::StorageFreeBytes).set(free.as_ref().map_or(0.0, |bytes| *bytes as f64));
    let changed = health.measured(free, reserve_bytes);
    let problem = health.problem();
    gauge(Metric::StorageRefusing).set(if problem.is_some() { 1.0 } else { 0.0 });
    match (changed, problem) {
        (true, Some(problem)) => tracing::error!(%problem, "samples are refused until the storage has recovered"),
        (true, None) => tracing::info!("the storage has recovered; samples are taken again"),
        (false, _) => {}
    }
}
