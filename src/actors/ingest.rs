//! Each sample of a workspace comes in here, whatever protocol carried it.

use std::time::Instant;

use super::admission::{IngestError, PendingIngest, Receipt};
use super::refusals::Refusals;
use super::routes::Route;
use super::stream::StreamBatches;
use super::workspace::WorkspaceHandle;
use earcon_model::{Arrival, KpiBatch};

/// The sender of batches that came from inside, or from another node.
const EARCON: u64 = 0;

/// A batch of which nothing was taken, with the reason.
#[derive(Debug)]
pub struct NotSent {
    /// Why.
    pub error: IngestError,
    /// The batch, as it was given.
    pub batches: Vec<KpiBatch>,
}

/// Sends a batch through scoring into the log and waits for the commit.
///
/// # Errors
/// Only if nothing of the batch was taken. Rows that fail one by one are in the receipt.
#[tracing::instrument(level = "debug", skip_all, fields(workspace = %workspace.id(), kpis = batches.len()))]
pub async fn ingest(
    workspace: &WorkspaceHandle,
    batches: Vec<KpiBatch>,
    arrival: Arrival,
) -> Result<Receipt, IngestError> {
    let pending = send(workspace, EARCON, batches, arrival).await.map_err(|not_sent| not_sent.error)?;
    Ok(pending.receipt().await)
}

/// Sends a batch to its streams, when it is its sender's turn. Of two batches, the one whose
/// sending ends first is scored first.
///
/// # Errors
/// Only if nothing of the batch was taken; the batch is in the error.
pub async fn send(
    workspace: &WorkspaceHandle,
    sender: u64,
    batches: Vec<KpiBatch>,
    arrival: Arrival,
) -> Result<PendingIngest, NotSent> {
    let started = Instant::now();
    let samples = batches.iter().map(|batch| batch.rows().count()).sum();
    let permit = match workspace.admission().admit(sender, samples).await {
        Ok(permit) => permit,
        Err(error) => return Err(NotSent { error, batches }),
    };
    let Some(routes) = find_routes(workspace, &batches).await else {
        return Err(NotSent { error: IngestError::Unavailable, batches });
    };
    let (mut pending, part) = PendingIngest::begin(permit, arrival, started);
    let mut running = StreamBatches::default();
    for (batch, route) in batches.into_iter().zip(routes) {
        match route {
            // A stream that has just stopped drops its part; the receipt counts it as failed.
            Some(Route::Running(stream)) => running.add(stream, batch.series),
            Some(Route::Restarting) => {
                pending.reject(&batch, "the KPI's stream is restarting after a failure; send this row again");
            }
            Some(Route::Parked(reason)) => {
                pending.reject(&batch, &format!("the KPI is parked after repeated failures: {reason}"));
            }
            Some(Route::Refused(reason)) => pending.refuse(Refusals::of_new_kpi(&batch, &reason)),
            // Closed in the meantime: samples that were not sent count as failed.
            None if workspace.routes().is_closed() => {}
            None if !workspace.takes(&batch) => pending.refuse(workspace.refusals(&batch)),
            None => {}
        }
    }
    running.send(arrival, &part);
    Ok(pending)
}

/// The route of each batch, in their order. Streams are started for new KPIs. `None` if the
/// workspace is closed.
async fn find_routes(workspace: &WorkspaceHandle, batches: &[KpiBatch]) -> Option<Vec<Option<Route>>> {
    if workspace.routes().is_closed() {
        return None;
    }
    let mut routes = workspace.routes().find_all(batches.iter().map(|batch| &batch.kpi));
    // Refused samples must not create a KPI, and neither must an end-of-series marker alone.
    let is_new = |(batch, route): &(&KpiBatch, &Option<Route>)| route.is_none() && workspace.takes(batch);
    let new: Vec<_> = batches.iter().zip(&routes).filter(is_new).map(|(batch, _)| batch.kpi.clone()).collect();
    if !new.is_empty() {
        let started = workspace.ensure_streams(new).await?;
        let missing = batches.iter().zip(&mut routes).filter(|(_, route)| route.is_none());
        missing.for_each(|(batch, route)| *route = started.get(&batch.kpi).cloned());
    }
    Some(routes)
}
