//! Decides who may access which workspace and organisation. Does no I/O.

mod accounts;
mod accounts_pass;
mod authorizer;
mod creation;
mod pass;
mod principal;

pub use accounts::KnownAccounts;
pub use accounts_pass::AccountsPass;
pub use authorizer::Authorizer;
pub use creation::{Creators, MayNotCreate};
pub use pass::{OrganisationPass, WorkspacePass};
pub use principal::{Account, Caller, Denied, Principal, Shown};
