//! The state that all ways to send samples work with.

use super::imports::Imports;
use crate::gateway::http::state::{SharedState, WingState};
use crate::services::rules::RuleService;
use crate::sources::admissible::SampleTimes;
use earcon_model::WorkspaceId;

/// The state of this wing.
pub(crate) type IngestState = WingState<IngestParts>;

/// The parts of [`IngestState`].
pub(crate) struct IngestParts {
    /// What every wing has.
    pub(crate) shared: SharedState,
    /// Rules and known series of each workspace.
    pub(crate) rules: RuleService,
    /// Bounds the files that are imported at once.
    pub(crate) imports: Imports,
    /// Largest uploaded file.
    pub(crate) max_upload_bytes: u64,
    /// Most samples of one request.
    pub(crate) max_batch_samples: usize,
    /// Gets the samples of agents that name no workspace.
    pub(crate) default_workspace: WorkspaceId,
    /// Limits of the times of samples, for previews.
    pub(crate) times: SampleTimes,
}

impl std::ops::Deref for IngestParts {
    type Target = SharedState;

    fn deref(&self) -> &SharedState {
        &self.shared
    }
}
