//! Doing many things with a few of them under way at once.

use std::future::Future;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, TryStreamExt};

use earcon_ports::PortError;

type Numbered<'a, T> = BoxFuture<'a, Result<(usize, T), PortError>>;

/// Work of one kind; results come in the order the work was added.
pub(super) struct Several<'a, T> {
    at_once: usize,
    added: usize,
    running: FuturesUnordered<Numbered<'a, T>>,
    done: Vec<(usize, T)>,
}

impl<'a, T: Send + 'a> Several<'a, T> {
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_once, added: 0, running: FuturesUnordered::new(), done: Vec::new() }
    }

    /// Starts `work` as soon as there is room.
    ///
    /// # Errors
    /// The first failure of anything added; what runs then is dropped with this.
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

    /// Waits for all that was added.
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
