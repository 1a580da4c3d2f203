//! The loop behind [`Cluster`]: it writes heartbeats, watches the table, and carries out steps.
//!
//! Steps take time (a workspace is opened or closed in order), so each runs in a task of its own,
//! one at a time for each workspace. The loop itself never waits for them, because a late heartbeat
//! costs all workspaces of this node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::handle::{Cluster, ClusterArgs, Inbox, Message, Shared};
use super::step_runner::{StepDone, StepResult, StepRunner};
use crate::actors::ask::Reply;
use crate::actors::node::Node;
use crate::actors::remote::server::RpcServer;
use crate::cluster::{Key, NodeEpoch, NodeRecord, Ownership, Step};
use crate::telemetry::{Metric, count, gauge};
use earcon_model::{WorkspaceId, WorkspaceKey};
use earcon_ports::{Change, ErrorKind, PortError, Revision, Watch};

const PAUSE: Duration = Duration::from_millis(500);
/// How often the meta store is searched for workspaces that the table does not know.
const DISCOVER_EVERY: Duration = Duration::from_secs(30);

/// Takes part in the cluster: from now on this node may be given workspaces. Completes after it has
/// read the table and seen its own heartbeat in it.
///
/// # Errors
/// If the table cannot be read or written.
pub async fn join(cluster: &Cluster, inbox: Inbox, args: ClusterArgs, node: Node) -> Result<JoinHandle<()>, PortError> {
    let (ready, joined) = Reply::channel();
    let controller = ClusterController::new(cluster, args, node, ready);
    let task = tokio::spawn(controller.run(inbox));
    match joined.await {
        Ok(result) => result.map(|()| task),
        Err(_) => Err(PortError::new(ErrorKind::Unavailable, "the cluster could not be joined")),
    }
}

struct ClusterController {
    me: NodeEpoch,
    shared: Arc<Shared>,
    args: ClusterArgs,
    runner: StepRunner,
    started_ms: i64,
    synced: bool,
    /// Answered once, after this node has read the table and seen its own heartbeat.
    ready: Option<Reply<Result<(), PortError>>>,
    leaving: Option<(Reply<()>, Instant)>,
    /// Workspaces with a step under way.
    busy: BTreeSet<WorkspaceId>,
    /// The open workspaces, and the revisions of the entries by which they were opened.
    open: BTreeMap<WorkspaceId, (Revision, RpcServer)>,
    done_sender: mpsc::UnboundedSender<Done>,
    done: mpsc::UnboundedReceiver<Done>,
}

/// A task has ended.
enum Done {
    Step(StepDone),
    Discovered(Vec<WorkspaceKey>),
    Heartbeat(Result<(), PortError>),
}

/// Why the loop left the watch.
enum Left {
    WatchBroke,
    Cluster,
}

impl ClusterController {
    fn new(cluster: &Cluster, args: ClusterArgs, node: Node, ready: Reply<Result<(), PortError>>) -> Self {
        let (done_sender, done) = mpsc::unbounded_channel();
        Self {
            me: cluster.me().clone(),
            shared: cluster.shared().clone(),
            started_ms: args.clock.now_ms(),
            runner: StepRunner::new(cluster.me().clone(), &args, node),
            args,
            synced: false,
            ready: Some(ready),
            leaving: None,
            busy: BTreeSet::new(),
            open: BTreeMap::new(),
            done_sender,
            done,
        }
    }

    async fn run(mut self, mut inbox: Inbox) {
        let mut heartbeat = tokio::time::interval(self.args.lease / 4);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut timers = Timers { heartbeat, discover: tokio::time::interval(DISCOVER_EVERY) };
        loop {
            match self.args.registry.watch().await {
                Ok(watch) => match self.follow(watch, &mut timers, &mut inbox).await {
                    Left::Cluster => return,
                    Left::WatchBroke => {}
                },
                Err(error) => {
                    if let Some(ready) = self.ready.take() {
                        ready.send(Err(error));
                        return;
                    }
                    tracing::warn!(%error, "the cluster's table cannot be watched");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow(&mut self, mut watch: Watch, timers: &mut Timers, inbox: &mut Inbox) -> Left {
        loop {
            tokio::select! {
                change = watch.next() => match change {
                    Some(Ok(change)) => self.table_changed(change),
                    Some(Err(error)) => {
                        tracing::warn!(%error, "the watch of the cluster's table broke; watching again");
                        return Left::WatchBroke;
                    }
                    None => return Left::WatchBroke,
                },
                _ = timers.heartbeat.tick() => self.write_heartbeat(),
                _ = timers.discover.tick() => self.discover_workspaces(),
                Some(done) = self.done.recv() => self.task_ended(done),
                message = inbox.0.recv() => match message {
                    Some(Message::Leave(reply)) => self.leave(reply),
                    None => return Left::Cluster,
                },
            }
            if self.start_steps() {
                return Left::Cluster;
            }
        }
    }

    fn table_changed(&mut self, change: Change) {
        match change {
            Change::Synced => self.synced = true,
            Change::Put { key, revision, value } => match Key::parse(&key) {
                Some(Key::Node(name)) => self.heartbeat_seen(&name, &value),
                Some(Key::Workspace(id)) => {
                    let Ok(ownership) = serde_json::from_slice::<Ownership>(&value) else { return };
                    self.shared.set_owner(&id, revision, ownership);
                }
                None => {}
            },
            Change::Deleted { key } => match Key::parse(&key) {
                Some(Key::Node(name)) => self.shared.write(|view| view.membership().remove(&name)),
                Some(Key::Workspace(id)) => self.shared.write(|view| view.remove_workspace(&id)),
                None => {}
            },
        }
        let now_ms = self.shared.now_ms();
        if self.synced
            && self.shared.write(|view| view.membership().is_steady(now_ms))
            && let Some(ready) = self.ready.take()
        {
            ready.send(Ok(()));
        }
        self.shared.changed.notify_waiters();
    }

    fn heartbeat_seen(&self, name: &str, value: &[u8]) {
        let Ok(record) = serde_json::from_slice::<NodeRecord>(value) else { return };
        let (now_ms, wall_ms) = (self.shared.now_ms(), self.args.clock.now_ms());
        if name == self.me.node && record.epoch != self.me.epoch && record.started_ms > self.started_ms {
            tracing::error!(node = name, "another node has this name; cluster.node must be unique");
        }
        self.shared.write(|view| view.membership().record_heartbeat(name, record, now_ms, wall_ms));
    }

    /// Writes that this node is alive. A write that hangs must not keep the next from being tried.
    fn write_heartbeat(&self) {
        let record = NodeRecord {
            epoch: self.me.epoch.clone(),
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
            report(&done, Done::Heartbeat(result.map(drop)));
        });
    }

    /// Finds workspaces from before there was a cluster, or from before its table was lost.
    fn discover_workspaces(&self) {
        let (store, done) = (self.args.meta_store.clone(), self.done_sender.clone());
        tokio::spawn(async move {
            match store.workspaces().await {
                Ok(known) => report(&done, Done::Discovered(known)),
                Err(error) => tracing::warn!(%error, "the workspaces cannot be listed"),
            }
        });
    }

    /// Removes nodes from the table that have been silent for long, so that they are not listed for
    /// ever.
    fn remove_dead_nodes(&self) {
        let now_ms = self.shared.now_ms();
        for node in self.shared.read(|view| view.long_gone(now_ms)) {
            let registry = self.args.registry.clone();
            tokio::spawn(async move {
                tracing::info!(node, "a node has been silent for long and is removed");
                // Tried again later, by this node or another.
                let _still_there = registry.delete(&Key::Node(node).text()).await.is_err();
            });
        }
    }

    fn task_ended(&mut self, done: Done) {
        match done {
            Done::Step(done) => self.step_ended(done),
            Done::Discovered(all) => {
                self.workspaces_found(&all);
                self.remove_dead_nodes();
            }
            Done::Heartbeat(Ok(())) => {}
            Done::Heartbeat(Err(error)) => {
                count(Metric::HeartbeatFailures, 1);
                tracing::warn!(%error, "a heartbeat could not be written");
                if let Some(ready) = self.ready.take() {
                    ready.send(Err(error));
                }
            }
        }
    }

    /// Adds workspaces that the table does not know. Deletes the rest of deleted ones.
    fn workspaces_found(&self, all: &[WorkspaceKey]) {
        let left_over: Vec<_> = all.iter().filter(|key| self.shared.add_workspace(key)).cloned().collect();
        // Without the table, this node does not know which are deleted.
        for key in left_over.into_iter().filter(|_| self.synced) {
            let runner = self.runner.clone();
            tokio::spawn(async move { runner.sweep(&key).await });
        }
    }

    fn step_ended(&mut self, done: StepDone) {
        let StepDone { workspace, result } = done;
        self.busy.remove(&workspace);
        match result {
            StepResult::Open(revision, server) => drop(self.open.insert(workspace, (revision, server))),
            StepResult::Entry(revision, ownership) => {
                self.shared.set_owner(&workspace, revision, ownership);
            }
            StepResult::Nothing => {}
        }
    }

    fn leave(&mut self, reply: Reply<()>) {
        self.shared.write(|view| view.leave());
        // Long enough for another node to take over. After it, the others notice the missing
        // heartbeats.
        self.leaving = Some((reply, Instant::now() + self.args.lease * 4));
        self.write_heartbeat();
    }

    /// Starts the steps that are due; returns whether this node has left.
    fn start_steps(&mut self) -> bool {
        if !self.synced {
            return false;
        }
        let now_ms = self.shared.now_ms();
        let open: BTreeMap<_, _> = self.open.iter().map(|(id, (revision, _))| (id.clone(), *revision)).collect();
        gauge(Metric::WorkspacesOwned).set(open.len() as f64);
        gauge(Metric::NodesAlive).set(self.shared.read(|view| view.alive(now_ms)) as f64);
        for step in self.shared.read(|view| view.steps(&open, now_ms)) {
            if self.busy.insert(step.workspace().clone()) {
                count(Metric::WorkspaceMoves, u64::from(!matches!(step, Step::Open(..))));
                self.start_step(step);
            }
        }
        let given_away = self.open.is_empty() && self.busy.is_empty();
        match self.leaving.take_if(|(_, deadline)| given_away || Instant::now() >= *deadline) {
            Some((reply, _)) => {
                self.remove_own_record(reply);
                true
            }
            None => false,
        }
    }

    fn remove_own_record(&self, reply: Reply<()>) {
        let registry = self.args.registry.clone();
        let key = Key::Node(self.me.node.clone()).text();
        tokio::spawn(async move {
            if let Err(error) = registry.delete(&key).await {
                tracing::warn!(%error, "this node could not remove its record; the others will notice");
            }
            reply.send(());
        });
    }

    fn start_step(&mut self, step: Step) {
        let server = match &step {
            Step::HandOver(..) | Step::StepDown(_) => self.open.remove(step.workspace()).map(|(_, server)| server),
            Step::Claim(..) | Step::Open(..) | Step::Erase(..) => None,
        };
        let (runner, done) = (self.runner.clone(), self.done_sender.clone());
        tokio::spawn(async move { report(&done, Done::Step(runner.run(step, server).await)) });
    }
}

struct Timers {
    heartbeat: Interval,
    discover: Interval,
}

fn report(done: &mpsc::UnboundedSender<Done>, event: Done) {
    let _controller_stopped = done.send(event).is_err();
}
