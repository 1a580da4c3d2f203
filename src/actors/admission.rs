//! Admission control: how many samples of a workspace may wait for their commit, and what became of
//! each batch.
//!
//! A batch takes one permit a sample before anything is sent to an actor, and returns them after
//! the commit. That bounds each mailbox behind admission. If too many samples are in flight, the
//! whole batch is refused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::refusals::Refusals;
use crate::services::storage_health::{StorageHealth, StorageProblem};
use crate::telemetry::{Metric, count, gauge, record};
use earcon_model::{Arrival, KpiBatch, RejectedRow, Seq, TooOld};

/// What became of a batch, after the log holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Samples that are durable now, late ones included.
    pub accepted: u64,
    /// How many of them were late.
    pub late: u64,
    /// Rows that were rejected.
    pub rejected: Vec<RejectedRow>,
    /// Samples whose actor failed before their commit: sending them again is safe and needed.
    pub failed: u64,
    /// The last event they became part of; 0 if none was accepted.
    pub seq: Seq,
    /// Those of the rejected rows that history does not keep.
    pub too_old: Option<TooOld>,
}

impl Receipt {
    /// The receipt of samples that were all refused before they reached a stream.
    pub fn refused(refusals: Refusals) -> Self {
        let Refusals { rows: mut rejected, too_old } = refusals;
        rejected.sort_by_key(|rejected| rejected.row);
        count(Metric::IngestRejected, rejected.len() as u64);
        Self { rejected, too_old, ..Self::default() }
    }
}

/// Why a whole batch was refused. None of its samples was taken.
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
    /// The disk of the node that owns the workspace is nearly full.
    #[error(
        "the disk has {free_megabytes} MB left, and {reserve_megabytes} MB are kept free; \
         samples are refused until there is room, everything else goes on"
    )]
    StorageFull {
        /// Free space, in units of 2^20 bytes.
        free_megabytes: u64,
        /// The reserve, in the same units.
        reserve_megabytes: u64,
    },
    /// The data directory of the node that owns the workspace was removed or replaced.
    #[error("the data directory of the server was removed or replaced while it ran; samples are refused")]
    StorageLost,
    /// The workspace is being opened again or closed.
    #[error("the workspace is restarting; try again in a second")]
    Unavailable,
}

/// Bounds the samples of a workspace that are in flight, and refuses all while the storage takes
/// none.
#[derive(Debug, Clone)]
pub struct Admission {
    permits: Arc<Semaphore>,
    max: usize,
    storage: StorageHealth,
}

impl Admission {
    /// At most `max` samples in flight, and none while `storage` takes none.
    pub fn new(max: usize, storage: StorageHealth) -> Self {
        Self { permits: Arc::new(Semaphore::new(max)), max, storage }
    }

    /// Takes permits for so many samples.
    pub(super) fn admit(&self, samples: usize) -> Result<Arc<Permit>, IngestError> {
        if samples > self.max {
            return Err(IngestError::TooLarge { got: samples, max: self.max });
        }
        if let Some(problem) = self.storage.problem() {
            return Err(problem.into());
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

impl From<StorageProblem> for IngestError {
    fn from(problem: StorageProblem) -> Self {
        match problem {
            StorageProblem::Full { free_bytes, reserve_bytes } => {
                IngestError::StorageFull { free_megabytes: free_bytes >> 20, reserve_megabytes: reserve_bytes >> 20 }
            }
            StorageProblem::Lost(_) => IngestError::StorageLost,
        }
    }
}

/// The permits of one batch. They are returned when the last clone of the `Arc` is dropped.
pub(super) struct Permit {
    _permit: OwnedSemaphorePermit,
    samples: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        gauge(Metric::IngestInFlight).decrement(self.samples as f64);
    }
}

/// A stream's part of a receipt. Clones are parts of the same receipt. Dropping a part unsent means
/// that its samples were not committed.
#[derive(Clone)]
pub struct ReceiptPart(Arc<OpenReceipt>);

/// A receipt that parts are added to. It is complete when the last part is gone: one counter for
/// all streams of a batch, and one message to its sender.
struct OpenReceipt {
    sum: Mutex<Sum>,
    sender: Option<oneshot::Sender<Sum>>,
    permit: Option<Arc<Permit>>,
}

/// The sum of the parts so far.
#[derive(Default)]
struct Sum {
    receipt: Receipt,
    /// Samples whose end is known.
    answered: u64,
}

impl ReceiptPart {
    /// The samples are durable, the last of them in event `seq`.
    pub fn committed(self, seq: Seq, accepted: u32, late: u32, refusals: Refusals) {
        // A poisoned lock guards plain numbers.
        let mut sum = self.0.sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.answered += u64::from(accepted) + refusals.rows.len() as u64;
        sum.receipt.accepted += u64::from(accepted);
        sum.receipt.late += u64::from(late);
        sum.receipt.rejected.extend(refusals.rows);
        sum.receipt.too_old = TooOld::merge(sum.receipt.too_old.take(), refusals.too_old);
        sum.receipt.seq = sum.receipt.seq.max(seq);
    }
}

impl Drop for OpenReceipt {
    fn drop(&mut self) {
        self.permit = None;
        let sum = std::mem::take(self.sum.get_mut().unwrap_or_else(PoisonError::into_inner));
        // The sender of the batch may have left; its samples are committed all the same.
        let _sender_left = self.sender.take().is_some_and(|sender| sender.send(sum).is_err());
    }
}

/// A batch that waits for its commit: its samples are with their streams, in the order in which
/// batches were sent.
pub struct PendingIngest {
    /// Rows that were rejected before they reached a stream.
    refusals: Refusals,
    sum: oneshot::Receiver<Sum>,
    samples: u64,
    arrival: Arrival,
    started: Instant,
}

impl PendingIngest {
    /// A batch of so many samples that begins its way now, and the first part of its receipt.
    pub(super) fn begin(permit: Arc<Permit>, arrival: Arrival, started: Instant) -> (Self, ReceiptPart) {
        let (sender, sum) = oneshot::channel();
        let samples = permit.samples as u64;
        let open = OpenReceipt { sum: Mutex::default(), sender: Some(sender), permit: Some(permit) };
        (Self { refusals: Refusals::default(), sum, samples, arrival, started }, ReceiptPart(Arc::new(open)))
    }

    /// Rejects all rows of a batch.
    pub(super) fn reject(&mut self, batch: &KpiBatch, error: &str) {
        self.refusals.rows.extend(batch.rows().map(|row| RejectedRow { row, error: error.to_owned() }));
    }

    /// Rejects rows, each with its own reason.
    pub(super) fn refuse(&mut self, refusals: Refusals) {
        self.refusals.add(refusals);
    }

    /// Waits for the commit.
    pub async fn receipt(self) -> Receipt {
        let Self { refusals: Refusals { rows: rejected, too_old }, sum, samples, arrival, started } = self;
        // The sum comes with the end of the last part, whatever became of it.
        let Sum { mut receipt, answered } = sum.await.unwrap_or_default();
        receipt.failed = samples.saturating_sub(answered + rejected.len() as u64);
        receipt.rejected.extend(rejected);
        receipt.too_old = TooOld::merge(receipt.too_old.take(), too_old);
        receipt.rejected.sort_by_key(|rejected| rejected.row);
        count(Metric::IngestSamples, receipt.accepted);
        if arrival == Arrival::Live {
            count(Metric::IngestLate, receipt.late);
        }
        count(Metric::IngestRejected, receipt.rejected.len() as u64);
        record(Metric::IngestSeconds, started.elapsed());
        receipt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_bound_samples_in_flight_and_are_returned() {
        let admission = Admission::new(10, StorageHealth::default());
        let held = admission.admit(8).unwrap();
        assert_eq!(admission.admit(3).err(), Some(IngestError::Overloaded));
        drop(held);
        assert!(admission.admit(10).is_ok());
        assert_eq!(admission.admit(11).err(), Some(IngestError::TooLarge { got: 11, max: 10 }));
    }

    #[test]
    fn nothing_is_admitted_while_the_disk_is_full() {
        let storage = StorageHealth::default();
        let admission = Admission::new(10, storage.clone());
        storage.measured(Ok(5 << 20), 8 << 20);
        let refusal = IngestError::StorageFull { free_megabytes: 5, reserve_megabytes: 8 };
        assert_eq!(admission.admit(1).err(), Some(refusal));
        storage.measured(Ok(50 << 20), 8 << 20);
        assert!(admission.admit(1).is_ok());
    }

    #[tokio::test]
    async fn a_dropped_part_counts_as_failed() {
        let permit = Admission::new(10, StorageHealth::default()).admit(5).unwrap();
        let (pending, kept) = PendingIngest::begin(permit, Arrival::Live, Instant::now());
        let lost = kept.clone();
        let rows = vec![RejectedRow { row: 4, error: "bad".into() }];
        kept.committed(7, 2, 1, Refusals { rows, too_old: None });
        drop(lost);
        let receipt = pending.receipt().await;
        assert_eq!((receipt.accepted, receipt.late, receipt.failed, receipt.seq), (2, 1, 2, 7));
    }
}
