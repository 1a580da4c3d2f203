//! Workspaces that another node owns, as this node serves them.
//!
//! Reading works without the owner: a *mirror* follows the workspace's log and keeps the live view,
//! and history comes from the shared store. Commands go to the owner, and to the next owner if that
//! one is gone. Audio comes as packets from the owner's mix.
//!
//! ```text
//! gateway ─► Workspace::Remote ─┬─ mirror ◄── log (follow)
//!                               ├─ client ──► transport ──► server on the owner ─► execute
//!                               └─ audio/subscriber ◄── transport ◄── audio/publisher ◄─ mix
//! ```

pub(in crate::actors) mod ask;
pub mod audio;
pub mod client;
pub(in crate::actors) mod executed;
pub mod mirror;
mod pieces;
pub(in crate::actors) mod request;
pub mod seen;
pub mod server;
mod taken;
pub mod wire;
