//! What can go wrong on the way to a server.

use std::time::Duration;

use crate::message::DecodeError;

/// Why something could not be done. Each message names the server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is none, or of a scheme other than `http`.
    #[error("{url:?} is not a server's URL: {reason}; write it like http://127.0.0.1:7070")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers, or the connection broke.
    #[error("cannot reach {url} ({reason})")]
    Unreachable {
        /// The server.
        url: String,
        /// What was met.
        reason: String,
    },
    /// The server answers, and refuses.
    #[error("{url} refused with {status}: {detail}")]
    Refused {
        /// The server.
        url: String,
        /// The HTTP status; 0 when it was refused over an open WebSocket.
        status: u16,
        /// What the server says of it.
        detail: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// What answers is not an Earcon server, or one of a version that says things differently.
    #[error("{url} answered, but not as an Earcon server does ({reason})")]
    NotEarcon {
        /// The server.
        url: String,
        /// What was odd.
        reason: String,
    },
    /// A message could not be read.
    #[error("{url}: {error}")]
    Decode {
        /// The server.
        url: String,
        /// What was odd.
        error: DecodeError,
    },
}

impl Error {
    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Error::Unreachable { .. } => true,
            Error::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            Error::Url { .. } | Error::NotEarcon { .. } | Error::Decode { .. } => false,
        }
    }
}

/// The innermost cause: "Connection refused" rather than "error sending request".
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
