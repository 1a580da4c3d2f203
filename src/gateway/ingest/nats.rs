//! `earcon.v1.<organisation>.<workspace>.ingest`: the bodies of the HTTP endpoint as messages.
//!
//! A request gets its answer after the commit; requests run side by side. Messages without a reply
//! subject are taken in order for each workspace, because their sender cannot wait for one before
//! it sends the next. The size of all pending messages is bounded. Beyond the bound a request is
//! refused with 429, and a message without reply is dropped and counted.

mod lane;
mod message;

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::answer::accepted_json;
use super::commit::submit;
use super::state::IngestState;
use crate::gateway::http::log_limit::LogLimit;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::nats::{DRAIN_TIME, drain, reply, workspace_of};
use crate::telemetry::{Metric, count};
use earcon_model::WorkspaceId;
use lane::{Refusal, run_lane};
use message::Pending;

/// The messages of all workspaces.
pub(crate) const SUBJECT: &str = "earcon.v1.*.*.ingest";

/// Bound of all pending bodies together, in KiB. Each counts for at least one: 64 MiB, or 65,536
/// small messages.
const MAX_PENDING_KIB: usize = 65_536;

/// Takes messages until the server shuts down, then answers those that have arrived.
pub(crate) async fn serve(state: IngestState, client: Client, mut requests: Subscriber) {
    let bounds = Bounds::new(state.max_body_bytes, MAX_PENDING_KIB);
    let log = LogLimit::over("NATS");
    let mut ingest =
        NatsIngest { state: state.clone(), client, bounds, lanes: HashMap::new(), work: JoinSet::new(), log };
    let shutdown = state.shutting_down();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            message = requests.next() => match message {
                Some(message) => ingest.accept(message),
                None => break,
            },
            Some(done) = ingest.work.join_next(), if !ingest.work.is_empty() => ingest.finished(done),
            () = &mut shutdown => break,
        }
    }
    if drain(&mut requests).await {
        while let Ok(Some(message)) = timeout(DRAIN_TIME, requests.next()).await {
            ingest.accept(message);
        }
    }
    while let Some(done) = ingest.work.join_next().await {
        ingest.finished(done);
    }
}

/// Bounds the size of messages.
struct Bounds {
    max_bytes: usize,
    pending: Arc<Semaphore>,
}

impl Bounds {
    /// Bodies of at most `max_bytes`, together at most `pending_kib`.
    fn new(max_bytes: usize, pending_kib: usize) -> Self {
        Self { max_bytes, pending: Arc::new(Semaphore::new(pending_kib)) }
    }

    /// A body's share of the bound, until it is dropped.
    fn admit(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let most = self.max_bytes;
        if bytes > most {
            let detail = format!("a message may have at most {most} bytes, this one has {bytes}");
            return Err(Problem::new(Kind::TooLarge, detail));
        }
        let share = bytes.div_ceil(1_024).clamp(1, MAX_PENDING_KIB) as u32;
        self.pending.clone().try_acquire_many_owned(share).map_err(|_| {
            let detail = "too many messages are waiting to be committed; try again in a second";
            Problem::new(Kind::Overloaded, detail)
        })
    }
}

/// The result of a run of messages without reply.
struct LaneDone {
    workspace: WorkspaceId,
    refused: Vec<Refusal>,
}

/// Takes samples from messages.
struct NatsIngest {
    state: IngestState,
    client: Client,
    bounds: Bounds,
    /// Messages without reply that wait for those before them. A workspace has an entry while one
    /// of its messages is being processed.
    lanes: HashMap<WorkspaceId, VecDeque<Pending>>,
    work: JoinSet<Option<LaneDone>>,
    log: LogLimit,
}

impl NatsIngest {
    fn accept(&mut self, message: Message) {
        count(Metric::NatsIngest, 1);
        let (workspace, permit) = match self.admit(&message) {
            Ok(admitted) => admitted,
            Err(problem) => return self.refuse(message, problem),
        };
        let pending = Pending::new(message, permit);
        if pending.message.reply.is_some() {
            self.work.spawn(answer(self.state.clone(), self.client.clone(), workspace, pending));
        } else if let Some(lane) = self.lanes.get_mut(&workspace) {
            lane.push_back(pending);
        } else {
            self.lanes.insert(workspace.clone(), VecDeque::new());
            self.start_lane(workspace, VecDeque::from([pending]));
        }
    }

    fn start_lane(&mut self, workspace: WorkspaceId, messages: VecDeque<Pending>) {
        let lane = run_lane(self.state.clone(), workspace.clone(), messages);
        self.work.spawn(async move {
            // A panic must not keep the workspace's lane occupied.
            let refused = AssertUnwindSafe(lane).catch_unwind().await.unwrap_or_else(|_panic| {
                vec![(String::new(), format!("messages for {workspace} could not be processed"))]
            });
            Some(LaneDone { workspace, refused })
        });
    }

    fn admit(&self, message: &Message) -> Result<(WorkspaceId, OwnedSemaphorePermit), Problem> {
        let workspace = workspace_of(message)?;
        Ok((workspace, self.bounds.admit(message.payload.len())?))
    }

    fn refuse(&mut self, message: Message, problem: Problem) {
        count(Metric::NatsIngestRefused, 1);
        if message.reply.is_none() {
            return self.log.refused(&message.subject, problem.detail());
        }
        let client = self.client.clone();
        // The body is not needed any more, and has no share of the bound.
        let message = Message { payload: Bytes::new(), ..message };
        self.work.spawn(async move {
            reply(&client, &message, Err(problem)).await;
            None
        });
    }

    fn finished(&mut self, done: Result<Option<LaneDone>, tokio::task::JoinError>) {
        let lane = match done {
            Ok(None) => return,
            Ok(Some(lane)) => lane,
            Err(error) => {
                tracing::error!(%error, "a message with samples could not be processed");
                return;
            }
        };
        for (subject, why) in &lane.refused {
            count(Metric::NatsIngestRefused, 1);
            self.log.refused(subject, why);
        }
        if let Some(waiting) = self.lanes.get_mut(&lane.workspace) {
            let next = std::mem::take(waiting);
            if next.is_empty() {
                self.lanes.remove(&lane.workspace);
            } else {
                self.start_lane(lane.workspace, next);
            }
        }
    }
}

/// Commits the samples of a request and answers it.
async fn answer(state: IngestState, client: Client, workspace: WorkspaceId, pending: Pending) -> Option<LaneDone> {
    let answer = commit(&state, &workspace, &pending.message).await;
    if answer.is_err() {
        count(Metric::NatsIngestRefused, 1);
    }
    reply(&client, &pending.message, answer).await;
    None
}

async fn commit(state: &IngestState, workspace: &WorkspaceId, message: &Message) -> Result<String, Problem> {
    let pass = state.access.system(workspace);
    let parsed = message::parse(state, &pass, message).await?;
    accepted_json(&submit(state, &pass, parsed, message::arrival(message)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_messages_are_bounded_by_size() {
        let bounds = Bounds::new(10_000, 8);
        let large = bounds.admit(5_000).unwrap();
        let small: Vec<_> = (0..3).map(|_| bounds.admit(0).unwrap()).collect();
        let status = |problem: Problem| problem.status().as_u16();
        assert_eq!(bounds.admit(1).map_err(status).err(), Some(429));
        drop(large);
        assert!(bounds.admit(5_000).is_ok());
        assert_eq!(bounds.admit(10_001).map_err(status).err(), Some(413));
        drop(small);
    }
}
