//! The errors of the service. The gateway renders them.

use earcon_identity::Permission;
use earcon_identity::api_key::{KeyRefused, ScopeError};
use earcon_identity::credential::Malformed;
use earcon_identity::invitation::InvitationRefused;
use earcon_identity::mapping::MappingError;
use earcon_identity::membership::MembershipError;
use earcon_identity::name::NameError;
use earcon_identity::owner_link::OwnerLinkRefused;
use earcon_identity::password::{HashError, PasswordError};
use earcon_identity::session::SessionRefused;
use earcon_identity::throttle::TooManyAttempts;
use earcon_identity::token::{TicketRefused, TokenRefused};
use earcon_identity::totp::TotpRefused;
use earcon_identity::user::IdentityError;
use earcon_identity::view::LimitReached;
use earcon_ports::PortError;

/// Why a sign-in fails. Says nothing about whether the user exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignInRefused {
    /// Name or password are wrong, or the user may not sign in.
    #[error("the name or the password is wrong")]
    Wrong,
    /// The password is right, and a code of the second factor is needed.
    #[error("a code of the authenticator app is needed")]
    CodeNeeded,
    /// The code is wrong or was used.
    #[error("{0}")]
    Code(TotpRefused),
}

/// Why the service does not do something.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// There is no such thing, or the caller must not know of it. 404.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The caller may not do this. 403.
    #[error("this needs the permission {0}")]
    Forbidden(Permission),
    /// The caller has no user of its own, for example a key. 403.
    #[error("this is for people who have signed in")]
    NotAUser,
    /// The role is above that of the caller. 403.
    #[error("nobody gives or takes a role above their own")]
    RoleTooHigh,
    /// Something of this name exists. 409.
    #[error("the {0} exists already")]
    Exists(&'static str),
    /// The state does not permit it. 409.
    #[error("{0}")]
    State(&'static str),
    /// The text of a credential is not one. 401.
    #[error("the credential is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The sign-in failed. 401.
    #[error(transparent)]
    SignIn(#[from] SignInRefused),
    /// The key proves nothing. 401.
    #[error(transparent)]
    Key(#[from] KeyRefused),
    /// The session proves nothing. 401.
    #[error(transparent)]
    Session(#[from] SessionRefused),
    /// The token proves nothing. 401.
    #[error(transparent)]
    Token(#[from] TokenRefused),
    /// The ticket is refused. 401.
    #[error(transparent)]
    Ticket(#[from] TicketRefused),
    /// The invitation is refused. 403.
    #[error(transparent)]
    Invitation(#[from] InvitationRefused),
    /// The owner link is refused. 403.
    #[error(transparent)]
    OwnerLink(#[from] OwnerLinkRefused),
    /// Too many attempts. 429.
    #[error(transparent)]
    TooManyAttempts(#[from] TooManyAttempts),
    /// Too many passwords are hashed at once. 503.
    #[error("too many people sign in at once; try again shortly")]
    Busy,
    /// The second factor is refused. 422.
    #[error(transparent)]
    Totp(#[from] TotpRefused),
    /// The password is not accepted. 422.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A grant or a change of members is refused. 409 or 422.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The rights of a key are refused. 422.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// Rules for groups are refused. 422.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// A name is refused. 422.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A sign-in name or an identity of an issuer is refused. 422.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// There is no room for more. 409.
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// A password cannot be hashed or compared. 500.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store fails. 503.
    #[error(transparent)]
    Store(#[from] PortError),
}
