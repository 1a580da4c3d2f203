//! What a failure of the driver means for whoever asked.

use scylla::errors::{
    BadQuery, ConnectionPoolError, DbError, ExecutionError, PrepareError, RequestAttemptError, UseKeyspaceError,
};

use earcon_ports::{ErrorKind, PortError};

/// What is known of a statement that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
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

impl Verdict {
    /// Whether trying again in a moment makes sense. `repeatable`: doing it twice is the same as doing it once.
    pub(super) fn worth_another_try(self, repeatable: bool) -> bool {
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
    fn verdict(&self) -> Verdict;

    /// The error for the caller; `context` says what was being done.
    fn into_port_error(self, context: impl Into<String>) -> PortError {
        PortError::caused(self.verdict().kind(), context, self)
    }
}

impl Failure for ExecutionError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::BadQuery(error) => error.verdict(),
            Self::EmptyPlan | Self::ConnectionPoolError(_) => Verdict::NotDone,
            Self::PrepareError(error) => error.verdict(),
            Self::LastAttemptError(error) => error.verdict(),
            Self::UseKeyspaceError(error) => error.verdict(),
            _ => Verdict::Unknown,
        }
    }
}

impl Failure for RequestAttemptError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::SerializationError(_) | Self::CqlRequestSerialization(_) => Verdict::Invalid,
            Self::UnableToAllocStreamId => Verdict::NotDone,
            Self::CqlResultParseError(_) | Self::UnexpectedResponse(_) | Self::NonfinishedPagingState => {
                Verdict::Corrupt
            }
            Self::DbError(error, _) => of_database(error),
            _ => Verdict::Unknown,
        }
    }
}

fn of_database(error: &DbError) -> Verdict {
    match error {
        DbError::SyntaxError
        | DbError::Invalid
        | DbError::AlreadyExists { .. }
        | DbError::FunctionFailure { .. }
        | DbError::ConfigError
        | DbError::ProtocolError => Verdict::Invalid,
        DbError::AuthenticationError | DbError::Unauthorized => Verdict::Forbidden,
        DbError::IsBootstrapping => Verdict::NotDone,
        // A conditional statement has several rounds. Any of them may meet too few replicas, also after the decision.
        _ => Verdict::Unknown,
    }
}

impl Failure for PrepareError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::AllAttemptsFailed { first_attempt } => match first_attempt.verdict() {
                Verdict::Unknown => Verdict::NotDone,
                verdict => verdict,
            },
            _ => Verdict::NotDone,
        }
    }
}

impl Failure for UseKeyspaceError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::BadKeyspaceName(_) => Verdict::Invalid,
            Self::RequestError(error) => error.verdict(),
            _ => Verdict::NotDone,
        }
    }
}

impl Failure for BadQuery {
    fn verdict(&self) -> Verdict {
        Verdict::Invalid
    }
}

impl Failure for ConnectionPoolError {
    fn verdict(&self) -> Verdict {
        Verdict::NotDone
    }
}

/// Rows that are not what the statement promises.
pub(super) fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    PortError::caused(ErrorKind::Corrupt, "a row of the database cannot be understood", error)
}
