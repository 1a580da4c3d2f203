//! The loop behind [`super::Cluster`]: heartbeats out, the table in, steps carried out.
//!
//! Steps take time (a workspace is opened or closed in order), so each runs in a task of its own and there is one at a time a
//! workspace; the loop itself never waits for them, because a heartbeat that is late costs all workspaces of this node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use super::{ClusterArgs, Command, Shared};
use crate::actors::node::Node;
use crate::actors::remote::answering::Answering;
use crate::cluster::{Key, NodeEpoch, NodeRecord, Ownership, Step};
use crate::telemetry::{Metric, count, gauge};
use earcon_model::WorkspaceId;
use earcon_ports::{Change, ErrorKind, PortError, Registry, Revision};
use earcon_tenancy::Authorizer;

const PAUSE: Duration = Duration::from_millis(500);
/// Workspaces that the table does not know are looked for this often.
const LOOK_FOR_OTHERS: Duration = Duration::from_secs(30);

pub(super) struct ClusterController {
    me: NodeEpoch,
    shared: Arc<Shared>,
    args: ClusterArgs,
    node: Node,
    started_ms: i64,
    synced: bool,
    /// Told once, when this node has seen the table and heard itself.
    ready: Option<oneshot::Sender<Result<(), PortError>>>,
    leaving: Option<(oneshot::Sender<()>, Instant)>,
    /// Workspaces that a task is at work on.
    busy: BTreeSet<WorkspaceId>,
    open: BTreeMap<WorkspaceId, Answering>,
    done_sender: mpsc::UnboundedSender<Done>,
    done: mpsc::UnboundedReceiver<Done>,
}

/// A task has ended.
enum Done {
    Opened(WorkspaceId, Option<Answering>),
    Closed(WorkspaceId),
    Wrote(WorkspaceId, Option<(Revision, Ownership)>),
    Known(Vec<WorkspaceId>),
    Beat(Result<(), PortError>),
}

impl ClusterController {
    pub(super) fn new(me: NodeEpoch, shared: Arc<Shared>, args: ClusterArgs, node: Node) -> Self {
        let (done_sender, done) = mpsc::unbounded_channel();
        Self {
            me,
            shared,
            started_ms: args.clock.now_ms(),
            args,
            node,
            synced: false,
            ready: None,
            leaving: None,
            busy: BTreeSet::new(),
            open: BTreeMap::new(),
            done_sender,
            done,
        }
    }

    pub(super) async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        ready: oneshot::Sender<Result<(), PortError>>,
    ) {
        self.ready = Some(ready);
        let mut beat = tokio::time::interval(self.args.lease / 4);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(LOOK_FOR_OTHERS);
        loop {
            let mut watch = match self.args.registry.watch().await {
                Ok(watch) => watch,
                Err(error) => {
                    if let Some(ready) = self.ready.take() {
                        let _gone = ready.send(Err(error)).is_err();
                        return;
                    }
                    tracing::warn!(%error, "the cluster's table cannot be watched");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            loop {
                tokio::select! {
                    change = watch.next() => match change {
                        Some(Ok(change)) => self.changed(change),
                        Some(Err(error)) => {
                            tracing::warn!(%error, "the watch of the cluster's table broke; watching again");
                            break;
                        }
                        None => break,
                    },
                    _ = beat.tick() => self.beat(),
                    _ = look.tick() => self.look_for_others(),
                    Some(done) = self.done.recv() => self.finished(done),
                    command = commands.recv() => match command {
                        Some(Command::Leave(reply)) => self.leave(reply),
                        None => return,
                    },
                }
                if self.step() {
                    return;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn changed(&mut self, change: Change) {
        let (now_ms, wall_ms) = (self.shared.now_ms(), self.args.clock.now_ms());
        match change {
            Change::Synced => self.synced = true,
            Change::Put { key, revision, value } => match Key::parse(&key) {
                Some(Key::Node(name)) => {
                    let Ok(record) = serde_json::from_slice::<NodeRecord>(&value) else { return };
                    if name == self.me.node && record.life != self.me.life && record.started_ms > self.started_ms {
                        tracing::error!(node = name, "another node has this name; cluster.node must be unique");
                    }
                    self.shared.write(|view| view.membership().heard(&name, record, now_ms, wall_ms));
                }
                Some(Key::Workspace(id)) => {
                    let Ok(tenure) = serde_json::from_slice::<Ownership>(&value) else { return };
                    self.shared.write(|view| view.tenure(id, revision, tenure));
                }
                None => {}
            },
            Change::Deleted { key } => match Key::parse(&key) {
                Some(Key::Node(name)) => self.shared.write(|view| view.membership().left(&name)),
                Some(Key::Workspace(id)) => self.shared.write(|view| view.forgotten(&id)),
                None => {}
            },
        }
        if self.synced
            && self.shared.write(|view| view.membership().is_steady(now_ms))
            && let Some(ready) = self.ready.take()
        {
            let _gone = ready.send(Ok(())).is_err();
        }
        self.shared.changed.notify_waiters();
    }

    /// Says that this node lives. A write that hangs must not keep the next from being tried.
    fn beat(&self) {
        let record = NodeRecord {
            life: self.me.life.clone(),
            started_ms: self.started_ms,
            written_ms: self.args.clock.now_ms(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            leaving: self.leaving.is_some(),
        };
        let (registry, done, within) = (self.args.registry.clone(), self.done_sender.clone(), self.args.lease / 2);
        let key = Key::Node(self.me.node.clone()).text();
        tokio::spawn(async move {
            let Ok(value) = serde_json::to_vec(&record) else { return };
            let written = tokio::time::timeout(within, registry.put(&key, value)).await;
            let result =
                written.unwrap_or_else(|_| Err(PortError::new(ErrorKind::Unavailable, "a heartbeat took too long")));
            let _conductor_gone = done.send(Done::Beat(result.map(drop))).is_err();
        });
    }

    /// Workspaces from before there was a cluster, or from before its table was lost.
    fn look_for_others(&self) {
        let (store, done) = (self.args.meta_store.clone(), self.done_sender.clone());
        tokio::spawn(async move {
            match store.workspaces().await {
                Ok(known) => {
                    let _conductor_gone = done.send(Done::Known(known)).is_err();
                }
                Err(error) => tracing::warn!(%error, "the workspaces cannot be listed"),
            }
        });
    }

    /// Takes nodes out of the table that have been silent for long, so that people are not shown them for ever.
    fn forget_the_dead(&self) {
        let now_ms = self.shared.now_ms();
        for node in self.shared.read(|view| view.long_gone(now_ms)) {
            let registry = self.args.registry.clone();
            tokio::spawn(async move {
                tracing::info!(node, "a node has been silent for long and is forgotten");
                // Tried again in a while, by this node or another.
                let _still_there = registry.delete(&Key::Node(node).text()).await.is_err();
            });
        }
    }

    fn finished(&mut self, done: Done) {
        match done {
            Done::Opened(id, answering) => {
                self.busy.remove(&id);
                if let Some(answering) = answering {
                    self.open.insert(id, answering);
                }
            }
            Done::Closed(id) => {
                self.busy.remove(&id);
            }
            Done::Wrote(id, written) => {
                self.busy.remove(&id);
                if let Some((revision, tenure)) = written {
                    self.shared.write(|view| view.tenure(id, revision, tenure));
                    self.shared.changed.notify_waiters();
                }
            }
            Done::Known(all) => {
                self.shared.write(|view| all.into_iter().for_each(|id| view.known(id)));
                self.forget_the_dead();
            }
            Done::Beat(Ok(())) => {}
            Done::Beat(Err(error)) => {
                count(Metric::HeartbeatFailures, 1);
                tracing::warn!(%error, "a heartbeat could not be written");
                if let Some(ready) = self.ready.take() {
                    let _gone = ready.send(Err(error)).is_err();
                }
            }
        }
    }

    fn leave(&mut self, reply: oneshot::Sender<()>) {
        self.shared.write(|view| view.leave());
        // Long enough for somebody to take over; past it, the others notice by themselves that this node is gone.
        self.leaving = Some((reply, Instant::now() + self.args.lease * 4));
        self.beat();
    }

    /// Starts what is to be done; returns whether this node has left.
    fn step(&mut self) -> bool {
        if !self.synced {
            return false;
        }
        let now_ms = self.shared.now_ms();
        let open: BTreeSet<_> = self.open.keys().cloned().collect();
        gauge(Metric::WorkspacesOwned).set(open.len() as f64);
        gauge(Metric::NodesAlive).set(self.shared.read(|view| view.alive(now_ms)) as f64);
        let steps = self.shared.read(|view| view.steps(&open, now_ms));
        for step in steps {
            let id = match &step {
                Step::Claim(id, _) | Step::Open(id) | Step::HandOver(id, _, _) | Step::StepDown(id) => id.clone(),
            };
            if self.busy.insert(id) {
                count(Metric::WorkspaceMoves, u64::from(!matches!(step, Step::Open(_))));
                self.start(step);
            }
        }
        let given_away = self.open.is_empty() && self.busy.is_empty();
        match &self.leaving {
            Some((_, deadline)) if given_away || Instant::now() >= *deadline => {
                let registry = self.args.registry.clone();
                let key = Key::Node(self.me.node.clone()).text();
                let reply = self.leaving.take().map(|(reply, _)| reply);
                tokio::spawn(async move {
                    if let Err(error) = registry.delete(&key).await {
                        tracing::warn!(%error, "this node could not take its leave; the others will notice");
                    }
                    let _gone = reply.is_some_and(|reply| reply.send(()).is_err());
                });
                true
            }
            _ => false,
        }
    }

    fn start(&mut self, step: Step) {
        let (node, done) = (self.node.clone(), self.done_sender.clone());
        let registry = self.args.registry.clone();
        match step {
            Step::Claim(id, expected) => {
                let tenure = Ownership { owner: Some(self.me.clone()) };
                tokio::spawn(async move {
                    let written = write(&*registry, &id, expected, tenure).await;
                    let _conductor_gone = done.send(Done::Wrote(id, written)).is_err();
                });
            }
            Step::Open(id) => {
                let courier = self.args.courier.clone();
                tokio::spawn(async move {
                    let answering = match node.open(&id).await {
                        Ok(_) => Some(Answering::start(node, courier, Authorizer.system(&id))),
                        Err(error) => {
                            tracing::warn!(workspace = %id, %error, "an own workspace is not open yet");
                            tokio::time::sleep(PAUSE).await;
                            None
                        }
                    };
                    let _conductor_gone = done.send(Done::Opened(id, answering)).is_err();
                });
            }
            Step::HandOver(id, expected, to) => {
                let answering = self.open.remove(&id);
                tokio::spawn(async move {
                    tracing::info!(workspace = %id, to = to.as_ref().map(|to| &to.node), "handing a workspace over");
                    // Closed before it stops answering: whoever asks in between is told to ask again.
                    node.release(&id).await;
                    let written = write(&*registry, &id, expected, Ownership { owner: to }).await;
                    if let Some(answering) = answering {
                        answering.stop().await;
                    }
                    let _conductor_gone = done.send(Done::Wrote(id, written)).is_err();
                });
            }
            Step::StepDown(id) => {
                let answering = self.open.remove(&id);
                tokio::spawn(async move {
                    tracing::warn!(workspace = %id, "another node owns a workspace that was open here; closing it");
                    node.abandon(&id).await;
                    if let Some(answering) = answering {
                        answering.stop().await;
                    }
                    let _conductor_gone = done.send(Done::Closed(id)).is_err();
                });
            }
        }
    }
}

/// Writes who owns the workspace; returns the entry as it is now, or `None` when that is not known.
async fn write(
    registry: &dyn Registry,
    id: &WorkspaceId,
    expected: Revision,
    tenure: Ownership,
) -> Option<(Revision, Ownership)> {
    let key = Key::Workspace(id.clone()).text();
    let value = serde_json::to_vec(&tenure).ok()?;
    match registry.compare_and_set(&key, expected, value).await {
        Ok(revision) => Some((revision, tenure)),
        Err(error) if error.kind == ErrorKind::Conflict => {
            let (revision, value) = registry.get(&key).await.ok()??;
            Some((revision, serde_json::from_slice(&value).ok()?))
        }
        Err(error) => {
            tracing::warn!(workspace = %id, %error, "the owner of a workspace could not be written");
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}
