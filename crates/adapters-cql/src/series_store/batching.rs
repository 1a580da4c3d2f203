//! Running many futures with a bounded number at once.

use std::future::Future;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, TryStreamExt};

use earcon_ports::PortError;

type Numbered<'a, T> = BoxFuture<'a, Result<(usize, T), PortError>>;

/// Tasks of one kind. Results come in the order in which the tasks were added.
pub(super) struct BoundedTasks<'a, T> {
    at_once: usize,
    added: usize,
    running: FuturesUnordered<Numbered<'a, T>>,
    done: Vec<(usize, T)>,
}

impl<'a, T: Send + 'a> BoundedTasks<'a, T> {
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_once, added: 0, running: FuturesUnordered::new(), done: Vec::new() }
    }

    /// Starts `work` as soon as there is room.
    ///
    /// # Errors
    /// The first failure of any added task. Dropping this value cancels the others.
    pub(super) async fn add<F>(&mut self, work: F) -> Result<(), PortError>
    where
        F: Future<Output = Result<T, PortError>> + Send + 'a,
    {
        while self.running.len() >= self.at_once {
            self.done.extend(self.running.try_next().await?);
        }
        let number = self.added;
        self.added += 1;
        self.running.push(async move { work.await.map(|result| (number, result)) }.boxed());
        Ok(())
    }

    /// Waits for all added tasks.
    ///
    /// # Errors
    /// The first failure.
    pub(super) async fn finish(mut self) -> Result<Vec<T>, PortError> {
        while let Some(done) = self.running.try_next().await? {
            self.done.push(done);
        }
        self.done.sort_unstable_by_key(|(number, _)| *number);
        Ok(self.done.into_iter().map(|(_, result)| result).collect())
    }
}
