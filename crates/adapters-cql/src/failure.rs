//! What a failure of the driver means for whoever asked.

use scylla::errors::{
    BadQuery, ConnectionPoolError, DbError, ExecutionError, PrepareError, RequestAttemptError, UseKeyspaceError,
};

use earcon_ports::{ErrorKind, PortError};

/// What is known of a statement that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// It did not happen, and may work in a moment.
    NotDone,
    /// It may or may not have happened; asking again may work.
    Unknown,
    /// The database will go on refusing it until somebody changes a right or a password.
    Forbidden,
    /// It makes no sense to the database.
    Invalid,
    /// What came back cannot be read.
    Corrupt,
}

impl FailureKind {
    /// Whether trying again in a moment makes sense. `repeatable`: doing it twice is the same as doing it once.
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

/// An error of the driver that this module understands.
pub(super) trait Failure: std::error::Error + Send + Sync + Sized + 'static {
    fn failure_kind(&self) -> FailureKind;

    /// The error for the caller; `context` says what was being done.
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
        // A conditional statement has several rounds. Any of them may meet too few replicas, also after the decision.
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

/// Rows that are not what the statement promises.
pub(super) fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    PortError::caused(ErrorKind::Corrupt, "a row of the database cannot be understood", error)
}
