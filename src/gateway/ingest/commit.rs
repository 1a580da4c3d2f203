//! The one way from parsed rows to the log. Every protocol submits here and renders the result.
//!
//! # Counting
//! Each row is counted once. Here: rows the parser refused, rows of a batch that admission or a
//! limit refused as a whole, and ignored samples. The workspace's owner counts accepted and late
//! samples, and rows its streams refused. A batch that is sent again counts by its last attempt.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::meanings::Stated;
use super::notes::notes;
use super::replaced::Replaced;
use crate::actors::admission::{IngestError, Receipt};
use crate::actors::directory::{Refused, Submission};
use crate::actors::node::OpenError;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::state::SharedState;
use crate::live::wire::WireTooOld;
use crate::services::meanings::MeaningService;
use crate::telemetry::{Metric, count};
use earcon_intake::ParsedBatch;
use earcon_model::wording::counted;
use earcon_model::{Arrival, KpiBatch, RejectedRow};
use earcon_tenancy::WorkspacePass;

/// Pause between two attempts of [`submit_with_retry`].
const PAUSE: Duration = Duration::from_millis(500);

/// A batch after its commit.
#[derive(Debug, Default)]
pub(crate) struct Submitted {
    /// Rows the parser refused.
    pub(crate) unparsed: Vec<RejectedRow>,
    /// The result of the commit; empty when no row was left to commit.
    pub(crate) receipt: Receipt,
    /// The epoch of the log; `None` when no row was left to commit.
    pub(crate) epoch: Option<String>,
    /// What the sender should know about rows that were taken.
    pub(crate) notes: Vec<String>,
    /// The rows that replace another one of the request.
    pub(crate) replaced: Replaced,
}

impl Submitted {
    /// All refused rows in order, if every other row is durable.
    ///
    /// # Errors
    /// 503 when some rows were not committed. Sending all of them again is safe.
    pub(crate) fn refused(&self) -> Result<RefusedRows, Problem> {
        if self.receipt.failed > 0 {
            return Err(incomplete(&self.receipt));
        }
        let mut rows = [&self.unparsed[..], &self.receipt.rejected[..]].concat();
        rows.sort_by_key(|rejected| rejected.row);
        let (too_old, notes) = (self.receipt.too_old.as_ref().map(WireTooOld::from), self.notes.clone());
        Ok(RefusedRows { rows, too_old, notes })
    }
}

/// The refused rows of a request.
#[derive(Debug, Default)]
pub(crate) struct RefusedRows {
    /// Each row with its reason, in order.
    pub(crate) rows: Vec<RejectedRow>,
    /// Those that are older than history keeps.
    pub(crate) too_old: Option<WireTooOld>,
    /// What the sender should know about the rows that were taken.
    pub(crate) notes: Vec<String>,
}

impl RefusedRows {
    /// The first reasons as one text, which begins with all that are too old. `name` names a row.
    pub(crate) fn reasons(&self, most: usize, name: impl Fn(u32) -> String) -> String {
        let too_old = self.too_old.iter().map(ToString::to_string);
        let rows = self.rows.iter().take(most).map(|row| format!("{}: {}", name(row.row), row.error));
        too_old.chain(rows).collect::<Vec<_>>().join("; ")
    }

    /// Their number, with a noun.
    pub(crate) fn counted(&self, one: &str, many: &str) -> String {
        counted(self.rows.len() as u64, one, many)
    }
}

/// A batch on its way to the log.
pub(crate) struct Committing {
    submission: Option<Submission>,
    unparsed: Vec<RejectedRow>,
    replaced: Replaced,
    /// What the parser found.
    noted: Vec<String>,
    stated: Option<Stated>,
    meanings: MeaningService,
    pass: WorkspacePass,
}

impl Committing {
    /// Waits for the commit.
    pub(crate) async fn committed(self) -> Submitted {
        let Self { submission, unparsed, replaced, noted, stated, meanings, pass } = self;
        match submission {
            Some(submission) => {
                let (receipt, epoch) = submission.receipt().await;
                let notes = notes(noted, stated, &receipt, &meanings, &pass).await;
                Submitted { unparsed, receipt, epoch: Some(epoch), notes, replaced }
            }
            None => Submitted { unparsed, notes: noted, ..Submitted::default() },
        }
    }
}

/// Submits rows and waits for the commit.
///
/// # Errors
/// Only when no row was taken.
pub(crate) async fn submit(
    state: &SharedState,
    pass: &WorkspacePass,
    parsed: ParsedBatch,
    arrival: Arrival,
) -> Result<Submitted, Refused> {
    Ok(begin(state, pass, parsed, arrival).await?.committed().await)
}

/// Submits rows without waiting for the commit. Batches are scored in the order of the calls.
///
/// # Errors
/// Only when no row was taken.
pub(crate) async fn begin(
    state: &SharedState,
    pass: &WorkspacePass,
    parsed: ParsedBatch,
    arrival: Arrival,
) -> Result<Committing, Refused> {
    let ParsedBatch { batches, rejected: unparsed, notes, meanings: stated, .. } = counted_parsed(pass, parsed);
    let (meanings, pass) = (state.meanings.clone(), pass.clone());
    if batches.is_empty() {
        let replaced = Replaced::default();
        return Ok(Committing { submission: None, unparsed, replaced, noted: notes, stated: None, meanings, pass });
    }
    let replaced = Replaced::of(&batches);
    let stated = Stated::of(state, &pass, stated, &batches).await;
    let rows = rows_of(&batches);
    let sent = state.directory.send(&pass, batches, arrival).await.inspect_err(|refused| count_refused(refused, rows));
    Ok(Committing { submission: Some(sent?), unparsed, replaced, noted: notes, stated, meanings, pass })
}

/// When [`submit_with_retry`] gives up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryLimits {
    /// It makes no attempt after this time.
    pub(crate) give_up_after: Duration,
    /// It also gives up when the server shuts down.
    pub(crate) until_shutdown: bool,
}

/// Why [`submit_with_retry`] gave up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GaveUp {
    /// No row was taken.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The server shuts down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// Submits rows, and submits them again while the workspace takes none or commits only some.
/// After the last attempt the receipt may hold failed rows.
///
/// # Errors
/// When no row was taken until the end.
pub(crate) async fn submit_with_retry(
    state: &SharedState,
    pass: &WorkspacePass,
    parsed: ParsedBatch,
    arrival: Arrival,
    retry: RetryLimits,
) -> Result<Submitted, GaveUp> {
    let ParsedBatch { mut batches, rejected: unparsed, notes: mut noted, meanings, .. } = counted_parsed(pass, parsed);
    if batches.is_empty() {
        return Ok(Submitted { unparsed, notes: noted, ..Submitted::default() });
    }
    let mut stated = Stated::of(state, pass, meanings, &batches).await;
    let (rows, replaced) = (rows_of(&batches), Replaced::of(&batches));
    let deadline = Instant::now() + retry.give_up_after;
    loop {
        let last = Instant::now() >= deadline;
        // An attempt consumes its rows: the owner of the workspace keeps those that it takes. Its
        // receipt does not name the failed rows, so a retry needs a whole copy.
        let attempt = if last { std::mem::take(&mut batches) } else { batches.clone() };
        match state.directory.ingest(pass, attempt, arrival).await {
            // Samples that are stored already replace themselves, so a partial commit is sent again
            // whole.
            Ok((receipt, epoch)) if receipt.failed == 0 || last => {
                let notes = notes(std::mem::take(&mut noted), stated.take(), &receipt, &state.meanings, pass).await;
                return Ok(Submitted { unparsed, receipt, epoch: Some(epoch), notes, replaced });
            }
            Err(refused) if last || !refused.may_pass() => {
                count_refused(&refused, rows);
                return Err(refused.into());
            }
            Ok(_) | Err(_) => {}
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = state.shutting_down(), if retry.until_shutdown => return Err(GaveUp::ShuttingDown),
        }
    }
}

/// Refuses the rows that the key of the request does not permit. Counts refused and ignored rows.
fn counted_parsed(pass: &WorkspacePass, mut parsed: ParsedBatch) -> ParsedBatch {
    if pass.is_limited_to_some_kpis() {
        withhold(pass, &mut parsed);
    }
    count(Metric::IngestIgnored, parsed.ignored as u64);
    count(Metric::IngestRejected, parsed.rejected.len() as u64);
    parsed
}

/// Refuses the rows of KPIs that the key of the request does not permit.
fn withhold(pass: &WorkspacePass, parsed: &mut ParsedBatch) {
    parsed.meanings.retain(|(kpi, _)| pass.may_touch(kpi));
    let (kept, foreign) = std::mem::take(&mut parsed.batches).into_iter().partition(|batch| pass.may_touch(&batch.kpi));
    parsed.batches = kept;
    for batch in foreign {
        let batch: KpiBatch = batch;
        let error = format!("the key does not permit the KPI {}", batch.kpi);
        let rows = batch.rows().chain(batch.end_rows());
        parsed.rejected.extend(rows.map(|row| RejectedRow { row, error: error.clone() }));
    }
    parsed.rejected.sort_by_key(|rejected| rejected.row);
}

/// Counts the rows of a batch that was refused as a whole. A workspace that restarts refuses none.
fn count_refused(refused: &Refused, rows: usize) {
    match refused {
        Refused::Ingest(
            IngestError::Overloaded
            | IngestError::TooLarge { .. }
            | IngestError::StorageFull { .. }
            | IngestError::StorageLost(_),
        )
        | Refused::Open(OpenError::Unknown(_) | OpenError::TooMany(_)) => count(Metric::IngestRejected, rows as u64),
        Refused::Ingest(IngestError::Unavailable) | Refused::Open(OpenError::Unavailable | OpenError::Failed(_)) => {}
    }
}

fn rows_of(batches: &[KpiBatch]) -> usize {
    batches.iter().map(|batch| batch.rows().count()).sum()
}

fn incomplete(receipt: &Receipt) -> Problem {
    let detail = format!(
        "{} committed and {} not, because their stream or the log failed; \
         send the batch again, samples already there replace themselves",
        counted(receipt.accepted, "sample was", "samples were"),
        counted(receipt.failed, "was", "were")
    );
    Problem::new(Kind::Unavailable, detail)
}
