//! Who may touch which workspace. Pure: decides, does no I/O.

mod pass;

pub use pass::{Authorizer, Denied, Principal, WorkspacePass};
