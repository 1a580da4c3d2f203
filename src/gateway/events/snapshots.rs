//! Snapshots for followers: few are made at once, and followers that ask within a moment share one.
//!
//! A snapshot of a large workspace has megabytes. A client can ask for one with a message of twenty
//! bytes, so what it costs must not depend on how often clients ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::actors::hub::{Identity, Subscription};
use crate::gateway::http::room::Budget;
use crate::gateway::http::state::SharedState;
use crate::live::{Filter, MessageFrame, wire};
use earcon_model::{Seq, WorkspaceId};

/// How long a snapshot is shared. Events behind it are read from the log, so it must be short.
const SHARED_FOR: Duration = Duration::from_millis(250);

/// The state of a workspace after an event.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    /// The event.
    pub(super) seq: Seq,
    /// The message. Its bytes are counted as those of an answer.
    pub(super) frame: MessageFrame,
}

/// The snapshots of this node. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Snapshots(Arc<Mutex<HashMap<WorkspaceId, Made>>>);

/// A snapshot of everything, which followers without a filter share.
struct Made {
    broadcast: Identity,
    at: Instant,
    snapshot: Snapshot,
}

impl Snapshots {
    /// The state of a workspace as a follower with this filter sees it. `None` if there is no room
    /// for it among the answers.
    pub(super) async fn take(
        &self,
        workspace: &WorkspaceId,
        subscription: &Subscription,
        filter: &Filter,
        state: &SharedState,
    ) -> Option<Snapshot> {
        if let Some(shared) = self.shared(workspace, subscription, filter) {
            return Some(shared);
        }
        let _place = state.large_answer().await?;
        // Another follower may have made it meanwhile.
        if let Some(shared) = self.shared(workspace, subscription, filter) {
            return Some(shared);
        }
        let snapshot = make(subscription, filter, &state.answers)?;
        if filter.is_open() {
            self.share(workspace, subscription, snapshot.clone());
        }
        Some(snapshot)
    }

    fn shared(&self, workspace: &WorkspaceId, subscription: &Subscription, filter: &Filter) -> Option<Snapshot> {
        let table = self.lock();
        let made = table.get(workspace).filter(|_| filter.is_open())?;
        let fits = made.broadcast.is_of(&subscription.live) && made.at.elapsed() < SHARED_FOR;
        fits.then(|| made.snapshot.clone())
    }

    /// Shares a snapshot, and forgets it after a moment.
    fn share(&self, workspace: &WorkspaceId, subscription: &Subscription, snapshot: Snapshot) {
        let (at, broadcast) = (Instant::now(), subscription.live.identity());
        self.lock().insert(workspace.clone(), Made { broadcast, at, snapshot });
        let (snapshots, workspace) = (self.clone(), workspace.clone());
        tokio::spawn(async move {
            sleep(SHARED_FOR).await;
            let mut table = snapshots.lock();
            if table.get(&workspace).is_some_and(|made| made.at == at) {
                table.remove(&workspace);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Made>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make(subscription: &Subscription, filter: &Filter, answers: &Budget) -> Option<Snapshot> {
    let Subscription { seq, epochs, kpis, incidents, .. } = subscription;
    let shown = kpis.iter().map(AsRef::as_ref).filter(|kpi| filter.admits_kpi(&kpi.kpi));
    let open = incidents.iter().map(AsRef::as_ref).filter(|incident| filter.admits_incident(incident));
    let text = wire::snapshot_json(*seq, epochs.epoch_of(*seq), shown, open);
    let held = answers.reserve(text.len())?;
    let frame = MessageFrame::text(&text).map_bytes(|bytes| held.of(bytes));
    Some(Snapshot { seq: *seq, frame })
}
