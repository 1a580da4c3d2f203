//! The live view of a workspace that another node owns, kept by following its log. Owners may
//! change meanwhile: the log, its epoch and its numbers stay the same, and followers here notice
//! nothing.
//!
//! Not an actor: the hub it feeds is one. A mirror that is not used for a while is stopped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use ractor::ActorCell;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::actors::context::Context;
use crate::actors::hub::{self, Hub};
use crate::actors::recovery::{recover_read_only, view_of};
use crate::live::LiveView;
use earcon_model::{Seq, WorkspaceKey};
use earcon_ports::{Epochs, ErrorKind, Followed, Following, PortError, SharedLog};
use earcon_tenancy::WorkspacePass;

/// How often mirrors are checked for use.
const CHECK_EVERY: Duration = Duration::from_secs(60);
/// A mirror is stopped after this long without use.
const IDLE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(200);
/// A log that ends before the mirror's position for this long went back. For a shorter time, a
/// replica that answers may only be late.
const LATE_REPLICA: Duration = Duration::from_secs(5);

/// The mirrors of this node.
#[derive(Clone)]
pub struct Mirrors {
    context: Context,
    log: Arc<dyn SharedLog>,
    root: ActorCell,
    table: Table,
}

type Table = Arc<Mutex<HashMap<WorkspaceKey, Arc<Slot>>>>;

#[derive(Default)]
struct Slot {
    hub: OnceCell<Hub>,
    used: AtomicBool,
}

impl Mirrors {
    /// Mirrors whose hubs run under `root`.
    pub fn new(context: Context, log: Arc<dyn SharedLog>, root: ActorCell) -> Self {
        Self { context, log, root, table: Table::default() }
    }

    /// The hub of the workspace's mirror, started if there is none.
    ///
    /// # Errors
    /// `Unavailable` if the log or the snapshots cannot be read.
    pub async fn hub(&self, pass: &WorkspacePass) -> Result<Hub, PortError> {
        let slot = self.table().entry(pass.key().clone()).or_default().clone();
        slot.used.store(true, Ordering::Relaxed);
        let hub = slot.hub.get_or_try_init(|| self.start(pass, &slot)).await;
        if hub.is_err() {
            self.remove(pass.key(), &slot);
        }
        hub.cloned()
    }

    async fn start(&self, pass: &WorkspacePass, slot: &Arc<Slot>) -> Result<Hub, PortError> {
        let unavailable = |error: String| PortError::new(ErrorKind::Unavailable, error);
        let recovered = recover_read_only(&self.context, pass).await?;
        let Some(recovered) = recovered else { return Err(unavailable("the workspace has no log yet".into())) };
        let at = recovered.head.next - 1;
        let view = LiveView::new(at, recovered.kpis.values().map(view_of)).with_incidents(recovered.incidents.open());
        let (workspace, epochs) = (pass.workspace().clone(), recovered.head.epochs);
        let buffer = self.context.settings.live_buffer;
        let hub = hub::actor::start(workspace, epochs.clone(), view, buffer, self.root.clone())
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let log = self.log.clone();
        let mirror = Mirror { log, pass: pass.clone(), hub: hub.clone(), epochs, at, behind_since: None };
        tokio::spawn(self.clone().run(mirror, slot.clone()));
        Ok(hub)
    }

    /// Runs a mirror until its log went back, its workspace is deleted, or it is no longer used.
    async fn run(self, mirror: Mirror, slot: Arc<Slot>) {
        let (pass, hub) = (mirror.pass.clone(), mirror.hub.clone());
        tokio::select! {
            () = mirror.follow() => {}
            () = self.deleted(&pass) => {}
            () = unused(&slot, &hub) => {}
        }
        self.remove(pass.key(), &slot);
        hub.stop().await;
    }

    /// Completes when the workspace is being deleted.
    async fn deleted(&self, pass: &WorkspacePass) {
        match &self.context.placement {
            Some(placement) => placement.deleted(pass).await,
            None => std::future::pending().await,
        }
    }

    fn remove(&self, workspace: &WorkspaceKey, slot: &Arc<Slot>) {
        let mut table = self.table();
        if table.get(workspace).is_some_and(|present| Arc::ptr_eq(present, slot)) {
            table.remove(workspace);
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<WorkspaceKey, Arc<Slot>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Completes when the hub was neither requested nor followed for a while.
async fn unused(slot: &Slot, hub: &Hub) {
    let mut last_used = Instant::now();
    loop {
        tokio::time::sleep(CHECK_EVERY).await;
        let followed = hub.followers().await.is_some_and(|followers| followers > 0);
        if slot.used.swap(false, Ordering::Relaxed) || followed {
            last_used = Instant::now();
        }
        if last_used.elapsed() >= IDLE {
            return;
        }
    }
}

struct Mirror {
    log: Arc<dyn SharedLog>,
    pass: WorkspacePass,
    hub: Hub,
    /// The epochs of the log, up to `at` at least.
    epochs: Epochs,
    /// The last event the hub has.
    at: Seq,
    /// Since when the log ends before that event.
    behind_since: Option<Instant>,
}

/// The log is not the one that the mirror has followed.
struct WentBack;

/// What a mirror does after it has read the head of the log.
enum Renewed {
    Follow,
    /// The log ends before the mirror's position: read its head again soon.
    Wait,
}

impl Mirror {
    /// Feeds the hub until the log went back. Events trimmed before they were read appear as a gap,
    /// as for a slow follower of the owner.
    async fn follow(mut self) {
        loop {
            let followed = match self.log.follow(&self.pass, self.at + 1).await {
                Ok(events) => self.apply_all(events).await,
                Err(error) => {
                    tracing::warn!(workspace = %self.pass.workspace(), %error, "a mirror cannot follow");
                    Ok(())
                }
            };
            if followed.is_err() || self.caught_up().await.is_err() {
                tracing::warn!(workspace = %self.pass.workspace(), seq = self.at, "the log went back behind a mirror");
                return;
            }
        }
    }

    /// Pauses, until the log has the mirror's position if it can be read.
    async fn caught_up(&mut self) -> Result<(), WentBack> {
        loop {
            tokio::time::sleep(PAUSE).await;
            match self.renew().await {
                Ok(renewed) => match renewed? {
                    Renewed::Follow => return Ok(()),
                    Renewed::Wait => {}
                },
                Err(_unavailable) => return Ok(()),
            }
        }
    }

    /// Takes over the present epochs of the log, if it has the mirror's position.
    async fn renew(&mut self) -> Result<Result<Renewed, WentBack>, PortError> {
        let Some(head) = self.log.head(&self.pass).await? else { return Ok(Ok(Renewed::Follow)) };
        if head.next <= self.at {
            let since = *self.behind_since.get_or_insert_with(Instant::now);
            return Ok(if since.elapsed() < LATE_REPLICA { Ok(Renewed::Wait) } else { Err(WentBack) });
        }
        self.behind_since = None;
        if !head.epochs.contains(self.epochs.epoch_of(self.at), self.at) {
            return Ok(Err(WentBack));
        }
        self.epochs = head.epochs;
        self.hub.continue_in(self.epochs.clone());
        Ok(Ok(Renewed::Follow))
    }

    async fn apply_all(&mut self, mut events: Following) -> Result<(), WentBack> {
        while let Some(next) = events.next().await {
            match next {
                Ok(Followed { epoch, events }) => {
                    let new: Vec<_> = events.into_iter().filter(|event| event.seq > self.at).collect();
                    let Some(last) = new.last().map(|event| event.seq) else { continue };
                    if self.epochs.epoch_of(last) != epoch {
                        match self.renew().await {
                            Ok(renewed) => match renewed? {
                                Renewed::Follow => {}
                                // The event is read again later.
                                Renewed::Wait => return Ok(()),
                            },
                            Err(error) => {
                                tracing::warn!(workspace = %self.pass.workspace(), %error, "a mirror cannot read the epochs");
                                return Ok(());
                            }
                        }
                        if self.epochs.epoch_of(last) != epoch {
                            return Err(WentBack);
                        }
                    }
                    self.at = last;
                    self.hub.committed(new);
                }
                Err(error) => {
                    tracing::warn!(workspace = %self.pass.workspace(), %error, "a mirror lost the log");
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
