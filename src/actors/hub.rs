//! Live broadcast of committed events, and the state of the workspace after the newest one.
//!
//! **Owns** the [`LiveView`](crate::live::LiveView) and the broadcast. **A crash loses** the live
//! connection of followers, who resume by `seq` from the log; it restarts together with the
//! workspace. An event is encoded at most once in each form, by the first follower that needs it,
//! and shared by reference. Without followers nothing is encoded.

pub(in crate::actors) mod actor;
mod batch;
mod handle;
mod recent;

pub use batch::EventBatch;
pub use handle::{Hub, Subscription};
pub use recent::{Closed, Identity, Live};
