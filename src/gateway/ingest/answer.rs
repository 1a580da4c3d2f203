//! The answer of Earcon's own protocol, over HTTP, WebSocket and NATS.

use serde::Serialize;
use utoipa::ToSchema;

use super::commit::Submitted;
use crate::gateway::http::problem::{Kind, Problem};
use crate::live::wire::to_json;
use earcon_model::RejectedRow;

/// At most this many refused rows are listed.
const LISTED: usize = 100;

/// The answer after the commit.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted<'a> {
    /// Samples that are durable now.
    accepted: u64,
    /// How many of them were late: not newer than one already seen, so not scored.
    late: u64,
    /// The first hundred rows that were refused.
    rejected: Vec<Rejected>,
    rejected_total: usize,
    /// The last event the samples became part of.
    seq: u64,
    epoch: &'a str,
}

/// A row that was refused.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rejected {
    /// Counts from 0.
    row: u32,
    error: String,
}

/// The answer as JSON.
///
/// # Errors
/// When no row was accepted, or some could not be committed.
pub(crate) fn accepted_json(submitted: &Submitted) -> Result<String, Problem> {
    let rejected = submitted.rejected()?;
    let receipt = &submitted.receipt;
    // A request may hold end-of-series markers alone.
    let only_refusals = receipt.accepted == 0 && !rejected.is_empty();
    let Some(epoch) = submitted.epoch.as_deref().filter(|_| !only_refusals) else {
        return Err(nothing_accepted(rejected));
    };
    Ok(to_json(&Accepted {
        accepted: receipt.accepted,
        late: receipt.late,
        rejected_total: rejected.len(),
        rejected: listed(rejected),
        seq: receipt.seq,
        epoch,
    }))
}

fn nothing_accepted(rejected: Vec<RejectedRow>) -> Problem {
    let total = rejected.len();
    let detail = if total == 0 { "the batch holds no samples" } else { "every row was refused" };
    Problem::new(Kind::NothingAccepted, detail)
        .with("rejected", serde_json::to_value(listed(rejected)).unwrap_or_default())
        .with("rejected_total", total.into())
}

fn listed(rejected: Vec<RejectedRow>) -> Vec<Rejected> {
    rejected.into_iter().take(LISTED).map(|RejectedRow { row, error }| Rejected { row, error }).collect()
}
