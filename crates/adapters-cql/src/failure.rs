//! Classification of driver failures: what the caller may do next.

use scylla::errors::{
    BadQuery, ConnectionPoolError, DbError, ExecutionError, PrepareError, RequestAttemptError, UseKeyspaceError,
};

use earcon_ports::{ErrorKind, PortError};

/// What a failure says about the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// It was not applied. Repeating it may succeed soon.
    NotDone,
    /// It may have been applied. Repeating it may succeed.
    Unknown,
    /// The database refuses it until a permission or a password changes.
    Forbidden,
    /// The database does not accept the statement.
    Invalid,
    /// The answer cannot be read.
    Corrupt,
}

impl FailureKind {
    /// Whether a retry makes sense. `repeatable` says that the statement is idempotent.
    pub(super) fn is_retryable(self, repeatable: bool) -> bool {
        self == Self::NotDone || self == Self::Unknown && repeatable
    }

    fn kind(self) -> ErrorKind {
        match self {
            Self::NotDone | Self::Unknown | Self::Forbidden => ErrorKind::Unavailable,
            Self::Invalid => ErrorKind::Invalid,
            Self::Corrupt => ErrorKind::Corrupt,
        }
    }
}

/// A driver error that can be classified.
pub(super) trait Failure: std::error::Error + Send + Sync + Sized + 'static {
    fn failure_kind(&self) -> FailureKind;

    /// The error for the caller. `context` names the failed operation.
    fn into_port_error(self, context: impl Into<String>) -> PortError {
        PortError::caused(self.failure_kind().kind(), context, self)
    }
}

impl Failure for ExecutionError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::BadQuery(error) => error.failure_kind(),
            Self::EmptyPlan | Self::ConnectionPoolError(_) => FailureKind::NotDone,
            Self::PrepareError(error) => error.failure_kind(),
            Self::LastAttemptError(error) => error.failure_kind(),
            Self::UseKeyspaceError(error) => error.failure_kind(),
            _ => FailureKind::Unknown,
        }
    }
}

impl Failure for RequestAttemptError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::SerializationError(_) | Self::CqlRequestSerialization(_) => FailureKind::Invalid,
            Self::UnableToAllocStreamId => FailureKind::NotDone,
            Self::CqlResultParseError(_) | Self::UnexpectedResponse(_) | Self::NonfinishedPagingState => {
                FailureKind::Corrupt
            }
            Self::DbError(error, _) => of_database(error),
            _ => FailureKind::Unknown,
        }
    }
}

fn of_database(error: &DbError) -> FailureKind {
    match error {
        DbError::SyntaxError
        | DbError::Invalid
        | DbError::AlreadyExists { .. }
        | DbError::FunctionFailure { .. }
        | DbError::ConfigError
        | DbError::ProtocolError => FailureKind::Invalid,
        DbError::AuthenticationError | DbError::Unauthorized => FailureKind::Forbidden,
        DbError::IsBootstrapping => FailureKind::NotDone,
        // A conditional statement has several rounds. Each may find too few replicas, even after
        // the decision.
        _ => FailureKind::Unknown,
    }
}

impl Failure for PrepareError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::AllAttemptsFailed { first_attempt } => match first_attempt.failure_kind() {
                FailureKind::Unknown => FailureKind::NotDone,
                kind => kind,
            },
            _ => FailureKind::NotDone,
        }
    }
}

impl Failure for UseKeyspaceError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::BadKeyspaceName(_) => FailureKind::Invalid,
            Self::RequestError(error) => error.failure_kind(),
            _ => FailureKind::NotDone,
        }
    }
}

impl Failure for BadQuery {
    fn failure_kind(&self) -> FailureKind {
        FailureKind::Invalid
    }
}

impl Failure for ConnectionPoolError {
    fn failure_kind(&self) -> FailureKind {
        FailureKind::NotDone
    }
}

/// The error for rows of an unexpected shape.
pub(super) fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    PortError::caused(ErrorKind::Corrupt, "a row of the database cannot be understood", error)
}
