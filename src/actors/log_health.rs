//! Whether the log answers. Readiness tells it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use earcon_ports::{ErrorKind, PortError};

/// A request that waits longer than this is a problem.
const UNANSWERED: Duration = Duration::from_secs(3);
/// A failure is a problem for this long, if nothing succeeds meanwhile. Whatever failed is tried
/// again sooner, unless another node does it now.
const FAILED_LATELY: Duration = Duration::from_secs(5);

/// The requests of this node to the log. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LogHealth(Arc<Mutex<Requests>>);

#[derive(Debug, Default)]
struct Requests {
    next: u64,
    /// When each began that is not answered.
    waiting: BTreeMap<u64, Instant>,
    failed: Option<(Instant, String)>,
}

impl LogHealth {
    /// Waits for the answer to a request.
    ///
    /// # Errors
    /// Those of the request.
    pub(super) async fn watch<T>(&self, request: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
        let waiting = self.begin();
        let result = request.await;
        drop(waiting);
        match &result {
            Ok(_) => self.requests().failed = None,
            Err(error) if error.kind == ErrorKind::Unavailable => {
                self.requests().failed = Some((Instant::now(), error.to_string()));
            }
            // Another node owns the log now, or the request was wrong: the log works.
            Err(_) => {}
        }
        result
    }

    /// Why samples cannot be committed now.
    pub fn problem(&self) -> Option<String> {
        let requests = self.requests();
        let oldest = requests.waiting.values().min().map(Instant::elapsed);
        if let Some(waited) = oldest.filter(|waited| *waited > UNANSWERED) {
            return Some(format!("the log has not answered for {:.1} s", waited.as_secs_f64()));
        }
        let lately = requests.failed.as_ref().filter(|(at, _)| at.elapsed() < FAILED_LATELY);
        lately.map(|(_, error)| format!("the log failed: {error}"))
    }

    fn begin(&self) -> Waiting<'_> {
        let mut requests = self.requests();
        let number = requests.next;
        requests.next += 1;
        requests.waiting.insert(number, Instant::now());
        Waiting { health: self, number }
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is not answered. Also ends if its caller stops waiting.
struct Waiting<'a> {
    health: &'a LogHealth,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.health.requests().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn request_without_an_answer_is_a_problem_until_it_ends() {
        let health = LogHealth::default();
        let hanging = health.watch(std::future::pending::<Result<(), PortError>>());
        let watched = timeout(UNANSWERED + Duration::from_secs(2), hanging);
        let problem = async {
            tokio::time::sleep(UNANSWERED).await;
            assert_eq!(health.problem(), None);
            tokio::time::sleep(Duration::from_secs(1)).await;
            health.problem()
        };
        let (ended, problem) = tokio::join!(watched, problem);
        assert_eq!(problem.unwrap(), "the log has not answered for 4.0 s");
        assert!(ended.is_err());
        assert_eq!(health.problem(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn failure_is_a_problem_until_something_succeeds() {
        let health = LogHealth::default();
        let fail = async |kind| health.watch(async { Err::<(), _>(PortError::new(kind, "full")) }).await;
        assert!(fail(ErrorKind::Conflict).await.is_err());
        assert_eq!(health.problem(), None);
        assert!(fail(ErrorKind::Unavailable).await.is_err());
        assert!(health.problem().unwrap().contains("full"));
        health.watch(async { Ok(()) }).await.unwrap();
        assert_eq!(health.problem(), None);
        assert!(fail(ErrorKind::Unavailable).await.is_err());
        advance(FAILED_LATELY).await;
        assert_eq!(health.problem(), None, "this node no longer tries");
    }
}
