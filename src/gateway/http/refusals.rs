//! Log lines about requests that the server could not serve, at a bounded rate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::Method;
use axum::response::Response;

use super::problem::Refusal;
use crate::telemetry::Repeats;

/// Longest path and longest reason in a line.
const LONGEST: usize = 300;

/// One line a minute for each kind of refusal. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Arc<Mutex<HashMap<&'static str, Repeats>>>);

impl Refusals {
    /// Logs why a request was refused, if the answer says so and no such line was written lately.
    pub(crate) fn log(&self, method: &Method, path: &str, answer: &Response) {
        let Some(Refusal { kind, reason }) = answer.extensions().get::<Refusal>() else { return };
        let Some(others) = self.due(kind) else { return };
        // Both come from outside in part, so their length is bounded.
        let (path, reason): (String, String) =
            (path.chars().take(LONGEST).collect(), reason.chars().take(LONGEST).collect());
        let status = answer.status().as_u16();
        tracing::warn!(kind, %method, path, status, reason, others, "a request could not be served");
    }

    /// If a line is due, returns how many before it were left out.
    fn due(&self, kind: &'static str) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default().failed(kind)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_kind_has_one_line_a_minute() {
        let refusals = Refusals::default();
        assert_eq!(refusals.due("storage-full"), Some(0));
        assert_eq!((refusals.due("storage-full"), refusals.due("unavailable")), (None, Some(0)));
        advance(Duration::from_secs(61)).await;
        assert_eq!(refusals.due("storage-full"), Some(1));
    }
}
