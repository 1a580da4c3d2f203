//! Feeds this machine's metrics to a workspace of this process, once per second.
//!
//! The samples pass the same admission control as requests. A refused sample is dropped: the next
//! one follows after a second, and old host metrics have no use.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::host::HostSampler;
use super::{SourceSample, by_kpi};
use crate::actors::directory::Directory;
use earcon_model::{Arrival, Clock};
use earcon_tenancy::WorkspacePass;

const EVERY: Duration = Duration::from_secs(1);

/// Runs until aborted.
pub async fn run(directory: Directory, pass: WorkspacePass, clock: Arc<dyn Clock>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sampler = None;
    loop {
        every.tick().await;
        let clock = clock.clone();
        let previous = sampler.take();
        // Reading the kernel's tables takes milliseconds and blocks.
        let sampled = tokio::task::spawn_blocking(move || {
            let mut sampler = previous.unwrap_or_else(HostSampler::new);
            let samples = sampler.sample(clock.now_ms());
            (sampler, samples)
        })
        .await;
        match sampled {
            Ok((returned, samples)) => {
                sampler = Some(returned);
                send(&directory, &pass, samples).await;
            }
            Err(error) => tracing::error!(%error, "host metrics could not be read; starting over"),
        }
    }
}

async fn send(directory: &Directory, pass: &WorkspacePass, samples: Vec<SourceSample>) {
    match directory.ingest(pass, by_kpi(samples), Arrival::Live).await {
        Ok((receipt, _)) if receipt.failed == 0 && receipt.rejected.is_empty() => {}
        Ok((receipt, _)) => {
            tracing::warn!(failed = receipt.failed, rejected = receipt.rejected.len(), "host metrics lost");
        }
        Err(error) => tracing::warn!(%error, "host metrics were refused"),
    }
}
