//! One workspace: its supervisor, the handle to it, and the commands it executes.
//!
//! **Owns** the children and the routes to the streams; it is not on the path of a sample. **A
//! crash loses** nothing that is not in the log; the node opens the workspace again. The supervisor
//! is simple on purpose: it never waits for I/O, because its death takes the whole subtree along.
//! Recovery runs in tasks that report back as messages.

pub(super) mod actor;
mod children;
pub mod command;
mod handle;
pub mod handlers;

pub use handle::WorkspaceHandle;
