//! The owner's side: executes commands of other nodes on a workspace that this node owns.
//!
//! Not an actor: it owns only its subscription. Each request is a task of its own, so that a slow
//! commit delays no other request; their number is bounded. The workspace is looked up for each
//! request, because it may have been opened again. A request that arrives more than once is
//! executed once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::executed::Executed;
use super::request::Header;
use super::wire::{decode, encode};
use crate::actors::node::Node;
use crate::actors::workspace::command::{AnyCommand, OwnerError};
use earcon_ports::{IncomingRequest, NodeTransport};
use earcon_tenancy::WorkspacePass;

/// Requests that are executed at once.
const AT_ONCE: usize = 512;
const PAUSE: Duration = Duration::from_millis(500);

/// A running server. It serves until it is stopped.
pub struct RpcServer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl RpcServer {
    /// Starts serving the workspace of `pass` under an address.
    pub(in crate::actors) fn start(
        node: Node,
        transport: Arc<dyn NodeTransport>,
        pass: WorkspacePass,
        address: String,
        executed: Executed,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let executor = Arc::new(Executor { node, pass, address, executed });
        let task = tokio::spawn(serve(executor, transport, stopped));
        Self { stop, task }
    }

    /// Answers the requests that are under way, then stops.
    pub async fn stop(self) {
        let _ended = self.stop.send(()).is_err();
        let _panicked = self.task.await.is_err();
    }
}

struct Executor {
    node: Node,
    pass: WorkspacePass,
    address: String,
    executed: Executed,
}

async fn serve(executor: Arc<Executor>, transport: Arc<dyn NodeTransport>, stopped: oneshot::Receiver<()>) {
    let stopped = stopped.map(|_sent_or_dropped| ()).shared();
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        match transport.serve(&executor.pass, &executor.address, stopped.clone().boxed()).await {
            Ok(mut requests) => {
                while let Some(request) = requests.next().await {
                    let Ok(permit) = permits.clone().acquire_owned().await else { return };
                    let executor = executor.clone();
                    tokio::spawn(async move {
                        let _permit = permit;
                        executor.execute(request).await;
                    });
                }
            }
            Err(error) => {
                tracing::warn!(workspace = %executor.pass.workspace(), %error, "other nodes cannot be served");
            }
        }
        tokio::select! {
            () = stopped.clone() => break,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    // Waits for the requests under way; new ones no longer arrive.
    let _closed = permits.acquire_many(AT_ONCE as u32).await.is_err();
}

impl Executor {
    async fn execute(&self, request: IncomingRequest) {
        let IncomingRequest { body, reply } = request;
        let Some((header, command)) = decode::<(Header, AnyCommand)>(&body) else {
            reply(encoded(refuse(OwnerError::NotUnderstood)));
            return;
        };
        if !self.executed.arrived(&header, reply) {
            return;
        }
        let answer = match self.node.find(self.pass.workspace()) {
            Ok(Some(workspace)) => workspace.execute_any(command).await,
            Ok(None) | Err(_) => refuse(OwnerError::Unavailable),
        };
        self.executed.finished(&header, encoded(answer));
    }
}

fn encoded(answer: Result<Bytes, String>) -> Bytes {
    answer.unwrap_or_else(|error| {
        tracing::error!(error, "an answer could not be encoded");
        Bytes::new()
    })
}

/// Encodes an error; it has the same bytes for each type of reply.
fn refuse(error: OwnerError) -> Result<Bytes, String> {
    encode(&Err::<(), _>(error))
}
