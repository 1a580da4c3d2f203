//! What people ask of detectors: entries and their revisions, experiments, and training jobs.
//!
//! Requests are checked and written by compare-and-set from any node. A write that the owner of the
//! workspace has to act on also wakes it, so that no caller has to.

pub mod entries;
pub mod experiments;
pub mod records;
#[cfg(test)]
mod tests;
pub mod training;

use std::sync::Arc;

use async_trait::async_trait;

use self::records::DetectorRecords;
use earcon_model::Clock;
use earcon_ports::{ErrorKind, MetaStore, PortError};
use earcon_streams::StreamSettings;
use earcon_tenancy::WorkspacePass;

/// Entries and experiments a workspace may have, and revisions an entry may have.
const MOST: usize = 1_000;

/// Makes the owner of a workspace read its records again.
#[async_trait]
pub trait Wake: Send + Sync + 'static {
    /// Wakes the owner, on whichever node it runs. If it cannot be reached, it reads the records
    /// when it next opens the workspace or writes them.
    async fn wake(&self, pass: &WorkspacePass);
}

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    /// Every rule that it breaks.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// There is nothing of that name.
    #[error("{0}")]
    Unknown(String),
    /// The present state does not allow it.
    #[error("{0}")]
    NotNow(String),
    /// The store failed.
    #[error(transparent)]
    Store(PortError),
}

impl From<PortError> for DetectorError {
    fn from(error: PortError) -> Self {
        match error.kind {
            // The revision is no business of the caller's: it named none.
            ErrorKind::Conflict => DetectorError::NotNow("it keeps being changed by others; try again".to_owned()),
            _ => DetectorError::Store(error),
        }
    }
}

impl From<crate::experiments::NotNow> for DetectorError {
    fn from(error: crate::experiments::NotNow) -> Self {
        DetectorError::NotNow(error.to_string())
    }
}

/// Detectors, experiments and training jobs of all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct DetectorService {
    records: DetectorRecords,
    configured: Arc<StreamSettings>,
    clock: Arc<dyn Clock>,
    wake: Arc<dyn Wake>,
}

impl DetectorService {
    /// `configured` is how samples are scored without an entry.
    pub fn new(
        meta: Arc<dyn MetaStore>,
        configured: Arc<StreamSettings>,
        clock: Arc<dyn Clock>,
        wake: Arc<dyn Wake>,
    ) -> Self {
        Self { records: DetectorRecords::new(meta), configured, clock, wake }
    }

    /// Now, milliseconds UTC.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}
