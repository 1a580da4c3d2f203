//! This node among others: it writes heartbeats, watches those of others, and keeps open the
//! workspaces it owns.
//!
//! **Owns** the view of the cluster. **A crash loses** nothing: everything is in the shared table,
//! which is read again. Decisions are made in [`crate::cluster`]; the controller watches, writes,
//! and has the node root open and close. The log of a workspace guards that it has one writer: it
//! refuses all but the last node that opened it.

pub mod controller;
pub mod deletion;
pub mod handle;
pub mod status;
mod step_runner;
