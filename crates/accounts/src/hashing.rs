//! Passwords are hashed on a bounded number of threads, and a bounded number waits.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::AccountsError;

/// The bounded pool. Each hash takes the memory of its cost, so their number bounds memory, too.
#[derive(Debug, Clone)]
pub(crate) struct Hashing {
    running: Arc<Semaphore>,
    /// One permit for each that runs or waits.
    places: Arc<Semaphore>,
}

impl Hashing {
    pub(crate) fn new(at_once: usize, waiting: usize) -> Self {
        let at_once = at_once.max(1);
        Self { running: Arc::new(Semaphore::new(at_once)), places: Arc::new(Semaphore::new(at_once + waiting)) }
    }

    /// Runs `work` on a thread that may block.
    ///
    /// # Errors
    /// [`AccountsError::Busy`] if there is no place to wait.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AccountsError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| AccountsError::Busy)?;
        let turn = self.running.clone().acquire_owned().await.map_err(|_| AccountsError::Busy)?;
        // The thread keeps both: a caller who goes away does not make room for another hash.
        let hashed = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((turn, place));
            result
        });
        hashed.await.map_err(|_| AccountsError::Busy)
    }
}
