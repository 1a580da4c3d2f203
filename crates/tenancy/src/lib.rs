//! Decides who may access which workspace. Pure: does no I/O.

mod creation;
mod pass;

pub use creation::{Creators, MayNotCreate};
pub use pass::{Authorizer, Denied, Principal, WorkspacePass};
