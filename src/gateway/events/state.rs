//! The state that followers work with.

use std::sync::Arc;

use super::groups::FollowerGroups;
use super::snapshots::Snapshots;
use crate::gateway::http::state::{SharedState, WingState};
use earcon_ports::EventLog;

/// The state of this wing.
pub(crate) type EventsState = WingState<EventsParts>;

/// The parts of [`EventsState`].
pub(crate) struct EventsParts {
    /// What every wing has.
    pub(crate) shared: SharedState,
    /// For replays; read only.
    pub(crate) event_log: Arc<dyn EventLog>,
    /// Followers that are up to date.
    pub(crate) groups: FollowerGroups,
    /// Snapshots that followers share.
    pub(crate) snapshots: Snapshots,
    /// Most events replayed on a resume.
    pub(crate) replay_events: u64,
}

impl std::ops::Deref for EventsParts {
    type Target = SharedState;

    fn deref(&self) -> &SharedState {
        &self.shared
    }
}
