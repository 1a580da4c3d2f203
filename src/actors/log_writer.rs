//! The only writer of a workspace's log.
//!
//! **Owns** the next sequence number and the batches that wait for a commit. While one group is
//! being written, everything that arrives waits and becomes the next group, so that many small
//! batches share one fsync. **A crash loses** batches that were not committed; their senders have
//! no receipt for them. **Restarts from** the log's head, together with the whole workspace:
//! streams have already moved past a failed append and must be read again.

pub(super) mod actor;
mod handle;

pub use handle::{Append, LogWriter, OnCommit};
