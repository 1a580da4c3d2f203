//! Decides who may access which workspace. Pure: does no I/O.

mod accounts_pass;
mod creation;
mod pass;

pub use accounts_pass::AccountsPass;
pub use creation::{Creators, MayNotCreate};
pub use pass::{Authorizer, Denied, Principal, WorkspacePass};
