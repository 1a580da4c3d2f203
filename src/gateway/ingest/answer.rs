//! The answer of Earcon's own protocol, over HTTP, WebSocket and NATS.

use serde::Serialize;
use utoipa::ToSchema;

use super::commit::{RefusedRows, Submitted};
use super::notes::NOTES;
use crate::gateway::http::problem::{Kind, Problem};
use crate::live::wire::{WireTooOld, to_json};
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
    /// How many of the late ones have the same series and time as an earlier one of the request,
    /// whose value they replace; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<u64>,
    /// The first hundred rows that were refused.
    rejected: Vec<Rejected>,
    rejected_total: usize,
    /// The last event the samples became part of.
    seq: u64,
    epoch: &'a str,
    /// Those of the refused rows that are older than history keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    too_old: Option<WireTooOld>,
    /// What to know about rows that were taken, such as a unit that is ignored because the KPI has
    /// another one. At most twenty, with the first request that gives reason for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<&'a str>,
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
    let RefusedRows { rows: rejected, too_old, notes } = submitted.refused()?;
    let receipt = &submitted.receipt;
    // A request may hold end-of-series markers alone.
    let only_refusals = receipt.accepted == 0 && !rejected.is_empty();
    let Some(epoch) = submitted.epoch.as_deref().filter(|_| !only_refusals) else {
        return Err(nothing_accepted(rejected, too_old));
    };
    let note = submitted.replaced.note();
    Ok(to_json(&Accepted {
        accepted: receipt.accepted,
        late: receipt.late,
        rejected_total: rejected.len(),
        rejected: listed(rejected),
        seq: receipt.seq,
        epoch,
        too_old,
        replaced: Some(submitted.replaced.count).filter(|count| *count > 0),
        notes: notes.iter().chain(&note).map(String::as_str).take(NOTES).collect(),
    }))
}

fn nothing_accepted(rejected: Vec<RejectedRow>, too_old: Option<WireTooOld>) -> Problem {
    let total = rejected.len();
    let detail = match &too_old {
        _ if total == 0 => "the batch holds no samples".to_owned(),
        Some(too_old) => format!("every row was refused; {too_old}"),
        None => "every row was refused".to_owned(),
    };
    let problem = Problem::new(Kind::NothingAccepted, detail)
        .with("rejected", serde_json::to_value(listed(rejected)).unwrap_or_default())
        .with("rejected_total", total.into());
    match too_old {
        Some(too_old) => problem.with("too_old", serde_json::to_value(too_old).unwrap_or_default()),
        None => problem,
    }
}

fn listed(rejected: Vec<RejectedRow>) -> Vec<Rejected> {
    rejected.into_iter().take(LISTED).map(|RejectedRow { row, error }| Rejected { row, error }).collect()
}
