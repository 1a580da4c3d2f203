//! What can go wrong on the way to a server.

use reqwest::StatusCode;

/// Why samples could not be delivered. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The URL is none, or of a scheme other than `http`.
    #[error("{url:?} is not a server's URL: {reason}; write it like http://127.0.0.1:8080")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers, after all attempts.
    #[error("cannot reach {url} ({reason}); is earcon running there? Start it with `earcon serve`, or give --url")]
    Unreachable {
        /// The server.
        url: String,
        /// What the last attempt met.
        reason: String,
    },
    /// The server answers, but does not take the samples, and sending them again did not or would not change it.
    #[error("{url} refused the samples with {status}: {detail}")]
    Refused {
        /// The server.
        url: String,
        /// The HTTP status.
        status: StatusCode,
        /// What the server says of it.
        detail: String,
    },
    /// What answers is not an Earcon server.
    #[error("{url} answered, but not as an Earcon server does ({reason}); is another program listening on that port?")]
    NotEarcon {
        /// The server.
        url: String,
        /// What was odd.
        reason: String,
    },
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(reqwest::Error),
}
