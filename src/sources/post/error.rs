//! Errors of posting samples to a server.

use reqwest::StatusCode;

/// Why samples could not be delivered. Each message suggests a remedy.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The URL is invalid, or its scheme is neither `http` nor `https`.
    #[error("{url:?} is not the URL of a server: {reason}; use a URL such as http://127.0.0.1:8080")]
    Url {
        /// The URL as given.
        url: String,
        /// The problem.
        reason: String,
    },
    /// The server did not answer any attempt.
    #[error("cannot reach {url} ({reason}); is earcon running there? Start it with `earcon serve`, or give --url")]
    Unreachable {
        /// The server.
        url: String,
        /// The cause of the last failure.
        reason: String,
    },
    /// The server's certificate is not trusted. It may be another server.
    #[error("the certificate of {url} is not trusted ({reason}); --ca-file names a file of authorities to trust")]
    Untrusted {
        /// The server.
        url: String,
        /// The reason.
        reason: String,
    },
    /// The server refuses the samples, and a retry did not or would not help.
    #[error("{url} refused the samples with {status}: {detail}")]
    Refused {
        /// The server.
        url: String,
        /// The HTTP status.
        status: StatusCode,
        /// The reason that the server gives.
        detail: String,
    },
    /// The answer is not from an Earcon server.
    #[error("{url} answered, but not as an Earcon server does ({reason}); is another program listening on that port?")]
    NotEarcon {
        /// The server.
        url: String,
        /// The unexpected part of the answer.
        reason: String,
    },
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(reqwest::Error),
}
