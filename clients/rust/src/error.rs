//! The errors of the client.

use std::time::Duration;

use crate::message::DecodeError;

/// The reason why a call failed. Each message contains the server's URL, and none contains the key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is invalid, or its scheme is neither `http` nor `https`.
    #[error("{url:?} is not a server's URL: {reason}; write it like http://127.0.0.1:7070")]
    Url {
        /// The given text.
        url: String,
        /// The reason.
        reason: String,
    },
    /// Certificates of authorities cannot be used.
    #[error("the certificates of authorities cannot be used: {reason}")]
    Trust {
        /// Why.
        reason: String,
    },
    /// No header can carry the key. The key is not shown.
    #[error("this is no key: {reason}")]
    Key {
        /// The reason.
        reason: String,
    },
    /// The server does not answer, or the connection broke.
    #[error("cannot reach {url} ({reason})")]
    Unreachable {
        /// The server's URL.
        url: String,
        /// The cause.
        reason: String,
    },
    /// The server's certificate is not trusted. It may be another server.
    #[error("the certificate of {url} is not trusted ({reason})")]
    Untrusted {
        /// The server's URL.
        url: String,
        /// The reason.
        reason: String,
    },
    /// The server refused the request.
    #[error("{url} refused with {status}: {detail}")]
    Refused {
        /// The server's URL.
        url: String,
        /// The HTTP status, or 0 if the server refused over an open WebSocket.
        status: u16,
        /// The server's explanation.
        detail: String,
        /// The pause that the server asks for.
        retry_after: Option<Duration>,
    },
    /// The peer is not an Earcon server, or has an incompatible version.
    #[error("{url} answered, but not as an Earcon server does ({reason})")]
    NotEarcon {
        /// The server's URL.
        url: String,
        /// The unexpected part of the answer.
        reason: String,
    },
    /// A message could not be decoded.
    #[error("{url}: {error}")]
    Decode {
        /// The server's URL.
        url: String,
        /// The decoding error.
        error: DecodeError,
    },
}

impl Error {
    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Error::Unreachable { .. } => true,
            Error::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            Error::Url { .. }
            | Error::Key { .. }
            | Error::Trust { .. }
            | Error::Untrusted { .. }
            | Error::NotEarcon { .. }
            | Error::Decode { .. } => false,
        }
    }

    /// Whether the server wants other credentials (401), or does not permit it with these (403).
    /// Such an error ends following, also after a connection that was permitted.
    pub fn is_denied(&self) -> bool {
        matches!(self, Error::Refused { status: 401 | 403, .. })
    }
}

/// The innermost cause, such as "Connection refused" instead of "error sending request".
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
