//! The state that every wing shares. Each wing has a state of its own that holds this one.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;

use crate::actors::directory::Directory;
use crate::gateway::http::room::Budget;
use crate::services::meanings::MeaningService;
use crate::telemetry::{Metric, count};
use earcon_accounts::Accounts;
use earcon_model::Clock;
use earcon_tenancy::{Authorizer, Creators, WorkspacePass};

/// The reason of a close after a deletion.
pub(crate) const DELETED: &str = "the workspace was deleted";
/// The reason of a close after a key, a session or a right was withdrawn.
pub(crate) const WITHDRAWN: &str = "the access was withdrawn or has expired";

/// How often the rights of an open stream are looked at without a change.
const RECHECK: Duration = Duration::from_secs(2);

/// Why a stream ends before its client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The server shuts down.
    Shutdown,
    /// The caller may no longer have it.
    Withdrawn,
}

/// The shared state. Cheap to clone: every connection holds one.
#[derive(Clone)]
pub(crate) struct SharedState(Arc<SharedParts>);

/// The parts of the shared state.
pub(crate) struct SharedParts {
    /// Identifies callers, and decides about their rights.
    pub(crate) access: Authorizer,
    /// Users, keys and sessions.
    pub(crate) accounts: Accounts,
    /// Decides who may create workspaces.
    pub(crate) creators: Creators,
    /// The workspaces.
    pub(crate) directory: Directory,
    /// Units and descriptions of KPIs.
    pub(crate) meanings: MeaningService,
    /// Wall time, for samples without a timestamp and for default ranges.
    pub(crate) clock: Arc<dyn Clock>,
    /// Largest request body, after decompression.
    pub(crate) max_body_bytes: usize,
    /// Room for the bodies of requests.
    pub(crate) requests: Budget,
    /// Room for answers that are not written yet.
    pub(crate) answers: Budget,
    /// Places for making large answers.
    pub(crate) large: Semaphore,
    /// Turns true when the server shuts down: endless answers end.
    pub(crate) shutdown: watch::Receiver<bool>,
}

impl SharedState {
    /// A shared state of these parts.
    pub(crate) fn new(parts: SharedParts) -> Self {
        Self(Arc::new(parts))
    }

    /// A place for making a large answer: half of the cores stay free for everybody else. `None` if
    /// too many bytes of answers wait for their clients, or the server shuts down.
    pub(crate) async fn large_answer(&self) -> Option<SemaphorePermit<'_>> {
        let place = tokio::select! {
            place = self.large.acquire() => place.ok(),
            () = self.shutting_down() => None,
        };
        let refused = self.answers.is_tight();
        if refused {
            count(Metric::RoomRefused, 1);
        }
        place.filter(|_| !refused)
    }

    /// Whether a workspace whose connections end is deleted, or is being deleted.
    pub(crate) fn is_deleted(&self, pass: &WorkspacePass) -> bool {
        self.directory.is_deleted(pass)
    }

    /// Completes when a stream that this pass began must end.
    pub(crate) async fn ending(&self, pass: &WorkspacePass) -> Ending {
        tokio::select! {
            () = self.shutting_down() => Ending::Shutdown,
            () = self.withdrawn(pass) => Ending::Withdrawn,
        }
    }

    /// Completes when a pass would no longer be given: at once after a change that this node knows,
    /// and within [`RECHECK`] after a key or a session has expired.
    async fn withdrawn(&self, pass: &WorkspacePass) {
        if pass.principal().account().is_none() {
            return std::future::pending().await;
        }
        // Boxed, because most streams of most servers never need the memory.
        Box::pin(async {
            let mut changes = self.accounts.versions();
            while self.access.holds(pass, self.clock.now_ms()) {
                let _changed_or_not = timeout(RECHECK, changes.changed()).await;
            }
        })
        .await;
    }

    /// Completes when the server shuts down.
    pub(crate) async fn shutting_down(&self) {
        let mut shutdown = self.shutdown.clone();
        // An error means that the server itself is gone, which is the same thing.
        let _gone = shutdown.wait_for(|down| *down).await.is_err();
    }
}

impl std::ops::Deref for SharedState {
    type Target = SharedParts;

    fn deref(&self) -> &SharedParts {
        &self.0
    }
}

/// The state of a wing: its own parts, which hold the shared state. Cheap to clone.
///
/// Parts dereference to the shared state, so a handler reads `state.clock` directly.
pub(crate) struct WingState<T>(Arc<T>);

impl<T> WingState<T> {
    /// A state of these parts.
    pub(crate) fn new(parts: T) -> Self {
        Self(Arc::new(parts))
    }
}

impl<T> Clone for WingState<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> std::ops::Deref for WingState<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Lets extractors of `http` work with the state of every wing.
impl<T: std::ops::Deref<Target = SharedState>> FromRef<WingState<T>> for SharedState {
    fn from_ref(state: &WingState<T>) -> Self {
        (***state).clone()
    }
}
