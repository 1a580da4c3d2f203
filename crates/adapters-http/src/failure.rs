//! A failed attempt.

use earcon_ports::{HttpError, HttpErrorKind};

/// A failed attempt: the error, and whether the other server may have got the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) error: HttpError,
    pub(crate) sent: bool,
}

impl Failure {
    /// A failure before the request left.
    pub(crate) fn before(kind: HttpErrorKind, origin: &str, reason: impl Into<String>) -> Self {
        Self { error: error(kind, origin, reason), sent: false }
    }

    /// A failure after it.
    pub(crate) fn after(kind: HttpErrorKind, origin: &str, reason: impl Into<String>) -> Self {
        Self { error: error(kind, origin, reason), sent: true }
    }
}

/// An error of the request to `origin`.
pub(crate) fn error(kind: HttpErrorKind, origin: &str, reason: impl Into<String>) -> HttpError {
    HttpError { kind, origin: origin.to_owned(), reason: reason.into() }
}
