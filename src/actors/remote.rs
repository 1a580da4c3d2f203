//! Workspaces that another node owns, as this node serves them.
//!
//! Reading works without the owner: a *mirror* follows the workspace's log and keeps the live view, history comes from the
//! shared store. Writing is asked of the owner, and of the next one when that is gone. Sound comes as packets from the owner's
//! mix.
//!
//! ```text
//! gateway ─► RemoteWorkspace ─┬─ mirror ◄── log (follow)
//!                             ├─ errands ──► courier ──► answering (on the owner) ─► WorkspaceHandle
//!                             └─ sound  ◄── courier ◄── answering ◄─ mix
//! ```

pub mod answering;
pub mod errands;
pub mod mirror;
pub mod sound;
pub mod wire;
