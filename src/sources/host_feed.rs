//! Feeds this machine's metrics to a workspace of this process, once per second.
//!
//! The samples pass the same admission control as requests. A refused sample is dropped: the next
//! one follows after a second, and old host metrics have no use.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::host::HostSampler;
use super::host::meanings::meaning;
use super::{SourceSample, by_kpi};
use crate::actors::directory::Directory;
use crate::services::meanings::MeaningService;
use earcon_model::{Arrival, Clock, KpiName};
use earcon_tenancy::WorkspacePass;

const EVERY: Duration = Duration::from_secs(1);

/// Runs until aborted.
pub async fn run(directory: Directory, pass: WorkspacePass, meanings: MeaningService, clock: Arc<dyn Clock>) {
    let mut stated = HashSet::new();
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
                state(&meanings, &pass, &samples, &mut stated).await;
                send(&directory, &pass, samples).await;
            }
            Err(error) => tracing::error!(%error, "host metrics could not be read; starting over"),
        }
    }
}

/// States the units of KPIs that are new.
async fn state(
    meanings: &MeaningService,
    pass: &WorkspacePass,
    samples: &[SourceSample],
    stated: &mut HashSet<KpiName>,
) {
    let new = samples.iter().map(|one| &one.kpi).filter(|kpi| stated.insert((*kpi).clone()));
    let new: Vec<_> = new.filter_map(|kpi| Some((kpi.clone(), meaning(kpi)?))).collect();
    if !new.is_empty()
        && let Err(error) = meanings.learn(pass, &new).await
    {
        tracing::warn!(%error, "the units of host metrics cannot be kept");
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
