//! Messages without reply of one workspace, committed in order, several in one batch.

use std::collections::VecDeque;

use super::message::{self, Pending};
use crate::gateway::ingest::commit::submit;
use crate::gateway::ingest::state::IngestState;
use earcon_intake::ParsedBatch;
use earcon_model::wording::counted;
use earcon_model::{Arrival, RejectedRow, WorkspaceId};
use earcon_tenancy::WorkspacePass;

/// The subject of a message of which something was refused, and the reason.
pub(super) type Refusal = (String, String);

/// Commits messages of one workspace in order. Returns the refusals.
pub(super) async fn run_lane(state: IngestState, workspace: WorkspaceId, messages: VecDeque<Pending>) -> Vec<Refusal> {
    let pass = state.access.system(&workspace);
    let mut refused = Vec::new();
    let mut group = Group::default();
    for pending in messages {
        let subject = pending.message.subject.to_string();
        match message::parse(&state, &pass, &pending.message).await {
            Ok(parsed) => {
                if let Some(first) = parsed.rejected.first() {
                    refused.push((subject, first_of(&parsed.rejected, &first.error)));
                }
                let arrival = message::arrival(&pending.message);
                let full = group.rows + rows_of(&parsed) > state.max_batch_samples;
                if full || arrival != group.arrival {
                    group.commit(&state, &pass, &mut refused).await;
                    group.arrival = arrival;
                }
                group.add(parsed, pending);
            }
            Err(problem) => refused.push((subject, problem.detail().to_owned())),
        }
    }
    group.commit(&state, &pass, &mut refused).await;
    refused
}

/// Messages that are committed together.
#[derive(Default)]
struct Group {
    parsed: ParsedBatch,
    /// Live samples and history are not committed together.
    arrival: Arrival,
    rows: usize,
    messages: Vec<Pending>,
}

impl Group {
    fn add(&mut self, parsed: ParsedBatch, pending: Pending) {
        self.rows += rows_of(&parsed);
        self.parsed.batches.extend(parsed.batches);
        self.parsed.rejected.extend(parsed.rejected);
        self.parsed.ignored += parsed.ignored;
        self.parsed.notes.extend(parsed.notes);
        self.parsed.meanings.extend(parsed.meanings);
        self.messages.push(pending);
    }

    /// Commits the group and begins an empty one. Refusals of the parser are reported already.
    async fn commit(&mut self, state: &IngestState, pass: &WorkspacePass, refused: &mut Vec<Refusal>) {
        let Group { parsed, arrival, messages, .. } = std::mem::take(self);
        let why = match submit(state, pass, parsed, arrival).await {
            Ok(submitted) => {
                let receipt = submitted.receipt;
                match receipt.rejected.first() {
                    _ if receipt.failed > 0 => {
                        format!("{} not committed", counted(receipt.failed, "sample was", "samples were"))
                    }
                    Some(first) => first_of(&receipt.rejected, &first.error),
                    None => return,
                }
            }
            Err(refusal) => refusal.to_string(),
        };
        refused.extend(messages.iter().map(|pending| (pending.message.subject.to_string(), why.clone())));
    }
}

fn first_of(refused: &[RejectedRow], error: &str) -> String {
    format!("{}, the first: {error}", counted(refused.len() as u64, "row", "rows"))
}

fn rows_of(parsed: &ParsedBatch) -> usize {
    parsed.batches.iter().flat_map(|batch| &batch.series).map(|series| series.rows.len()).sum()
}
