//! Measures the disk under the data directory from time to time, looks for damage of the logs, and
//! opens the database again after a failed write.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::services::storage_health::StorageHealth;
use crate::telemetry::{Metric, gauge};
use earcon_adapters_embedded::{Disk, Keeper};

/// Between two measurements. The reserve has to last as long. One costs a microsecond or two.
const EVERY: Duration = Duration::from_millis(50);

/// Between two looks at the database. After a failed attempt to open it again, the next one comes
/// after twice the time, up to a limit.
const TEND_EVERY: Duration = Duration::from_secs(1);
const TEND_AT_LEAST_EVERY: Duration = Duration::from_secs(15);

/// Opens the database again after a failed write, until it is aborted.
pub(super) async fn tend(keeper: Keeper, health: StorageHealth) {
    let mut wait = TEND_EVERY;
    loop {
        sleep(wait).await;
        let keeper = keeper.clone();
        let tended = tokio::task::spawn_blocking(move || (keeper.tend(), keeper.memory(), keeper.log_damage()));
        let Ok((problem, memory, damage)) = tended.await else { return };
        match (health.log_checked(damage.clone()), damage) {
            (true, Some(damage)) => tracing::error!(
                damage,
                "a file of the log is missing, damaged or not readable; the next start is refused if it stays so"
            ),
            (true, None) => tracing::info!("the log is whole again"),
            (false, _) => {}
        }
        if let Some(memory) = memory {
            gauge(Metric::DatabaseMemtableBytes).set(memory.memtables as f64);
            gauge(Metric::DatabaseCacheBytes).set(memory.cache as f64);
        }
        wait = if problem.is_some() { (wait * 2).min(TEND_AT_LEAST_EVERY) } else { TEND_EVERY };
        gauge(Metric::DatabaseRefusing).set(if problem.is_some() { 1.0 } else { 0.0 });
        match (health.tended(problem.clone()), problem) {
            (true, Some(problem)) => {
                tracing::error!(problem, "settings and history cannot be written until the database is whole again");
            }
            (true, None) => tracing::info!("the database is open again; settings and history are written again"),
            (false, _) => {}
        }
    }
}

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
