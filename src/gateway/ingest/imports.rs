//! Bounds the files that are imported at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::gateway::http::problem::{Kind, Problem};

/// Files that are imported at once.
const AT_ONCE: usize = 4;

/// The imports of this node.
#[derive(Clone)]
pub(crate) struct Imports(Arc<Semaphore>);

impl Default for Imports {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Imports {
    /// A permit for one import, until it is dropped.
    ///
    /// # Errors
    /// 429 while as many files are imported as may be.
    pub(crate) fn admit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.0.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("{AT_ONCE} files are being imported already; try again in a moment");
            Problem::new(Kind::Overloaded, detail)
        })
    }
}
