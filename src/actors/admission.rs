//! Admission control: how many samples of a workspace may wait for their commit, and what became of
//! each batch.
//!
//! A batch takes one permit a sample before anything is sent to an actor, and returns them after
//! the commit. That bounds each mailbox behind admission. If too many samples are in flight, the
//! whole batch is refused.

mod fair_queue;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use fair_queue::FairQueue;

use super::refusals::Refusals;
use crate::services::storage_health::{StorageHealth, StorageProblem};
use crate::telemetry::{Metric, count, gauge, record};
use earcon_model::{AheadOfClock, Arrival, KpiBatch, KpiName, Reading, RejectedRow, Seq, TooOld};

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
    /// Those of the late samples that are older than a sample ahead of the clock.
    pub ahead: Option<AheadOfClock>,
    /// KPIs whose earlier samples were read otherwise, and how they are read now.
    pub rereads: Vec<(KpiName, Reading)>,
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
    /// A part of the data directory of the node that owns the workspace is not as it was, with the
    /// path and the reason.
    #[error("samples are refused until the data directory of the server is whole: {0}")]
    StorageLost(String),
    /// The workspace is being opened again or closed.
    #[error("the workspace is restarting; try again in a second")]
    Unavailable,
}

/// Bounds the samples of a workspace that are in flight, and refuses all while the storage takes
/// none.
///
/// Only a part of the samples in flight is with the streams at a time: the window. The others wait
/// here, in an order that is fair to their senders. A sender that holds little does not wait. So it
/// has the window before it, and not all that large senders have sent.
#[derive(Clone)]
pub struct Admission(Arc<Gate>);

/// What a workspace's batches share.
struct Gate {
    /// Most samples in flight.
    max: usize,
    storage: StorageHealth,
    state: Mutex<InFlight>,
}

/// Samples in flight.
#[derive(Default)]
struct InFlight {
    /// With the streams.
    running: usize,
    /// All of each sender.
    held: HashMap<u64, usize>,
    /// The sum of `held`.
    all: usize,
    waiting: FairQueue<Waiting>,
}

/// A batch that waits for its turn.
struct Waiting {
    permit: Permit,
    turn: oneshot::Sender<Permit>,
}

/// The window is this part of the most samples in flight.
const WINDOW: usize = 8;
/// A quarter more is kept for senders that hold less than a 64th.
const RESERVE: usize = 4;
const LITTLE: usize = 64;

impl Admission {
    /// At most `max` samples in flight, and none while `storage` takes none.
    pub fn new(max: usize, storage: StorageHealth) -> Self {
        Self(Arc::new(Gate { max, storage, state: Mutex::default() }))
    }

    /// Takes permits for so many samples of a sender, and waits for their turn.
    pub(super) async fn admit(&self, sender: u64, samples: usize) -> Result<Arc<Permit>, IngestError> {
        match self.enter(sender, samples)? {
            Entry::Now(permit) => Ok(Arc::new(permit)),
            // The gate drops no turn that it has not given.
            Entry::Later(turn) => turn.await.map(Arc::new).map_err(|_| IngestError::Unavailable),
        }
    }

    fn enter(&self, sender: u64, samples: usize) -> Result<Entry, IngestError> {
        let gate = &self.0;
        if samples > gate.max {
            return Err(IngestError::TooLarge { got: samples, max: gate.max });
        }
        if let Some(problem) = gate.storage.problem() {
            return Err(problem.into());
        }
        let mut state = gate.lock();
        let own = state.held.get(&sender).copied().unwrap_or_default() + samples;
        let is_little = own <= gate.max / LITTLE;
        let reserve = if is_little { gate.max / RESERVE } else { 0 };
        if state.all + samples > gate.max + reserve {
            count(Metric::IngestOverload, 1);
            return Err(IngestError::Overloaded);
        }
        state.held.insert(sender, own);
        state.all += samples;
        let permit = Permit { gate: gate.clone(), sender, samples, runs: false };
        gauge(Metric::IngestInFlight).increment(samples as f64);
        if is_little || (state.waiting.is_empty() && state.has_room(gate.max, samples)) {
            return Ok(Entry::Now(state.run(permit)));
        }
        let (turn, later) = oneshot::channel();
        state.waiting.push(sender, samples, Waiting { permit, turn });
        Ok(Entry::Later(later))
    }
}

/// How a batch enters.
enum Entry {
    Now(Permit),
    Later(oneshot::Receiver<Permit>),
}

impl Gate {
    /// A poisoned lock guards plain numbers.
    fn lock(&self) -> MutexGuard<'_, InFlight> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets batches run that have their turn. The lock is not held when permits are dropped.
    fn advance(&self) {
        loop {
            let mut state = self.lock();
            let Some(cost) = state.waiting.next_cost() else { return };
            if !state.has_room(self.max, cost) {
                return;
            }
            let Some(Waiting { permit, turn }) = state.waiting.pop() else { return };
            if turn.is_closed() {
                // Its sender has left. The permit, which does not run, gives its samples back.
                drop(state);
                drop(permit);
                continue;
            }
            let permit = state.run(permit);
            drop(state);
            // Its sender may leave at this moment; the permit comes back and is dropped.
            let _left = turn.send(permit).is_err();
        }
    }
}

impl InFlight {
    /// Whether so many samples fit into the window; one batch always does.
    fn has_room(&self, max: usize, samples: usize) -> bool {
        self.running == 0 || self.running + samples <= max / WINDOW
    }

    fn run(&mut self, mut permit: Permit) -> Permit {
        self.running += permit.samples;
        permit.runs = true;
        permit
    }

    fn give_back(&mut self, permit: &Permit) {
        self.all -= permit.samples;
        if permit.runs {
            self.running -= permit.samples;
        }
        if let Some(held) = self.held.get_mut(&permit.sender) {
            *held -= permit.samples;
            if *held == 0 {
                self.held.remove(&permit.sender);
            }
        }
    }
}

impl From<StorageProblem> for IngestError {
    fn from(problem: StorageProblem) -> Self {
        match problem {
            StorageProblem::Full { free_bytes, reserve_bytes } => {
                IngestError::StorageFull { free_megabytes: free_bytes >> 20, reserve_megabytes: reserve_bytes >> 20 }
            }
            StorageProblem::Lost(reason) => IngestError::StorageLost(reason),
        }
    }
}

/// The permits of one batch. They are returned when the last clone of the `Arc` is dropped.
pub(super) struct Permit {
    gate: Arc<Gate>,
    sender: u64,
    samples: usize,
    /// Its samples are with the streams.
    runs: bool,
}

impl Drop for Permit {
    fn drop(&mut self) {
        gauge(Metric::IngestInFlight).decrement(self.samples as f64);
        self.gate.lock().give_back(self);
        if self.runs {
            self.gate.advance();
        }
    }
}

/// A stream's part of a receipt. Clones are parts of the same receipt. Dropping a part unsent means
/// that its samples were not committed.
#[derive(Clone)]
pub struct ReceiptPart(Arc<OpenReceipt>);

/// The rows of a part that were taken.
#[derive(Debug, Default)]
pub struct TakenRows {
    /// How many, late ones included.
    pub accepted: u32,
    /// How many of them were late.
    pub late: u32,
    /// Those of the late ones that are older than a sample ahead of the clock.
    pub ahead: Option<Box<AheadOfClock>>,
    /// The KPI, if series of it are read otherwise from now on.
    pub reread: Option<(KpiName, Reading)>,
}

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
    /// Samples of new series that a limit refused.
    limited: u64,
}

impl ReceiptPart {
    /// The samples are durable, the last of them in event `seq`.
    pub fn committed(self, seq: Seq, taken: TakenRows, refusals: Refusals) {
        let TakenRows { accepted, late, ahead, reread } = taken;
        // A poisoned lock guards plain numbers.
        let mut sum = self.0.sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.answered += u64::from(accepted) + (refusals.rows.len() as u64).saturating_sub(refusals.ends);
        sum.receipt.accepted += u64::from(accepted);
        sum.receipt.late += u64::from(late);
        sum.limited += refusals.limited;
        sum.receipt.rejected.extend(refusals.rows);
        sum.receipt.too_old = TooOld::merge(sum.receipt.too_old.take(), refusals.too_old);
        sum.receipt.ahead = AheadOfClock::merge(sum.receipt.ahead.take(), ahead.map(|ahead| *ahead));
        sum.receipt.rereads.extend(reread);
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
        let rows = batch.rows().chain(batch.end_rows());
        self.refusals.rows.extend(rows.map(|row| RejectedRow { row, error: error.to_owned() }));
        self.refusals.ends += batch.end_rows().count() as u64;
    }

    /// Rejects rows, each with its own reason.
    pub(super) fn refuse(&mut self, refusals: Refusals) {
        self.refusals.add(refusals);
    }

    /// Waits for the commit.
    pub async fn receipt(self) -> Receipt {
        let Self { refusals: Refusals { rows: rejected, too_old, ends, limited }, sum, samples, arrival, started } =
            self;
        // The sum comes with the end of the last part, whatever became of it.
        let Sum { mut receipt, answered, limited: by_streams } = sum.await.unwrap_or_default();
        receipt.failed = samples.saturating_sub(answered + (rejected.len() as u64).saturating_sub(ends));
        receipt.rejected.extend(rejected);
        receipt.too_old = TooOld::merge(receipt.too_old.take(), too_old);
        receipt.rejected.sort_by_key(|rejected| rejected.row);
        count(Metric::IngestSamples, receipt.accepted);
        if arrival == Arrival::Live {
            count(Metric::IngestLate, receipt.late);
        }
        count(Metric::IngestRejected, receipt.rejected.len() as u64);
        count(Metric::SeriesRefused, limited + by_streams);
        record(Metric::IngestSeconds, started.elapsed());
        receipt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enters without waiting: a permit, or that it has to wait.
    fn now(admission: &Admission, sender: u64, samples: usize) -> Result<Option<Permit>, IngestError> {
        admission.enter(sender, samples).map(|entry| match entry {
            Entry::Now(permit) => Some(permit),
            Entry::Later(_) => None,
        })
    }

    #[test]
    fn permits_bound_samples_in_flight_and_are_returned() {
        let admission = Admission::new(10, StorageHealth::default());
        let held = now(&admission, 1, 8).unwrap();
        assert_eq!(now(&admission, 1, 3).err(), Some(IngestError::Overloaded));
        drop(held);
        assert!(now(&admission, 1, 10).unwrap().is_some());
        assert_eq!(now(&admission, 1, 11).err(), Some(IngestError::TooLarge { got: 11, max: 10 }));
    }

    #[test]
    fn nothing_is_admitted_while_the_disk_is_full() {
        let storage = StorageHealth::default();
        let admission = Admission::new(10, storage.clone());
        storage.measured(Ok(5 << 20), 8 << 20);
        let refusal = IngestError::StorageFull { free_megabytes: 5, reserve_megabytes: 8 };
        assert_eq!(now(&admission, 1, 1).err(), Some(refusal));
        storage.measured(Ok(50 << 20), 8 << 20);
        assert!(now(&admission, 1, 1).is_ok());
    }

    #[test]
    fn a_sender_that_holds_little_is_taken_when_others_have_filled_the_rest() {
        let admission = Admission::new(6_400, StorageHealth::default());
        let _filled: Vec<_> = (0..8).map(|sender| admission.enter(sender, 800).ok()).collect();
        assert_eq!(admission.enter(3, 800).err(), Some(IngestError::Overloaded));
        let small: Vec<_> = (100..200).map_while(|sender| admission.enter(sender, 100).ok()).collect();
        assert_eq!(small.len(), 16, "a quarter more");
        assert!(admission.enter(100, 100).is_err(), "one sender cannot take it all");
    }

    #[tokio::test]
    async fn smaller_batches_pass_the_large_ones_of_others_and_little_ones_do_not_wait() {
        let admission = Admission::new(8_000, StorageHealth::default());
        let running = now(&admission, 0, 1_000).unwrap().expect("it runs");
        let mut large: Vec<_> = (1..6).map(|sender| Box::pin(admission.admit(sender, 1_000))).collect();
        for waiting in &mut large {
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        }
        let mut smaller = Box::pin(admission.admit(9, 200));
        assert!(futures_util::poll!(smaller.as_mut()).is_pending());
        assert!(now(&admission, 10, 100).unwrap().is_some(), "it runs at once");
        drop(running);
        let permit = smaller.await.expect("its turn comes first");
        assert!(futures_util::poll!(large[0].as_mut()).is_pending(), "there is no room for both");
        drop(permit);
        let mut served = 0;
        for waiting in large {
            drop(waiting.await.expect("its turn comes"));
            served += 1;
        }
        assert_eq!(served, 5);
    }

    #[tokio::test]
    async fn a_batch_whose_sender_left_while_it_waited_holds_nothing() {
        let admission = Admission::new(80, StorageHealth::default());
        let running = now(&admission, 0, 20).unwrap().expect("it runs");
        let mut gone = Box::pin(admission.admit(1, 60));
        assert!(futures_util::poll!(gone.as_mut()).is_pending());
        drop(gone);
        drop(running);
        assert_eq!(admission.0.lock().all, 0);
        assert!(now(&admission, 2, 80).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_dropped_part_counts_as_failed() {
        let permit = Admission::new(10, StorageHealth::default()).admit(1, 5).await.unwrap();
        let (pending, kept) = PendingIngest::begin(permit, Arrival::Live, Instant::now());
        let lost = kept.clone();
        let rows = vec![RejectedRow { row: 4, error: "bad".into() }];
        kept.committed(
            7,
            TakenRows { accepted: 2, late: 1, ..TakenRows::default() },
            Refusals { rows, ..Refusals::default() },
        );
        drop(lost);
        let receipt = pending.receipt().await;
        assert_eq!((receipt.accepted, receipt.late, receipt.failed, receipt.seq), (2, 1, 2, 7));
    }
}
