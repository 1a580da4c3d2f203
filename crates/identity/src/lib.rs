//! Identity: organisations, users and their roles, API keys, sessions, tokens, and the chain of the
//! audit log.
//!
//! Nothing here does I/O, reads a clock or draws random numbers: times and random bytes are
//! arguments. Times are milliseconds since 1970, UTC. Secrets are kept only as hashes; the text of
//! a secret exists once, in the answer of the request that made it.
#![forbid(unsafe_code)]

pub mod api_key;
pub mod audit;
mod base32;
pub mod credential;
pub mod id;
pub mod invitation;
pub mod mapping;
pub mod membership;
pub mod name;
pub mod organisation;
pub mod owner_link;
pub mod password;
pub mod record;
pub mod recovery;
pub mod role;
pub mod service_account;
pub mod session;
pub mod throttle;
pub mod token;
pub mod totp;
pub mod user;
pub mod view;

pub use api_key::{ApiKey, KeyOwner, Scope};
pub use credential::{Credential, HashedSecret, Malformed, Secret};
pub use id::{InvitationId, KeyId, OwnerLinkId, ServiceAccountId, SessionId, UserId};
pub use membership::{Grant, Membership, Reach};
pub use organisation::Organisation;
pub use role::{Permission, Permissions, Role};
pub use session::Session;
pub use user::User;
pub use view::{Access, AccountsView, Principal};
