//! One KPI: scores its samples and sends the resulting events to the log.
//!
//! **Owns** the scoring state of every series of the KPI. **A crash loses** the batch being scored;
//! its receipt says so. **Restarts from** the last snapshot and the events after it. All decisions
//! are in [`KpiState`](earcon_streams::KpiState); the actor gives them order, time and a mailbox.
//! It waits for no I/O.

pub(super) mod actor;
mod handle;
mod shadowing;

pub use handle::{StreamHandle, Training};
