//! The owner's side: answers what other nodes ask about a workspace this node owns.
//!
//! Not an actor: it owns nothing but its subscription. Each question is a task of its own, so that a slow commit holds up no other
//! question; how many at once is bounded. The workspace is looked up for every question, because it may have been opened again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::sound::Caller;
use super::wire::{Answer, Request, WorkspaceStatus, decode, encode};
use crate::actors::ingest::ingest;
use crate::actors::node::Node;
use crate::actors::workspace::WorkspaceHandle;
use crate::live::KpiRun;
use earcon_ports::{ErrorKind, NodeTransport, Question};
use earcon_tenancy::WorkspacePass;

/// Questions that are being answered at once.
const AT_ONCE: usize = 512;
const PAUSE: Duration = Duration::from_millis(500);

/// Answers until it is told to stop.
pub struct Answering {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Answering {
    /// Starts answering for the workspace of `pass`.
    pub fn start(node: Node, courier: Arc<dyn NodeTransport>, pass: WorkspacePass) -> Self {
        let (stop, stopped) = oneshot::channel();
        let desk = Arc::new(RpcServer { node, caller: Caller::new(courier.clone(), pass.clone()), pass });
        let task = tokio::spawn(serve(desk, courier, stopped));
        Self { stop, task }
    }

    /// Answers what is on its way, then stops.
    pub async fn stop(self) {
        let _ended = self.stop.send(()).is_err();
        let _panicked = self.task.await.is_err();
    }
}

struct RpcServer {
    node: Node,
    pass: WorkspacePass,
    caller: Caller,
}

async fn serve(desk: Arc<RpcServer>, courier: Arc<dyn NodeTransport>, stopped: oneshot::Receiver<()>) {
    let stopped = stopped.map(|_told_or_dropped| ()).shared();
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        match courier.answer(&desk.pass, stopped.clone().boxed()).await {
            Ok(mut questions) => {
                while let Some(question) = questions.next().await {
                    let Ok(permit) = permits.clone().acquire_owned().await else { return };
                    let desk = desk.clone();
                    tokio::spawn(async move {
                        let _permit = permit;
                        desk.answer(question).await;
                    });
                }
            }
            Err(error) => tracing::warn!(workspace = %desk.pass.workspace(), %error, "cannot answer other nodes"),
        }
        tokio::select! {
            () = stopped.clone() => break,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    // What is being answered ends in its own time; nothing new comes.
    let _closed = permits.acquire_many(AT_ONCE as u32).await.is_err();
}

impl RpcServer {
    async fn answer(&self, question: Question) {
        let Question { body, answer } = question;
        let said = match decode::<Request>(&body) {
            None => Answer::NotUnderstood,
            Some(request) => match self.node.find(self.pass.workspace()) {
                Ok(Some(workspace)) => self.act(&workspace, request).await,
                Ok(None) | Err(_) => Answer::Unavailable,
            },
        };
        answer(encode(&said).unwrap_or_else(|error| {
            tracing::error!(error, "an answer could not be encoded");
            Bytes::new()
        }));
    }

    async fn act(&self, workspace: &WorkspaceHandle, request: Request) -> Answer {
        match request {
            Request::Ingest(batches, arrival) => match ingest(workspace, batches, arrival).await {
                Ok(receipt) => Answer::Ingested(receipt, workspace.hub().epoch().to_owned()),
                Err(error) => Answer::Refused(error),
            },
            Request::Acknowledge { anomaly, by, note } => match workspace.acknowledge(&anomaly, by, note).await {
                Ok(acknowledgement) => Answer::Acknowledged(acknowledgement),
                Err(_) => Answer::Unavailable,
            },
            Request::Judge { anomaly, outcome, by, note } => {
                let judged = workspace.judge(&anomaly, outcome, by, note).await;
                judged.map_or(Answer::Unavailable, Answer::Judged)
            }
            Request::Resume(kpi) => workspace.resume(kpi).await.map_or(Answer::Unavailable, Answer::Resumed),
            Request::DescribeMix => match workspace.mix().describe().await {
                Some(view) => Answer::Mix(Box::new(view)),
                None => Answer::Unavailable,
            },
            Request::ChangeMix(change, expected) => match workspace.mix().change(change, expected).await {
                Some(Ok(view)) => Answer::Mix(Box::new(view)),
                Some(Err(error)) if error.kind == ErrorKind::Conflict => Answer::MixConflict(error.to_string()),
                Some(Err(_)) | None => Answer::Unavailable,
            },
            Request::Listen => match self.caller.keep_calling(workspace).await {
                Some((pre_skip, voices)) => Answer::Listening(pre_skip, voices),
                None => Answer::Unavailable,
            },
            Request::Experiments => {
                workspace.experiments().wake();
                Answer::AudioMessage
            }
            Request::Status => status(workspace).await.map_or(Answer::Unavailable, Answer::Status),
        }
    }
}

/// How a workspace of this node stands; `None` when it is going away.
pub async fn status(workspace: &WorkspaceHandle) -> Option<WorkspaceStatus> {
    let (seq, kpis) = workspace.hub().view().await?;
    let parked = kpis.iter().filter(|kpi| matches!(kpi.run, KpiRun::Parked(_))).count();
    let history_lag = seq.saturating_sub(workspace.history_position());
    Some(WorkspaceStatus { seq, kpis: kpis.len() as u64, parked: parked as u64, history_lag })
}
