//! Earcon scores KPIs for anomalies as soon as samples arrive, shows them, plays them as sound and
//! forwards them.
//!
//! # Import rules
//! The crates below this one (`model`, `ports`, `streams`, `intake`, `audio`, the adapters) cannot
//! import it. Inside it, from the bottom to the top:
//!
//! - Pure modules (`incidents`, `live`, `cluster`, `experiments`, `mutes`, `explain`) import the
//!   model and not one another. `evaluation` is pure too and imports `earcon_streams`. Pure modules
//!   contain no tokio, ractor, axum, clock or random source.
//! - `actors` use pure modules and ports.
//! - `services` use pure modules, ports and actor handles.
//! - `gateway` and `sources` use services, actor handles, pure modules and read-only ports.
//! - Only `app` names adapters.
//!
//! `tests/it/architecture.rs` checks these rules.

pub mod actors;
pub mod app;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod evaluation;
pub mod experiments;
pub mod explain;
pub mod gateway;
pub mod incidents;
pub mod live;
pub mod mutes;
pub mod services;
pub mod sources;
pub mod telemetry;
