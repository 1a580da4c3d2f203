//! The state that listeners work with.

use super::transmitter::Transmitters;
use crate::gateway::http::state::{SharedState, WingState};

/// The state of this wing.
pub(crate) type AudioState = WingState<AudioParts>;

/// The parts of [`AudioState`].
pub(crate) struct AudioParts {
    /// What every wing has.
    pub(crate) shared: SharedState,
    /// Make what listeners of the same mix share.
    pub(crate) transmitters: Transmitters,
}

impl std::ops::Deref for AudioParts {
    type Target = SharedState;

    fn deref(&self) -> &SharedState {
        &self.shared
    }
}
