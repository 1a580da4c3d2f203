//! The root: owns the workspaces of this node.
//!
//! **Owns** the table of workspaces and their restarts. **A crash loses** the process: it is the
//! root. Opening a workspace reads its log and snapshots in a task; the root itself never waits for
//! I/O.

pub mod actor;
mod deletion;
mod handle;

pub use handle::{Node, OpenError};
