//! The caller's side: has the owner of a workspace execute commands, and the next owner if that one
//! is gone.
//!
//! A request that was not delivered is sent again: between two owners no node serves the workspace
//! for a few seconds. A request that is not answered is sent again to the same owner, which
//! executes it once. If the workspace has another owner before the answer, a batch of samples is
//! sent to that one, without the samples that the log holds by then. Other commands fail with
//! `Unknown`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::ask::{ask, decode_reply};
use super::pieces::pieces;
use super::seen::SeenHeads;
use super::taken::Taken;
use crate::actors::admission::{Admission, IngestError, Receipt};
use crate::actors::cluster::handle::Cluster;
use crate::actors::workspace::command::{AnyCommand, Command, DescribeStatus, Ingest, Ingested, OwnerError};
use crate::cluster::Term;
use earcon_model::{AheadOfClock, Arrival, KpiBatch, Seq, TooOld};
use earcon_ports::EventLog;
use earcon_tenancy::WorkspacePass;

/// Give up after this long without an owner. Must exceed a takeover.
const GIVE_UP: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(50);
/// How soon this node knows of the next owner, after the last one has stepped down.
const STEPPING_DOWN: Duration = Duration::from_millis(500);
/// The largest part of the log that is searched for the samples of a batch.
const SEARCH_AT_MOST: u64 = 100_000;
/// Events of one page of that search.
const PAGE: usize = 1_000;
/// The epoch in the receipt of a batch of which it is unknown whether a log holds all of it.
const UNKNOWN_EPOCH: &str = "unknown";

/// The owner's answer to [`Ingest`].
type IngestResult = Result<Result<Ingested, IngestError>, OwnerError>;

/// Sends commands to the owner of one workspace.
#[derive(Clone)]
pub struct OwnerClient {
    cluster: Cluster,
    pass: WorkspacePass,
    admission: Admission,
    log: Arc<dyn EventLog>,
    seen: SeenHeads,
}

impl OwnerClient {
    /// `admission` bounds the samples that are on their way to the owner. The log is searched for
    /// samples that an owner may have taken before it failed.
    pub fn new(
        cluster: Cluster,
        pass: WorkspacePass,
        admission: Admission,
        log: Arc<dyn EventLog>,
        seen: SeenHeads,
    ) -> Self {
        Self { cluster, pass, admission, log, seen }
    }

    /// Sends a command until an owner has executed or refused it.
    ///
    /// # Errors
    /// `NoOwner` if no owner executes commands for a while; the other errors at once.
    pub async fn execute<C: Command>(&self, command: C) -> Result<C::Reply, OwnerError> {
        let (result, _) = self.execute_until::<C>(&command.into(), Instant::now() + GIVE_UP).await;
        result
    }

    /// Completes when the workspace is being deleted.
    pub async fn deleted(&self) {
        self.cluster.deleted(&self.pass).await;
    }

    /// Returns the result, and the term of the owner that it is from.
    async fn execute_until<C: Command>(
        &self,
        command: &AnyCommand,
        deadline: Instant,
    ) -> (Result<C::Reply, OwnerError>, Option<Term>) {
        loop {
            let term = self.cluster.term(&self.pass);
            let answer = match &term {
                Some(term) => ask(&self.cluster, &self.pass, term, command).await,
                None => Err(OwnerError::NoOwner),
            };
            match answer.and_then(|bytes| decode_reply::<C>(&bytes)) {
                // There will be no owner any more.
                Err(_) if !self.cluster.is_current(&self.pass) => return (Err(OwnerError::NoOwner), term),
                Err(OwnerError::Unavailable | OwnerError::NoOwner) if Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(OwnerError::Unavailable) => return (Err(OwnerError::NoOwner), term),
                result => return (result, term),
            }
        }
    }

    /// Whether the result leaves open what the log holds, and the owner can append nothing more. An
    /// owner that steps down answers that samples failed.
    async fn is_left_to_successor(&self, result: &IngestResult, term: Option<&Term>) -> bool {
        match (result, term) {
            (Err(OwnerError::Unknown), Some(term)) => self.cluster.term(&self.pass).as_ref() != Some(term),
            (Ok(Ok(ingested)), Some(term)) if ingested.receipt.failed > 0 => {
                timeout(STEPPING_DOWN, self.cluster.term_ended(&self.pass, term)).await.is_ok()
            }
            _ => false,
        }
    }

    /// Has the owner take samples in; returns the receipt and the log's epoch. Rows whose fate is
    /// unknown count as failed.
    ///
    /// # Errors
    /// Only if nothing of the batch was taken.
    pub async fn ingest(&self, batches: Vec<KpiBatch>, arrival: Arrival) -> Result<Ingested, IngestError> {
        let samples = batches.iter().map(|batch| batch.rows().count()).sum();
        let _permit = self.admission.admit(self.pass.sender(), samples).await?;
        let mut whole = Parts::default();
        // One after the other, so that the samples of a series arrive in their order.
        for batches in pieces(batches, self.cluster.transport().max_bytes()) {
            let rows = batches.iter().map(|batch| batch.rows().count() as u64).sum::<u64>();
            if whole.failed.is_some() {
                whole.receipt.failed += rows;
            } else {
                let result = self.ingest_piece(batches, arrival).await;
                whole.add(result, rows);
            }
        }
        whole.finish()
    }

    /// Sends a piece to the owner. If the owner fails before it answers, the next owner gets the
    /// samples that the log does not hold.
    async fn ingest_piece(&self, mut batches: Vec<KpiBatch>, arrival: Arrival) -> IngestResult {
        let deadline = Instant::now() + GIVE_UP;
        let since = self.seen.head(&self.pass, self.log.as_ref()).await;
        let mut taken = Receipt::default();
        loop {
            let command = AnyCommand::from(Ingest { batches, arrival });
            let (result, term) = self.execute_until::<Ingest>(&command, deadline).await;
            let AnyCommand::Ingest(Ingest { batches: sent, .. }) = command else {
                return Err(OwnerError::NotUnderstood);
            };
            if Instant::now() >= deadline || !self.is_left_to_successor(&result, term.as_ref()).await {
                return result.map(|result| self.merge(result, &sent, taken));
            }
            let Some(since) = since else { return Err(OwnerError::Unknown) };
            batches = self.remove_taken(sent, since, deadline, &mut taken).await?;
            if batches.is_empty() {
                let head = self.log.head(&self.pass).await.ok().flatten().ok_or(OwnerError::Unknown)?;
                let epoch = head.epochs.epoch_of(taken.seq).to_owned();
                return Ok(Ok(Ingested { receipt: taken, epoch }));
            }
            tracing::info!(workspace = %self.pass.workspace(), "samples are sent again to the next owner");
        }
    }

    /// Adds the samples that an earlier owner took to the result for the others.
    fn merge(
        &self,
        result: Result<Ingested, IngestError>,
        sent: &[KpiBatch],
        taken: Receipt,
    ) -> Result<Ingested, IngestError> {
        let ingested = match result {
            Err(error) if taken == Receipt::default() => return Err(error),
            Err(_) => {
                let failed = sent.iter().map(|batch| batch.rows().count() as u64).sum();
                return Ok(Ingested { receipt: Receipt { failed, ..taken }, epoch: UNKNOWN_EPOCH.to_owned() });
            }
            Ok(ingested) => ingested,
        };
        let receipt = Receipt {
            accepted: ingested.receipt.accepted + taken.accepted,
            late: ingested.receipt.late + taken.late,
            seq: ingested.receipt.seq.max(taken.seq),
            ..ingested.receipt
        };
        if receipt.seq > 0 {
            self.seen.saw(self.pass.key(), receipt.seq);
        }
        Ok(Ingested { receipt, ..ingested })
    }

    /// Removes the samples that the log holds after `since`, and adds them to the receipt.
    ///
    /// # Errors
    /// `Unknown` if the log cannot be searched.
    async fn remove_taken(
        &self,
        batches: Vec<KpiBatch>,
        since: Seq,
        deadline: Instant,
        receipt: &mut Receipt,
    ) -> Result<Vec<KpiBatch>, OwnerError> {
        // The answer comes from an owner of a later term, which has opened the log before it served
        // requests. So the earlier owner can append nothing more.
        let (status, _) = self.execute_until::<DescribeStatus>(&AnyCommand::from(DescribeStatus), deadline).await;
        let head = status.map_err(|_| OwnerError::Unknown)?.seq;
        if !(since..=since.saturating_add(SEARCH_AT_MOST)).contains(&head) {
            return Err(OwnerError::Unknown);
        }
        let mut taken = Taken::new(&batches);
        let mut next = since + 1;
        while next <= head {
            let page = self.log.read(&self.pass, next, PAGE).await.map_err(|_| OwnerError::Unknown)?;
            // The events in between may have been trimmed.
            if page.events.first().is_none_or(|event| event.seq != next) {
                return Err(OwnerError::Unknown);
            }
            for event in &page.events {
                taken.add(event);
                next = event.seq + 1;
            }
        }
        Ok(taken.remove_from(batches, receipt))
    }
}

/// The results of the pieces of one batch.
#[derive(Default)]
struct Parts {
    receipt: Receipt,
    epoch: Option<String>,
    failed: Option<IngestError>,
}

impl Parts {
    fn add(&mut self, result: IngestResult, rows: u64) {
        let error = match result {
            Ok(Ok(Ingested { receipt, epoch })) => {
                self.epoch = Some(epoch);
                self.receipt.accepted += receipt.accepted;
                self.receipt.late += receipt.late;
                self.receipt.failed += receipt.failed;
                self.receipt.rejected.extend(receipt.rejected);
                self.receipt.too_old = TooOld::merge(self.receipt.too_old.take(), receipt.too_old);
                self.receipt.ahead = AheadOfClock::merge(self.receipt.ahead.take(), receipt.ahead);
                self.receipt.rereads.extend(receipt.rereads);
                self.receipt.seq = self.receipt.seq.max(receipt.seq);
                return;
            }
            Ok(Err(error)) => error,
            Err(OwnerError::Unknown) => {
                // Samples may have been taken: this is not the refusal of a whole batch.
                self.epoch = Some(UNKNOWN_EPOCH.to_owned());
                IngestError::Unavailable
            }
            Err(OwnerError::Unavailable | OwnerError::NoOwner | OwnerError::NotUnderstood) => IngestError::Unavailable,
        };
        self.receipt.failed += rows;
        self.failed = Some(error);
    }

    fn finish(self) -> Result<Ingested, IngestError> {
        match (self.epoch, self.failed) {
            (None, Some(error)) => Err(error),
            (epoch, _) => Ok(Ingested { receipt: self.receipt, epoch: epoch.unwrap_or_default() }),
        }
    }
}

#[cfg(test)]
mod tests;
