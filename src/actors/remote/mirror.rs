//! The live view of a workspace that another node owns, kept by following its log. Owners may change meanwhile: the log, and so
//! its epoch and its numbers, stay the same, and followers here notice nothing.
//!
//! Not an actor: the hub it feeds is one. A mirror that nobody uses for a while goes away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use ractor::ActorCell;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::actors::Context;
use crate::actors::hub::Hub;
use crate::actors::recovery::{glimpse, view_of};
use crate::live::LiveView;
use earcon_model::{Seq, WorkspaceId};
use earcon_ports::{ErrorKind, PortError, SharedLog};
use earcon_tenancy::WorkspacePass;

/// Whether anybody still uses a mirror is looked at this often.
const LOOK: Duration = Duration::from_secs(60);
/// A mirror goes away after this long without a user.
const IDLE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(200);

/// The mirrors of this node.
#[derive(Clone)]
pub struct Mirrors {
    context: Context,
    log: Arc<dyn SharedLog>,
    root: ActorCell,
    table: Table,
}

type Table = Arc<Mutex<HashMap<WorkspaceId, Arc<Slot>>>>;

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

    /// The hub of the workspace's mirror, started when there is none.
    ///
    /// # Errors
    /// `Unavailable` when the log or the snapshots cannot be read.
    pub async fn hub(&self, pass: &WorkspacePass) -> Result<Hub, PortError> {
        let slot = self.table().entry(pass.workspace().clone()).or_default().clone();
        slot.used.store(true, Ordering::Relaxed);
        let hub = slot.hub.get_or_try_init(|| self.start(pass, &slot)).await;
        if hub.is_err() {
            self.remove(pass.workspace(), &slot);
        }
        hub.cloned()
    }

    async fn start(&self, pass: &WorkspacePass, slot: &Arc<Slot>) -> Result<Hub, PortError> {
        let unavailable = |error: String| PortError::new(ErrorKind::Unavailable, error);
        let seen = glimpse(&self.context, pass).await?;
        let Some(seen) = seen else { return Err(unavailable("the workspace has no log yet".into())) };
        let at = seen.head.next - 1;
        let view = LiveView::new(at, seen.kpis.values().map(view_of)).with_incidents(seen.desk.open());
        let (workspace, epoch) = (pass.workspace().clone(), seen.head.epoch.clone());
        let buffer = self.context.settings.live_buffer;
        let hub = Hub::start(workspace, epoch.as_str().into(), view, buffer, self.root.clone())
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let mirror = Mirror { log: self.log.clone(), pass: pass.clone(), hub: hub.clone(), epoch, at };
        let (mirrors, slot) = (self.clone(), slot.clone());
        tokio::spawn(async move {
            let workspace = mirror.pass.workspace().clone();
            let hub = mirror.hub.clone();
            tokio::select! {
                () = mirror.follow() => {}
                () = unused(&slot, &hub) => {}
            }
            mirrors.remove(&workspace, &slot);
            hub.stop().await;
        });
        Ok(hub)
    }

    fn remove(&self, workspace: &WorkspaceId, slot: &Arc<Slot>) {
        let mut table = self.table();
        if table.get(workspace).is_some_and(|present| Arc::ptr_eq(present, slot)) {
            table.remove(workspace);
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<WorkspaceId, Arc<Slot>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Completes when nobody has asked for the hub or followed it for a while.
async fn unused(slot: &Slot, hub: &Hub) {
    let mut last_used = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
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
    epoch: String,
    /// The last event the hub has.
    at: Seq,
}

impl Mirror {
    /// Feeds the hub until the log has begun another life. What was trimmed away before it could be read is a gap to those who
    /// follow, as for a slow follower of the owner.
    async fn follow(mut self) {
        loop {
            match self.log.follow(&self.pass, self.at + 1).await {
                Ok(mut events) => {
                    while let Some(next) = events.next().await {
                        match next {
                            Ok(batch) => self.take(batch),
                            Err(error) => {
                                tracing::warn!(workspace = %self.pass.workspace(), %error, "a mirror lost the log");
                                break;
                            }
                        }
                    }
                }
                Err(error) => tracing::warn!(workspace = %self.pass.workspace(), %error, "a mirror cannot follow"),
            }
            tokio::time::sleep(PAUSE).await;
            if let Ok(Some(head)) = self.log.head(&self.pass).await
                && (head.epoch != self.epoch || head.next <= self.at)
            {
                tracing::warn!(workspace = %self.pass.workspace(), "the log began another life");
                return;
            }
        }
    }

    fn take(&mut self, batch: Vec<Arc<earcon_model::Event>>) {
        let news: Vec<_> = batch.into_iter().filter(|event| event.seq > self.at).collect();
        if let Some(last) = news.last() {
            self.at = last.seq;
            self.hub.committed(news);
        }
    }
}
