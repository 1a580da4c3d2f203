//! Each actor owns part of the state. Its file begins with the state it owns, the loss in a crash,
//! and the state it restarts from.
//!
//! ```text
//! node root
//!  └─ workspace supervisor ── publishes routes, restarts streams
//!      ├─ stream host × H   runs KPI streams, which score
//!      ├─ log writer        assigns seq, commits groups, then acknowledges
//!      ├─ hub               live broadcast and the state after the newest event
//!      ├─ snapshotter       scoring state to the snapshot store
//!      ├─ cursor consumers  history to the series store, events to the publisher
//!      ├─ incidents         groups anomalies, decides which incidents alert
//!      ├─ retention         keeps log and history within their limits
//!      ├─ experiments       the running experiment, jobs that train detectors
//!      └─ mix               owns a render thread while there are listeners
//! ```
//! Streams are restarted one by one. If one of the others fails, the workspace supervisor fails
//! with it and the node opens the workspace again from the log, because the sequence and the live
//! view must never disagree with it.
//!
//! An actor is two files: `handle.rs` has its messages and the handle that others use, `actor.rs`
//! its behaviour, which only its supervisor imports. [`context`], [`admission`], [`routes`] and
//! [`ask`] lie below all actors. So the imports among these files have no circle, which a test
//! checks.

pub mod admission;
pub mod ask;
pub mod cluster;
pub mod consumer;
pub mod context;
pub mod directory;
pub mod experiments;
pub mod hub;
pub mod incidents;
pub mod ingest;
pub mod log_health;
pub mod log_writer;
pub mod mix;
pub mod node;
pub mod recovery;
pub mod refusals;
pub mod remote;
pub mod retention;
pub mod routes;
pub mod series_budget;
pub mod snapshot_turns;
pub mod snapshotter;
pub mod stream;
pub mod supervision;
pub mod workspace;
