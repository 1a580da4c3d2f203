//! Requests to the leader of a stream. They may be repeated, because they change nothing.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::failure;
use earcon_ports::PortError;

/// Time limit of one request. A frozen server may have it, or there may be another leader now.
const EACH: Duration = Duration::from_millis(1_500);
/// Time limit of all of them. Longer than an election of JetStream, which takes four to nine
/// seconds.
const ALL: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(100);

/// Asks again while there is no answer. The outer error means that none came.
pub(super) async fn repeated<T, E, F>(
    doing: &str,
    ask: impl Fn() -> F,
    is_unanswered: impl Fn(&E) -> bool,
) -> Result<Result<T, E>, PortError>
where
    F: Future<Output = Result<T, E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    let give_up = Instant::now() + ALL;
    loop {
        let error = match timeout(EACH, ask()).await {
            Ok(Err(error)) if is_unanswered(&error) => failure::unanswered(doing, error),
            Ok(answer) => return Ok(answer),
            Err(elapsed) => failure::unanswered(doing, elapsed),
        };
        if Instant::now() + PAUSE >= give_up {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn request_that_hangs_is_repeated_until_it_is_answered() {
        let asked = AtomicU32::new(0);
        let ask = async || match asked.fetch_add(1, Ordering::Relaxed) {
            0 => std::future::pending().await,
            1 => Err(std::fmt::Error),
            number => Ok(number),
        };
        assert_eq!(repeated("asking", ask, |_| true).await.unwrap(), Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn refusal_is_an_answer() {
        let result = repeated("asking", async || Err::<(), _>(std::fmt::Error), |_| false).await;
        assert_eq!(result.unwrap(), Err(std::fmt::Error));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_after_the_whole_limit() {
        let began = Instant::now();
        let result = repeated("asking", std::future::pending::<Result<(), std::fmt::Error>>, |_| true).await;
        assert_eq!(result.unwrap_err().kind, earcon_ports::ErrorKind::Unavailable);
        assert!(began.elapsed() <= ALL + EACH);
    }
}
