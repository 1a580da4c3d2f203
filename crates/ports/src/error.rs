//! The error of all adapters. Its kind tells the caller what to do; its source says why.

use std::fmt;

/// How a caller can react.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Another writer was first: the expected sequence or revision is not the current one.
    Conflict,
    /// The store cannot be reached. A later attempt may succeed.
    Unavailable,
    /// The store has no room for more. An attempt succeeds once there is room again.
    StorageFull,
    /// Stored data cannot be decoded.
    Corrupt,
    /// The store does not accept the request.
    Invalid,
}

/// A failure of an adapter.
#[derive(Debug)]
pub struct PortError {
    /// How the caller can react.
    pub kind: ErrorKind,
    /// The failed operation, for people.
    pub context: String,
    /// The underlying failure.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl PortError {
    /// An error with no underlying failure.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// An error caused by `source`.
    pub fn caused(
        kind: ErrorKind,
        context: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, context: context.into(), source: Some(source.into()) }
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{}: {source}", self.context),
            None => f.write_str(&self.context),
        }
    }
}

impl std::error::Error for PortError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
