//! Earcon scores KPIs for anomalies the moment they arrive and lets people see them, hear them and wire them onward.
//!
//! # Who may import whom
//! `model` imports nothing. Pure modules (`streams`, `incidents`, `audio`, `live`, `tenancy`, `cluster`, `intake`, `experiments`, `mutes`,
//! `explain`) import `model` and never one
//! another; `evaluation`, as pure, imports `streams` too.
//! `ports` imports `model` and `tenancy`; `adapters` implement `ports` and
//! take their part of `config`. `actors` use pure modules and ports.
//! `services` use pure modules, ports and actor handles; `gateway` and `sources` use services, actor handles, pure
//! modules and read-only ports. Only `app` names adapters.
//! Pure modules hold no tokio, ractor, axum, clock or random source. `tests/it/architecture.rs` keeps it so.

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
