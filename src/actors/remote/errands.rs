//! Asking the owner of a workspace to do something, patiently: between one owner and the next nobody answers for a few seconds.

use std::time::Duration;

use tokio::time::Instant;

use super::wire::{Answer, Request, decode, encode};
use crate::actors::cluster::Cluster;
use crate::actors::ingest::{Admission, IngestError, Receipt};
use crate::cluster::NodeEpoch;
use earcon_model::{Arrival, KpiBatch, SeriesBatch};
use earcon_ports::TransportError;
use earcon_tenancy::WorkspacePass;

/// How long nobody may answer before the one who asked is told so: longer than a takeover.
const PATIENCE: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(50);
/// How long an owner that hands over may take for its last answers.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Upper bounds of what a row and a series take in a message.
const ROW_BYTES: usize = 24;
const SERIES_BYTES: usize = 160;

/// The owner did not do it. Whether it may have is in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnerError {
    /// Nobody owns the workspace for too long, or it keeps restarting. Nothing was done.
    #[error("the workspace is moving between nodes; try again in a second")]
    NoOwner,
    /// It may have been done.
    #[error("the node that owns the workspace did not answer; it may have done what was asked")]
    Unknown,
    /// The owner runs another version of the program.
    #[error("the node that owns the workspace runs another version and did not understand")]
    NotUnderstood,
}

/// Runs errands for one workspace.
#[derive(Clone)]
pub struct OwnerClient {
    cluster: Cluster,
    pass: WorkspacePass,
    admission: Admission,
}

impl OwnerClient {
    /// `admission` bounds the samples that are on their way to the owner.
    pub fn new(cluster: Cluster, pass: WorkspacePass, admission: Admission) -> Self {
        Self { cluster, pass, admission }
    }

    /// Asks until somebody answers.
    pub async fn ask(&self, request: &Request) -> Result<Answer, OwnerError> {
        let Ok(question) = encode(request) else { return Err(OwnerError::NotUnderstood) };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let owner = self.cluster.owner(self.pass.workspace());
            let answer = tokio::select! {
                answer = self.cluster.courier().ask(&self.pass, question.clone()) => answer,
                // Whoever was asked is asleep, dead or cut off.
                () = self.moved(owner) => Err(TransportError::Lost("another node owns the workspace now".into())),
            };
            match answer {
                Ok(bytes) => match decode(&bytes) {
                    Some(Answer::Unavailable | Answer::Refused(IngestError::Unavailable)) => {}
                    Some(Answer::NotUnderstood) | None => return Err(OwnerError::NotUnderstood),
                    Some(answer) => return Ok(answer),
                },
                Err(TransportError::Nobody) => {}
                Err(TransportError::Lost(error)) => {
                    tracing::warn!(workspace = %self.pass.workspace(), error, "no answer from the owner");
                    return Err(OwnerError::Unknown);
                }
                Err(TransportError::TooLarge(_)) => return Err(OwnerError::NotUnderstood),
            }
            if Instant::now() >= deadline {
                return Err(OwnerError::NoOwner);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Completes some time after the owner has become another one: whoever hands over in order has answered by then.
    async fn moved(&self, from: Option<NodeEpoch>) {
        self.cluster.moved(self.pass.workspace(), from).await;
        tokio::time::sleep(LAST_WORDS).await;
    }

    /// Has the owner take samples in; returns the receipt and the log's epoch. Rows whose fate is unknown count as failed.
    ///
    /// # Errors
    /// Only when nothing of the batch was taken.
    pub async fn ingest(&self, batches: Vec<KpiBatch>, arrival: Arrival) -> Result<(Receipt, String), IngestError> {
        let samples = batches.iter().map(|batch| batch.rows().count()).sum();
        let _permit = self.admission.admit(samples)?;
        let mut whole = Receipt::default();
        let mut epoch = String::new();
        let mut failed = None;
        // One after the other, so that the samples of a series arrive in their order.
        for piece in pieces(batches, self.cluster.courier().max_bytes()) {
            let rows = piece.iter().map(|batch| batch.rows().count() as u64).sum::<u64>();
            if failed.is_some() {
                whole.failed += rows;
                continue;
            }
            match self.ask(&Request::Ingest(piece, arrival)).await {
                Ok(Answer::Ingested(part, of)) => {
                    epoch = of;
                    whole.accepted += part.accepted;
                    whole.late += part.late;
                    whole.failed += part.failed;
                    whole.rejected.extend(part.rejected);
                    whole.seq = whole.seq.max(part.seq);
                }
                Ok(Answer::Refused(error)) => {
                    whole.failed += rows;
                    failed = Some(error);
                }
                Ok(_) | Err(OwnerError::NoOwner | OwnerError::NotUnderstood) => {
                    whole.failed += rows;
                    failed = Some(IngestError::Unavailable);
                }
                Err(OwnerError::Unknown) => {
                    whole.failed += rows;
                    // Something may have been taken: this is not the refusal of a whole batch.
                    epoch = "unknown".to_owned();
                    failed = Some(IngestError::Unavailable);
                }
            }
        }
        match failed {
            Some(error) if epoch.is_empty() => Err(error),
            _ => Ok((whole, epoch)),
        }
    }
}

/// Cuts a batch so that each piece fits into a message. The rows of a series stay in their order.
fn pieces(batches: Vec<KpiBatch>, max_bytes: usize) -> Vec<Vec<KpiBatch>> {
    let rows_at_most = (max_bytes.saturating_sub(8_192) / ROW_BYTES).max(1);
    let mut pieces = Vec::new();
    let mut piece: Vec<KpiBatch> = Vec::new();
    let mut size = 0;
    for KpiBatch { kpi, series } in batches {
        for mut whole in series {
            let rows = std::mem::take(&mut whole.rows);
            // The word that a series ends may come without rows.
            let nothing = rows.is_empty().then_some(rows.as_slice());
            // And it comes after all of them.
            let mut ended_at_ms = whole.ended_at_ms.take();
            let last = rows.len().saturating_sub(1) / rows_at_most;
            for (number, rows) in rows.chunks(rows_at_most).chain(nothing).enumerate() {
                let bytes = SERIES_BYTES + kpi.as_str().len() + whole.labels.as_str().len() + rows.len() * ROW_BYTES;
                if size > 0 && size + bytes > max_bytes {
                    pieces.push(std::mem::take(&mut piece));
                    size = 0;
                }
                size += bytes;
                let ended_at_ms = if number == last { ended_at_ms.take() } else { None };
                let one = SeriesBatch { rows: rows.to_vec(), ended_at_ms, ..whole.clone() };
                match piece.last_mut().filter(|last| last.kpi == kpi) {
                    Some(last) => last.series.push(one),
                    None => piece.push(KpiBatch { kpi: kpi.clone(), series: vec![one] }),
                }
            }
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{KpiName, Labels, Sample};

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
            let bytes = encode(&Request::Ingest(piece.clone(), Arrival::Live)).unwrap();
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
