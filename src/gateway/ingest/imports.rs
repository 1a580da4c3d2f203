//! Bounds the files that are imported at once, and those that arrive.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::room::{Budget, Reservation};
use crate::telemetry::Metric;

/// Files that are imported at once.
const AT_ONCE: usize = 4;

/// The imports of this node.
#[derive(Clone)]
pub(crate) struct Imports {
    places: Arc<Semaphore>,
    stored: Budget,
}

impl Imports {
    /// Imports of files of this size.
    pub(crate) fn of_at_most(max_upload_bytes: u64) -> Self {
        let most = usize::try_from(max_upload_bytes).unwrap_or(usize::MAX).saturating_mul(AT_ONCE);
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), stored: Budget::new(most, Metric::RequestBytes) }
    }

    /// Room on the disk for a file that arrives. It grows with the file.
    pub(crate) fn arriving(&self) -> Reservation {
        self.stored.nothing()
    }

    /// A permit for one import, until it is dropped.
    ///
    /// # Errors
    /// 429 while as many files are imported as may be.
    pub(crate) fn admit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.places.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("{AT_ONCE} files are being imported already; try again in a moment");
            Problem::new(Kind::Overloaded, detail)
        })
    }
}
