//! The KPIs of a workspace: they score their samples and send the resulting events to the log.
//!
//! A *stream* is one KPI. A few *hosts* run all streams of a workspace, so that samples of many
//! KPIs take one message, and a KPI takes little more memory than its series. A stream is the unit
//! of supervision all the same: its panic is caught, ends it alone, and is reported.
//!
//! **Owns** the scoring state of every series. **A crash of a stream loses** the batch being
//! scored; its receipt says so. **Restarts from** the last snapshot and the events after it. All
//! decisions are in [`KpiState`](earcon_streams::KpiState); a stream gives them order and time. It
//! waits for no I/O.

pub(super) mod actor;
mod handle;
mod kpi_stream;
mod panics;
mod shadowing;
mod timers;

pub(in crate::actors) use handle::StreamEnd;
pub use handle::{Erased, StreamBatches, StreamHandle, StreamId, Training};
