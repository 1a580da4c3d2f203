//! The service of accounts: organisations, users, their rights, and how they prove who they are.
//!
//! All accounts are in memory, see [`AccountsView`]. A change is planned on the view, committed by
//! compare-and-set of one record that all nodes share, and then written to the records it concerns,
//! see [`ledger`]. Each change has a version and at most one audit record in each organisation.
//!
//! Every method that changes something checks the rights of its caller itself. A place that the
//! caller must not know of answers [`AccountsError::NotFound`].

mod accounts;
mod audit_trail;
mod caller;
mod credentials;
mod error;
mod external;
mod first_start;
mod hashing;
mod invitations;
mod keys;
mod known;
pub mod ledger;
mod members;
mod organisations;
mod proofs;
mod random;
mod service_accounts;
mod sessions;
mod settings;
mod sign_in;
mod upkeep;

pub use accounts::Accounts;
pub use audit_trail::AuditTrail;
pub use caller::{By, Caller};
pub use credentials::NewTotp;
pub use error::{AccountsError, SignInRefused};
pub use external::ExternalUser;
pub use invitations::NewInvitation;
pub use keys::NewKey;
pub use proofs::{Proof, UnknownProof};
pub use random::{Random, SystemRandom};
pub use sessions::Renewed;
pub use settings::AccountsSettings;
pub use sign_in::{NewUser, SignedIn};

pub use earcon_identity::AccountsView;
#[cfg(test)]
mod tests;
