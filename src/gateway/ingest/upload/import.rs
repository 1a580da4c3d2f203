//! The import of one file: batch by batch to the log, and a line of progress for each.

use std::time::Duration;

use axum::body::Bytes;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::ingest::commit::{GaveUp, RetryLimits, Submitted, submit_with_retry};
use crate::gateway::ingest::state::IngestState;
use crate::live::wire::{WireTooOld, to_json};
use crate::sources::admissible::named;
use crate::sources::by_kpi;
use crate::sources::chunks::{FileError, Portion, join};
use crate::telemetry::{Metric, count};
use earcon_intake::ParsedBatch;
use earcon_model::Arrival;
use earcon_model::wording::counted;
use earcon_tenancy::WorkspacePass;

/// Problems that the last line lists; all are counted.
const LISTED: usize = 100;
/// The import ends if the workspace takes nothing for this long.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// How long the last line waits for a client that does not read.
const LAST_LINE: Duration = Duration::from_secs(30);

/// A line of the answer.
#[derive(Debug, Clone, Default, Serialize)]
struct Tally {
    /// On the last line only.
    done: bool,
    /// Rows of the table read.
    rows: u64,
    accepted: u64,
    /// Those of the accepted ones that are not newer than the newest of their series.
    late: u64,
    /// Those of the late ones that replace the value of an earlier one of the file at the same
    /// time. On the last line only.
    #[serde(skip_serializing_if = "is_zero")]
    replaced: u64,
    /// Samples the server did not take.
    rejected: u64,
    /// Rows and cells that could not be read.
    skipped: u64,
    bytes: u64,
    seq: u64,
    epoch: String,
    /// Columns and sheets that are not used, and rows out of order.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
    /// The first hundred problems, on the last line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
    /// The rejected samples that are older than history keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    too_old: Option<WireTooOld>,
    /// Why the import ended before the end of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// One file's import.
pub(super) struct Import {
    state: IngestState,
    pass: WorkspacePass,
    arrival: Arrival,
    tally: Tally,
    lines: mpsc::Sender<Bytes>,
    /// Decides the status of the answer. `None` when it is decided.
    begun: Option<oneshot::Sender<Result<(), Problem>>>,
}

impl Import {
    /// An import into the workspace of the pass. The lines of the answer go to `lines`. The
    /// receiver gets `Ok` with the first accepted sample, or the reason why there was none.
    pub(super) fn new(
        state: IngestState,
        pass: WorkspacePass,
        arrival: Arrival,
        lines: mpsc::Sender<Bytes>,
    ) -> (Self, oneshot::Receiver<Result<(), Problem>>) {
        let (begun, beginning) = oneshot::channel();
        (Self { state, pass, arrival, tally: Tally::default(), lines, begun: Some(begun) }, beginning)
    }

    /// Commits the file, portion by portion, and writes the lines of the answer.
    pub(super) async fn run(
        mut self,
        first: Portion,
        mut portions: mpsc::Receiver<Portion>,
        reader: JoinHandle<Result<(), FileError>>,
    ) {
        let mut next = Some(first);
        while let Some(portion) = next {
            if let Err(error) = self.ingest(portion).await {
                self.tally.error = Some(error);
                break;
            }
            if self.lines.is_closed() {
                return;
            }
            if self.tally.accepted > 0 {
                self.begin(Ok(()));
                let _slow_reader =
                    self.lines.try_send(line(&Tally { problems: Vec::new(), ..self.tally.clone() })).is_err();
            }
            next = portions.recv().await;
        }
        // The reader ends when its portions are dropped.
        drop(portions);
        match reader.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let rows = counted(self.tally.rows, "row above was taken", "rows above were taken");
                self.tally.error.get_or_insert_with(|| format!("{error}; {rows}"));
            }
            Err(error) => {
                tracing::error!(%error, "reading an uploaded file failed");
                self.tally.error = Some("the file could not be read; see the server's log".into());
            }
        }
        if self.tally.accepted == 0 {
            let nothing = self.nothing_accepted();
            self.begin(Err(nothing));
            return;
        }
        self.begin(Ok(()));
        self.tally.done = true;
        let _gone = timeout(LAST_LINE, self.lines.send(line(&self.tally))).await.is_err();
    }

    fn begin(&mut self, result: Result<(), Problem>) {
        let _gone = self.begun.take().is_some_and(|begun| begun.send(result).is_err());
    }

    /// The answer to a file of which no sample was accepted.
    fn nothing_accepted(&mut self) -> Problem {
        let Tally { error, problems, rejected, skipped, too_old, .. } = std::mem::take(&mut self.tally);
        let reason = match (error, &too_old, problems.first()) {
            (Some(error), ..) => error,
            (None, Some(too_old), _) => too_old.to_string(),
            (None, None, first) => first.cloned().unwrap_or_else(|| "it holds none".to_owned()),
        };
        let problem = Problem::new(Kind::NothingAccepted, format!("no sample of the file was accepted: {reason}"))
            .with("rejected_total", rejected.into())
            .with("skipped", skipped.into())
            .with("problems", problems.into());
        match too_old {
            Some(too_old) => problem.with("too_old", serde_json::to_value(too_old).unwrap_or_default()),
            None => problem,
        }
    }

    async fn ingest(&mut self, portion: Portion) -> Result<(), String> {
        let Portion { samples, problems, warning, replaced, rows, bytes_read } = portion;
        self.tally.replaced += replaced;
        self.tally.rows += rows;
        self.tally.bytes = bytes_read;
        self.tally.warning = join(self.tally.warning.take(), warning);
        self.tally.skipped += problems.total();
        problems.first().iter().for_each(|problem| self.list(problem.to_string()));
        // Cells that could not be read are the rows the parser refused. The import counts and lists
        // them itself, because only the first ones are kept.
        count(Metric::IngestRejected, problems.total());
        let parsed = ParsedBatch { batches: by_kpi(samples.clone()), ..ParsedBatch::default() };
        let Submitted { receipt, epoch, notes, .. } = self.commit(parsed).await?;
        notes.into_iter().for_each(|note| self.list(note));
        self.tally.accepted += receipt.accepted;
        self.tally.late += receipt.late;
        self.tally.rejected += receipt.rejected.len() as u64;
        self.tally.seq = self.tally.seq.max(receipt.seq);
        if let Some(epoch) = epoch {
            self.tally.epoch = epoch;
        }
        let too_old = receipt.too_old.as_ref().map(WireTooOld::from);
        self.tally.too_old = WireTooOld::merge(self.tally.too_old.take(), too_old);
        for rejected in receipt.rejected {
            if let Some(sample) = samples.get(rejected.row as usize) {
                self.list(format!("{}: {}", named(sample), rejected.error));
            }
        }
        Ok(())
    }

    fn list(&mut self, problem: String) {
        if self.tally.problems.len() < LISTED {
            self.tally.problems.push(problem);
        }
    }

    /// Waits while the workspace takes nothing: an import has no deadline of its own.
    async fn commit(&self, parsed: ParsedBatch) -> Result<Submitted, String> {
        let retry = RetryLimits { give_up_after: GIVE_UP_AFTER, until_shutdown: true };
        match submit_with_retry(&self.state, &self.pass, parsed, self.arrival, retry).await {
            Ok(submitted) if submitted.receipt.failed > 0 => {
                Err(format!("{} not committed", counted(submitted.receipt.failed, "sample was", "samples were")))
            }
            Ok(submitted) => Ok(submitted),
            Err(GaveUp::ShuttingDown) => Err("the server is shutting down; send the file again".into()),
            Err(refused @ GaveUp::Refused(_)) => Err(refused.to_string()),
        }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn line(tally: &Tally) -> Bytes {
    let mut line = to_json(tally);
    line.push('\n');
    line.into()
}
