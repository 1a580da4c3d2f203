//! `earcon.v1.<workspace>.ingest`: the bodies of the HTTP endpoint as messages.
//!
//! A request gets the answer after the commit; requests run side by side. Messages without a reply subject are taken in the
//! order they came, workspace by workspace, since their sender cannot wait for one before sending the next. What is in
//! flight is bounded by its size; beyond that a request is told to come again, and a message without reply is dropped and
//! counted.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::gateway::http::auth::Authorized;
use crate::gateway::http::log_limit::LogLimit;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::state::Gateway;
use crate::gateway::ingest::http::{essence, parse, take};
use crate::gateway::nats::{DRAIN, end, reply, workspace_of};
use crate::telemetry::{Metric, count};
use earcon_intake::ParsedBatch;
use earcon_model::{Arrival, KpiBatch, WorkspaceId};

pub(crate) const SUBJECT: &str = "earcon.v1.*.ingest";

/// Bodies in flight, together, in KiB; each counts for at least one. So 64 MiB, or 65,536 small messages.
const MAX_IN_FLIGHT: usize = 65_536;

/// Takes messages until the gateway shuts down, and answers what has come until then.
pub(crate) async fn serve(gateway: Gateway, client: Client, mut requests: Subscriber) {
    let bounds = Bounds::new(gateway.limits.max_body_bytes, MAX_IN_FLIGHT);
    let mut door = Door { gateway: gateway.clone(), client, bounds, lanes: HashMap::new(), work: JoinSet::new() };
    let mut complaints = LogLimit::over("NATS");
    let shutdown = gateway.shutting_down();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            message = requests.next() => match message {
                Some(message) => door.enter(message, &mut complaints),
                None => break,
            },
            Some(done) = door.work.join_next(), if !door.work.is_empty() => door.done(done, &mut complaints),
            () = &mut shutdown => break,
        }
    }
    if end(&mut requests).await {
        while let Ok(Some(message)) = timeout(DRAIN, requests.next()).await {
            door.enter(message, &mut complaints);
        }
    }
    while let Some(done) = door.work.join_next().await {
        door.done(done, &mut complaints);
    }
}

/// A message on its way, with its share of what may be in flight.
struct Entry {
    message: Message,
    _permit: OwnedSemaphorePermit,
}

/// How much may come in.
struct Bounds {
    max_bytes: usize,
    in_flight: Arc<Semaphore>,
}

impl Bounds {
    /// Bodies of at most `max_bytes`, together at most `in_flight` KiB.
    fn new(max_bytes: usize, in_flight: usize) -> Self {
        Self { max_bytes, in_flight: Arc::new(Semaphore::new(in_flight)) }
    }

    /// A body's share of what may be in flight, until it is dropped.
    fn admit(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let most = self.max_bytes;
        if bytes > most {
            let detail = format!("a message may have at most {most} bytes, this one has {bytes}");
            return Err(Problem::new(Kind::TooLarge, detail));
        }
        let share = bytes.div_ceil(1_024).clamp(1, MAX_IN_FLIGHT) as u32;
        self.in_flight.clone().try_acquire_many_owned(share).map_err(|_| {
            let detail = "too many messages are waiting to be committed; try again in a second";
            Problem::new(Kind::Overloaded, detail)
        })
    }
}

/// The messages of a lane were worked on.
struct LaneDone {
    workspace: WorkspaceId,
    /// Subjects of what was refused, and why.
    refused: Vec<(String, String)>,
}

struct Door {
    gateway: Gateway,
    client: Client,
    bounds: Bounds,
    /// Messages without reply that wait for those before them. A workspace is here while one of its messages is worked on.
    lanes: HashMap<WorkspaceId, VecDeque<Entry>>,
    work: JoinSet<Option<LaneDone>>,
}

impl Door {
    fn enter(&mut self, message: Message, complaints: &mut LogLimit) {
        count(Metric::NatsIngest, 1);
        let (workspace, permit) = match self.admit(&message) {
            Ok(admitted) => admitted,
            Err(problem) => return self.refuse(message, problem, complaints),
        };
        let entry = Entry { message, _permit: permit };
        if entry.message.reply.is_some() {
            self.work.spawn(answer(self.gateway.clone(), self.client.clone(), workspace, entry));
        } else if let Some(lane) = self.lanes.get_mut(&workspace) {
            lane.push_back(entry);
        } else {
            self.lanes.insert(workspace.clone(), VecDeque::new());
            self.run(workspace, VecDeque::from([entry]));
        }
    }

    fn run(&mut self, workspace: WorkspaceId, entries: VecDeque<Entry>) {
        let lane = run_lane(self.gateway.clone(), workspace.clone(), entries);
        self.work.spawn(async move {
            // A panic must not leave the workspace's lane occupied for ever.
            let refused = AssertUnwindSafe(lane).catch_unwind().await.unwrap_or_else(|_panic| {
                vec![(String::new(), format!("messages for {workspace} could not be worked on"))]
            });
            Some(LaneDone { workspace, refused })
        });
    }

    fn admit(&self, message: &Message) -> Result<(WorkspaceId, OwnedSemaphorePermit), Problem> {
        let workspace = workspace_of(message)?;
        Ok((workspace, self.bounds.admit(message.payload.len())?))
    }

    fn refuse(&mut self, message: Message, problem: Problem, complaints: &mut LogLimit) {
        count(Metric::NatsIngestRefused, 1);
        if message.reply.is_none() {
            return complaints.refused(&message.subject, problem.detail());
        }
        let client = self.client.clone();
        // The body is not needed any more, and has no share of what may be in flight.
        let message = Message { payload: Bytes::new(), ..message };
        self.work.spawn(async move {
            reply(&client, &message, Err(problem)).await;
            None
        });
    }

    fn done(&mut self, done: Result<Option<LaneDone>, tokio::task::JoinError>, complaints: &mut LogLimit) {
        let lane = match done {
            Ok(None) => return,
            Ok(Some(lane)) => lane,
            Err(error) => {
                tracing::error!(%error, "a message with samples could not be worked on");
                return;
            }
        };
        for (subject, why) in &lane.refused {
            count(Metric::NatsIngestRefused, 1);
            complaints.refused(subject, why);
        }
        if let Some(waiting) = self.lanes.get_mut(&lane.workspace) {
            let next = std::mem::take(waiting);
            if next.is_empty() {
                self.lanes.remove(&lane.workspace);
            } else {
                self.run(lane.workspace, next);
            }
        }
    }
}

async fn answer(gateway: Gateway, client: Client, workspace: WorkspaceId, entry: Entry) -> Option<LaneDone> {
    let authorized = Authorized::system(&gateway, &workspace);
    let answer = match understand(&gateway, &authorized, &entry.message).await {
        Ok(rows) => take(&gateway, &authorized, rows, arrival_of(&entry.message)).await,
        Err(problem) => Err(problem),
    };
    if answer.is_err() {
        count(Metric::NatsIngestRefused, 1);
    }
    reply(&client, &entry.message, answer).await;
    None
}

/// Commits messages of one workspace in order, several at a time while they fit into one batch.
/// Returns what was refused: subjects and reasons.
async fn run_lane(gateway: Gateway, workspace: WorkspaceId, entries: VecDeque<Entry>) -> Vec<(String, String)> {
    let authorized = Authorized::system(&gateway, &workspace);
    let mut refused = Vec::new();
    let mut group = Group::default();
    for entry in entries {
        let subject = entry.message.subject.to_string();
        match understand(&gateway, &authorized, &entry.message).await {
            Ok(rows) => {
                if let Some(first) = rows.rejected.first() {
                    let why = format!("{} rows, the first: {}", rows.rejected.len(), first.error);
                    refused.push((subject, why));
                }
                let arrival = arrival_of(&entry.message);
                let full = group.rows + size(&rows) > gateway.limits.max_batch_samples;
                if full || arrival != group.arrival {
                    group.commit(&gateway, &authorized, &mut refused).await;
                    group.arrival = arrival;
                }
                group.add(rows, entry);
            }
            Err(problem) => refused.push((subject, problem.detail().to_owned())),
        }
    }
    group.commit(&gateway, &authorized, &mut refused).await;
    refused
}

#[derive(Default)]
struct Group {
    batches: Vec<KpiBatch>,
    /// Live samples and history are not committed together.
    arrival: Arrival,
    rows: usize,
    entries: Vec<Entry>,
}

impl Group {
    fn add(&mut self, rows: ParsedBatch, entry: Entry) {
        self.rows += size(&rows);
        self.batches.extend(rows.batches);
        self.entries.push(entry);
    }

    async fn commit(&mut self, gateway: &Gateway, authorized: &Authorized, refused: &mut Vec<(String, String)>) {
        let Group { batches, arrival, entries, .. } = std::mem::take(self);
        if batches.is_empty() {
            return;
        }
        let why = match gateway.directory.ingest(authorized.pass(), batches, arrival).await {
            Ok((receipt, _)) if receipt.failed > 0 => format!("{} samples were not committed", receipt.failed),
            Ok((receipt, _)) => match receipt.rejected.first() {
                Some(first) => format!("{} rows, the first: {}", receipt.rejected.len(), first.error),
                None => return,
            },
            Err(refusal) => refusal.to_string(),
        };
        refused.extend(entries.iter().map(|entry| (entry.message.subject.to_string(), why.clone())));
    }
}

fn size(rows: &ParsedBatch) -> usize {
    rows.batches.iter().flat_map(|batch| &batch.series).map(|series| series.rows.len()).sum()
}

async fn understand(gateway: &Gateway, authorized: &Authorized, message: &Message) -> Result<ParsedBatch, Problem> {
    let content_type = match header(message, "content-type") {
        Some(named) => essence(named),
        None => guess(&message.payload),
    };
    parse(gateway, authorized, content_type, &message.payload).await
}

/// `Earcon-Backfill: true` says what `?backfill=true` says over HTTP.
fn arrival_of(message: &Message) -> Arrival {
    match header(message, "earcon-backfill") {
        Some(text) if text.trim().eq_ignore_ascii_case("true") => Arrival::Backfill,
        _ => Arrival::Live,
    }
}

/// NATS keeps the case of header names; senders write them in several ways.
fn header<'a>(message: &'a Message, wanted: &str) -> Option<&'a str> {
    let mut named = message.headers.as_ref()?.iter().filter(|(name, _)| name.to_string().eq_ignore_ascii_case(wanted));
    named.find_map(|(_, values)| values.first().map(|value| value.as_str()))
}

/// The content type of a body that came without: rows on lines of their own, when the first line is a row, else a document.
fn guess(body: &Bytes) -> &'static str {
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "kpi")]
        _kpi: IgnoredAny,
    }
    let first = body.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    if serde_json::from_slice::<Row>(first).is_ok() { "application/x-ndjson" } else { "application/json" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_flight_is_bounded_by_size_and_comes_back() {
        let bounds = Bounds::new(10_000, 8);
        let large = bounds.admit(5_000).unwrap();
        let small: Vec<_> = (0..3).map(|_| bounds.admit(0).unwrap()).collect();
        let status = |problem: Problem| problem.document().0.as_u16();
        assert_eq!(bounds.admit(1).map_err(status).err(), Some(429));
        drop(large);
        assert!(bounds.admit(5_000).is_ok());
        assert_eq!(bounds.admit(10_001).map_err(status).err(), Some(413));
        drop(small);
    }

    #[test]
    fn a_body_without_a_type_is_told_by_its_first_line() {
        let row = r#"{"kpi": "a", "value": 1}"#;
        assert_eq!(guess(&format!("\n{row}\n{row}\n").into()), "application/x-ndjson");
        assert_eq!(guess(&Bytes::from(row)), "application/x-ndjson");
        assert_eq!(guess(&format!("{{\"samples\": [{row}]}}").into()), "application/json");
        assert_eq!(guess(&format!("{{\n\"samples\": [{row},\n{row}]}}").into()), "application/json");
        assert_eq!(guess(&Bytes::from("nonsense")), "application/json");
        assert_eq!(guess(&Bytes::new()), "application/json");
    }
}
