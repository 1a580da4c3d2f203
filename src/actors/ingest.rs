//! The door: every sample of a workspace comes in here, whatever protocol carried it.
//!
//! A batch takes as many permits as it has samples before anything is sent to an actor, and gives them back when the log
//! holds it; that bounds every mailbox behind the door. Too many in flight: the whole batch is refused and nothing taken.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::workspace::{Route, WorkspaceHandle};
use crate::telemetry::{Metric, count, gauge, record};
use earcon_model::{Arrival, KpiBatch, RejectedRow, Seq};

/// What became of a batch, after the log holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Samples that are durable now, late ones included.
    pub accepted: u64,
    /// How many of them were late.
    pub late: u64,
    /// Rows that were not taken.
    pub rejected: Vec<RejectedRow>,
    /// Samples whose actor failed before they were committed: sending them again is safe and needed.
    pub failed: u64,
    /// The last event they became part of; 0 when none was accepted.
    pub seq: Seq,
}

/// Why a whole batch was refused. Nothing of it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum IngestError {
    /// Too many samples are in flight.
    #[error("too many samples are waiting to be committed; try again in a second")]
    Overloaded,
    /// The batch alone is larger than what may be in flight.
    #[error("a batch may have at most {max} samples, this one has {got}")]
    TooLarge {
        /// How many it has.
        got: usize,
        /// How many it may have.
        max: usize,
    },
    /// The workspace is being opened again or closed.
    #[error("the workspace is restarting; try again in a second")]
    Unavailable,
}

/// A stream's part of a receipt. Dropping it unsent means the samples were not committed.
pub struct ReceiptPart {
    sender: mpsc::UnboundedSender<Part>,
    _permit: Arc<Permit>,
}

struct Part {
    accepted: u64,
    late: u64,
    rejected: Vec<RejectedRow>,
    seq: Seq,
    rows: u64,
}

/// Gives its share back when it is dropped.
pub(in crate::actors) struct Permit {
    _permit: OwnedSemaphorePermit,
    samples: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        gauge(Metric::IngestInFlight).decrement(self.samples as f64);
    }
}

impl ReceiptPart {
    /// The samples are durable, the last of them in event `seq`.
    pub fn committed(self, seq: Seq, accepted: u32, late: u32, rejected: Vec<RejectedRow>) {
        let rows = u64::from(accepted) + rejected.len() as u64;
        let part = Part { accepted: accepted.into(), late: late.into(), rejected, seq, rows };
        // The sender of the batch may have gone away; its samples are committed all the same.
        let _gone = self.sender.send(part).is_err();
    }
}

/// Bounds the samples of a workspace that are on their way.
#[derive(Debug, Clone)]
pub struct Admission {
    permits: Arc<Semaphore>,
    max: usize,
}

impl Admission {
    /// At most `max` samples in flight.
    pub fn new(max: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(max)), max }
    }

    /// Takes permits for so many samples.
    pub(in crate::actors) fn admit(&self, samples: usize) -> Result<Arc<Permit>, IngestError> {
        if samples > self.max {
            return Err(IngestError::TooLarge { got: samples, max: self.max });
        }
        // A u32 holds it: `max` is bounded far below by the configuration.
        let permit = self.permits.clone().try_acquire_many_owned(samples as u32).map_err(|_| {
            count(Metric::IngestOverload, 1);
            IngestError::Overloaded
        })?;
        gauge(Metric::IngestInFlight).increment(samples as f64);
        Ok(Arc::new(Permit { _permit: permit, samples }))
    }
}

/// A batch on its way to the log: its samples are with their streams, in the order in which batches were sent.
pub struct PendingIngest {
    receipt: Receipt,
    parts: mpsc::UnboundedReceiver<Part>,
    samples: u64,
    arrival: Arrival,
    started: Instant,
}

impl PendingIngest {
    /// Waits for the commit.
    pub async fn receipt(self) -> Receipt {
        let Self { mut receipt, parts, samples, arrival, started } = self;
        receipt.collect(parts, samples).await;
        count(Metric::IngestSamples, receipt.accepted);
        if arrival == Arrival::Live {
            count(Metric::IngestLate, receipt.late);
        }
        count(Metric::IngestRejected, receipt.rejected.len() as u64);
        record(Metric::IngestSeconds, started.elapsed());
        receipt
    }
}

/// Sends a batch through scoring into the log and waits for the commit.
///
/// # Errors
/// Only when nothing of the batch was taken. Rows that fail one by one are in the receipt.
#[tracing::instrument(level = "debug", skip_all, fields(workspace = %workspace.id(), kpis = batches.len()))]
pub async fn ingest(
    workspace: &WorkspaceHandle,
    batches: Vec<KpiBatch>,
    arrival: Arrival,
) -> Result<Receipt, IngestError> {
    Ok(send(workspace, batches, arrival).await?.receipt().await)
}

/// Sends a batch to its streams. Of two batches the one whose sending is over first is scored first.
///
/// # Errors
/// Only when nothing of the batch was taken.
pub async fn send(
    workspace: &WorkspaceHandle,
    mut batches: Vec<KpiBatch>,
    arrival: Arrival,
) -> Result<PendingIngest, IngestError> {
    let started = Instant::now();
    let samples = batches.iter().map(|batch| batch.rows().count()).sum();
    let permit = workspace.admission().admit(samples)?;
    if workspace.routes().is_closed() {
        return Err(IngestError::Unavailable);
    }
    // The word that a series ends is no reason to make a KPI.
    batches.retain(|batch| batch.rows().next().is_some() || workspace.routes().find(&batch.kpi).is_some());
    let unknown = workspace.routes().unknown(batches.iter().map(|batch| &batch.kpi));
    if !unknown.is_empty() {
        workspace.ensure_streams(unknown).await.map_err(|_| IngestError::Unavailable)?;
    }
    let (sender, parts) = mpsc::unbounded_channel();
    let mut receipt = Receipt::default();
    for batch in batches {
        match workspace.routes().find(&batch.kpi) {
            Some(Route::Running(stream)) => {
                let part = ReceiptPart { sender: sender.clone(), _permit: permit.clone() };
                // A stream that died this instant drops the part, which the receipt counts as failed.
                stream.ingest(batch.series, arrival, part);
            }
            Some(Route::Restarting) => {
                receipt.reject(&batch, "the KPI's stream is restarting after a failure; send this row again");
            }
            Some(Route::Parked(reason)) => {
                receipt.reject(&batch, &format!("the KPI is parked after repeated failures: {reason}"));
            }
            // Closed in this very moment: what was not sent counts as failed.
            None if workspace.routes().is_closed() => {}
            None => receipt.reject(&batch, "the workspace has as many KPIs as it may have"),
        }
    }
    Ok(PendingIngest { receipt, parts, samples: samples as u64, arrival, started })
}

impl Receipt {
    fn reject(&mut self, batch: &KpiBatch, error: &str) {
        self.rejected.extend(batch.rows().map(|row| RejectedRow { row, error: error.to_owned() }));
    }

    async fn collect(&mut self, mut parts: mpsc::UnboundedReceiver<Part>, samples: u64) {
        let mut answered = self.rejected.len() as u64;
        while let Some(part) = parts.recv().await {
            answered += part.rows;
            self.accepted += part.accepted;
            self.late += part.late;
            self.rejected.extend(part.rejected);
            self.seq = self.seq.max(part.seq);
        }
        self.failed = samples.saturating_sub(answered);
        self.rejected.sort_by_key(|rejected| rejected.row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_bound_what_is_in_flight_and_come_back() {
        let admission = Admission::new(10);
        let held = admission.admit(8).unwrap();
        assert_eq!(admission.admit(3).err(), Some(IngestError::Overloaded));
        drop(held);
        assert!(admission.admit(10).is_ok());
        assert_eq!(admission.admit(11).err(), Some(IngestError::TooLarge { got: 11, max: 10 }));
    }

    #[tokio::test]
    async fn a_dropped_part_counts_as_failed() {
        let admission = Admission::new(10);
        let permit = admission.admit(5).unwrap();
        let (sender, parts) = mpsc::unbounded_channel();
        let kept = ReceiptPart { sender: sender.clone(), _permit: permit.clone() };
        let lost = ReceiptPart { sender, _permit: permit };
        kept.committed(7, 2, 1, vec![RejectedRow { row: 4, error: "bad".into() }]);
        drop(lost);
        let mut receipt = Receipt::default();
        receipt.collect(parts, 5).await;
        assert_eq!((receipt.accepted, receipt.late, receipt.failed, receipt.seq), (2, 1, 2, 7));
    }
}
