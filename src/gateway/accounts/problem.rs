//! The errors of the service as problems.

use serde_json::json;

use crate::gateway::http::problem::{Kind, Problem};
use earcon_accounts::{AccountsError, SignInRefused};

impl From<AccountsError> for Problem {
    fn from(error: AccountsError) -> Self {
        use AccountsError::*;
        let kind = match &error {
            NotFound(_) => Kind::NotFound,
            Forbidden(_) | NotAUser | RoleTooHigh | Invitation(_) | OwnerLink(_) => Kind::Forbidden,
            Exists(_) | State(_) | Membership(_) | Limit(_) => Kind::NotNow,
            Malformed(_) | SignIn(_) | Key(_) | Session(_) | Token(_) | Ticket(_) => Kind::Unauthorised,
            TooManyAttempts(_) => Kind::Overloaded,
            Busy => Kind::Unavailable,
            Totp(_) | Password(_) | Scope(_) | Mapping(_) | Name(_) | Identity(_) => Kind::BadRequest,
            Hash(_) => Kind::Internal,
            Store(_) => Kind::Unavailable,
        };
        match error {
            Store(error) => error.into(),
            SignIn(SignInRefused::CodeNeeded) => {
                Problem::new(kind, error.to_string()).with("code_required", json!(true))
            }
            TooManyAttempts(wait) => {
                let seconds = u64::try_from(wait.retry_after_ms).unwrap_or_default().div_ceil(1_000);
                Problem::new(kind, format!("too many attempts; try again in {seconds} s")).after(seconds)
            }
            error => Problem::new(kind, error.to_string()),
        }
    }
}
