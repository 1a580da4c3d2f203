//! The state that the routes of accounts work with.

use crate::gateway::http::state::{SharedState, WingState};

/// The state of this wing.
pub(crate) type AccountsState = WingState<AccountsParts>;

/// The parts of [`AccountsState`].
pub(crate) struct AccountsParts {
    /// What every wing has.
    pub(crate) shared: SharedState,
}

impl std::ops::Deref for AccountsParts {
    type Target = SharedState;

    fn deref(&self) -> &SharedState {
        &self.shared
    }
}
