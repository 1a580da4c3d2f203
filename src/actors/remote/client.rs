//! The caller's side: has the owner of a workspace execute commands, and the next owner if that one
//! is gone.
//!
//! A request that was not delivered is sent again: between two owners no node serves the workspace
//! for a few seconds.

use std::time::Duration;

use tokio::time::Instant;

use super::wire::{decode, encode};
use crate::actors::admission::{Admission, IngestError, Receipt};
use crate::actors::cluster::handle::Cluster;
use crate::actors::workspace::command::{AnyCommand, Command, Ingest, Ingested, OwnerError};
use crate::cluster::NodeEpoch;
use earcon_model::{Arrival, KpiBatch, KpiName, SeriesBatch};
use earcon_ports::{NodeTransport, TransportError};
use earcon_tenancy::WorkspacePass;

/// Give up after this long without an owner. Must exceed a takeover.
const GIVE_UP: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(50);
/// How long an owner that hands over may take for its last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Upper bounds of the size of a row and a series in a message.
const ROW_BYTES: usize = 24;
const SERIES_BYTES: usize = 160;

/// Sends commands to the owner of one workspace.
#[derive(Clone)]
pub struct OwnerClient {
    cluster: Cluster,
    pass: WorkspacePass,
    admission: Admission,
}

/// Has the present owner execute a command.
///
/// # Errors
/// Those of the owner; `NoOwner` if there is none.
pub(in crate::actors) async fn request_once<C: Command>(
    transport: &dyn NodeTransport,
    pass: &WorkspacePass,
    command: C,
) -> Result<C::Reply, OwnerError> {
    let request = encode::<AnyCommand>(&command.into()).map_err(|_| OwnerError::NotUnderstood)?;
    match transport.request(pass, request).await {
        Ok(answer) => decode_reply::<C>(&answer),
        Err(error) => Err(owner_error(error, pass)),
    }
}

fn decode_reply<C: Command>(answer: &[u8]) -> Result<C::Reply, OwnerError> {
    decode::<Result<C::Reply, OwnerError>>(answer).unwrap_or(Err(OwnerError::NotUnderstood))
}

fn owner_error(error: TransportError, pass: &WorkspacePass) -> OwnerError {
    match error {
        TransportError::NoResponder => OwnerError::NoOwner,
        TransportError::Unknown(error) => {
            tracing::warn!(workspace = %pass.workspace(), error, "no answer from the owner");
            OwnerError::Unknown
        }
        TransportError::TooLarge(_) => OwnerError::NotUnderstood,
    }
}

impl OwnerClient {
    /// `admission` bounds the samples that are on their way to the owner.
    pub fn new(cluster: Cluster, pass: WorkspacePass, admission: Admission) -> Self {
        Self { cluster, pass, admission }
    }

    /// Sends a command until an owner has executed or refused it.
    ///
    /// # Errors
    /// `NoOwner` if no owner executes commands for a while; the other errors at once.
    pub async fn execute<C: Command>(&self, command: C) -> Result<C::Reply, OwnerError> {
        let request = encode::<AnyCommand>(&command.into()).map_err(|_| OwnerError::NotUnderstood)?;
        let deadline = Instant::now() + GIVE_UP;
        loop {
            let owner = self.cluster.owner(self.pass.workspace());
            let answer = tokio::select! {
                answer = self.cluster.transport().request(&self.pass, request.clone()) => answer,
                // The node that has the request is asleep, dead or cut off.
                () = self.moved(owner) => Err(TransportError::Unknown("another node owns the workspace now".into())),
            };
            let result = match answer {
                Ok(bytes) => decode_reply::<C>(&bytes),
                Err(error) => Err(owner_error(error, &self.pass)),
            };
            match result {
                Err(OwnerError::Unavailable | OwnerError::NoOwner) if Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(OwnerError::Unavailable) => return Err(OwnerError::NoOwner),
                result => return result,
            }
        }
    }

    /// Completes some time after the workspace has another owner: an owner that hands over in order
    /// has answered by then.
    async fn moved(&self, from: Option<NodeEpoch>) {
        self.cluster.moved(self.pass.workspace(), from).await;
        tokio::time::sleep(LAST_ANSWERS).await;
    }

    /// Has the owner take samples in; returns the receipt and the log's epoch. Rows whose fate is
    /// unknown count as failed.
    ///
    /// # Errors
    /// Only if nothing of the batch was taken.
    pub async fn ingest(&self, batches: Vec<KpiBatch>, arrival: Arrival) -> Result<Ingested, IngestError> {
        let samples = batches.iter().map(|batch| batch.rows().count()).sum();
        let _permit = self.admission.admit(samples)?;
        let mut whole = Parts::default();
        // One after the other, so that the samples of a series arrive in their order.
        for batches in pieces(batches, self.cluster.transport().max_bytes()) {
            let rows = batches.iter().map(|batch| batch.rows().count() as u64).sum::<u64>();
            if whole.failed.is_some() {
                whole.receipt.failed += rows;
            } else {
                let result = self.execute(Ingest { batches, arrival }).await;
                whole.add(result, rows);
            }
        }
        whole.finish()
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
    fn add(&mut self, result: Result<Result<Ingested, IngestError>, OwnerError>, rows: u64) {
        let error = match result {
            Ok(Ok(Ingested { receipt, epoch })) => {
                self.epoch = Some(epoch);
                self.receipt.accepted += receipt.accepted;
                self.receipt.late += receipt.late;
                self.receipt.failed += receipt.failed;
                self.receipt.rejected.extend(receipt.rejected);
                self.receipt.seq = self.receipt.seq.max(receipt.seq);
                return;
            }
            Ok(Err(error)) => error,
            Err(OwnerError::Unknown) => {
                // Samples may have been taken: this is not the refusal of a whole batch.
                self.epoch = Some("unknown".to_owned());
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

/// Cuts a batch so that each piece fits into a message. The rows of a series stay in their order.
/// Rows are copied only if their series has to be cut.
fn pieces(batches: Vec<KpiBatch>, max_bytes: usize) -> Vec<Vec<KpiBatch>> {
    let rows_at_most = (max_bytes.saturating_sub(8_192) / ROW_BYTES).max(1);
    let mut pieces = Pieces { max_bytes, full: Vec::new(), last: Vec::new(), last_bytes: 0 };
    for KpiBatch { kpi, series } in batches {
        for mut whole in series {
            if whole.rows.len() <= rows_at_most {
                pieces.add(&kpi, whole);
                continue;
            }
            let rows = std::mem::take(&mut whole.rows);
            // The end-of-series marker comes after all rows.
            let ended_at_ms = whole.ended_at_ms.take();
            let mut chunks = rows.chunks(rows_at_most).peekable();
            while let Some(chunk) = chunks.next() {
                let ended_at_ms = ended_at_ms.filter(|_| chunks.peek().is_none());
                pieces.add(&kpi, SeriesBatch { rows: chunk.to_vec(), ended_at_ms, ..whole.clone() });
            }
        }
    }
    pieces.finish()
}

/// The pieces of a batch while it is cut.
struct Pieces {
    max_bytes: usize,
    full: Vec<Vec<KpiBatch>>,
    last: Vec<KpiBatch>,
    /// An upper bound of the size of the last piece.
    last_bytes: usize,
}

impl Pieces {
    /// Adds rows that fit into a message, to the last piece if it has room for them.
    fn add(&mut self, kpi: &KpiName, series: SeriesBatch) {
        let names = kpi.as_str().len() + series.labels.as_str().len();
        let bytes = SERIES_BYTES + names + series.rows.len() * ROW_BYTES;
        if self.last_bytes > 0 && self.last_bytes + bytes > self.max_bytes {
            self.full.push(std::mem::take(&mut self.last));
            self.last_bytes = 0;
        }
        self.last_bytes += bytes;
        match self.last.last_mut().filter(|last| last.kpi == *kpi) {
            Some(last) => last.series.push(series),
            None => self.last.push(KpiBatch { kpi: kpi.clone(), series: vec![series] }),
        }
    }

    fn finish(mut self) -> Vec<Vec<KpiBatch>> {
        if !self.last.is_empty() {
            self.full.push(self.last);
        }
        self.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{Labels, Sample};

    fn batch(kpi: &str, series: usize, rows: u32) -> KpiBatch {
        let series = (0..series)
            .map(|i| {
                let rows = (0..rows).map(|row| (row, Sample { timestamp_ms: i64::MAX, value: f64::from(row) }));
                SeriesBatch::gauge(Labels::parse(&format!("s:{i}")).unwrap(), rows.collect())
            })
            .collect();
        KpiBatch { kpi: KpiName::new(kpi).unwrap(), series }
    }

    #[test]
    fn pieces_fit_and_lose_nothing() {
        let batches = vec![batch("a", 3, 10), batch("b", 1, 100_000), batch("c", 500, 2)];
        let max_bytes = 100_000;
        let pieces = pieces(batches.clone(), max_bytes);
        assert!(pieces.len() > 10);
        for piece in &pieces {
            let bytes = encode(&AnyCommand::from(Ingest { batches: piece.clone(), arrival: Arrival::Live })).unwrap();
            assert!(bytes.len() <= max_bytes, "{}", bytes.len());
        }
        let rows = |batches: &[KpiBatch]| -> Vec<(String, String, u32)> {
            let mut all = Vec::new();
            for batch in batches {
                for series in &batch.series {
                    all.extend(
                        series
                            .rows
                            .iter()
                            .map(|(row, _)| (batch.kpi.as_str().to_owned(), series.labels.as_str().to_owned(), *row)),
                    );
                }
            }
            all
        };
        assert_eq!(rows(&pieces.concat()), rows(&batches));
    }

    #[test]
    fn a_series_ends_with_the_last_of_its_pieces() {
        let mut large = batch("a", 1, 1_000);
        large.series[0].ended_at_ms = Some(7);
        let mut empty = batch("b", 1, 0);
        empty.series[0].ended_at_ms = Some(8);
        let pieces = pieces(vec![large, empty], 10_000);
        let ends: Vec<_> = pieces.iter().flatten().flat_map(|one| &one.series).map(|one| one.ended_at_ms).collect();
        assert!(ends.len() > 3);
        assert_eq!(ends.iter().flatten().collect::<Vec<_>>(), [&7, &8]);
        assert!(ends[ends.len() - 2..].iter().all(Option::is_some), "{ends:?}");
    }

    #[test]
    fn a_small_batch_stays_whole() {
        assert_eq!(pieces(vec![batch("a", 2, 2), batch("b", 1, 1)], 1_000_000).len(), 1);
        assert!(pieces(Vec::new(), 1_000_000).is_empty());
    }
}
