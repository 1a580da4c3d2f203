//! Decides who may access which workspace. Pure: does no I/O.

mod pass;

pub use pass::{Authorizer, Denied, Principal, WorkspacePass};
