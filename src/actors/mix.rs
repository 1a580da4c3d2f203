//! One audible rendering of a workspace: rendered and encoded once for all listeners.
//!
//! **Owns** the settings, the count of listeners and, while there are any, a render thread. **A
//! crash loses** the connection of the listeners; it restarts together with the workspace, with the
//! settings last saved.

pub(super) mod actor;
mod handle;
mod listening;
mod pacing;
mod render_thread;

pub use handle::{DEFAULT_MIX, Mix, MixChange, MixView};
pub use listening::{Listening, Packet, Sound};
