//! HTTP, WebSocket, NATS and StatsD. Parses, authorises, asks actors and stores, and writes
//! answers. It scores and encodes nothing.
//!
//! # Wings
//! A wing imports only from the floors below its own:
//!
//! | floor | modules |
//! | --- | --- |
//! | composition | `assembly`, `router`, `listeners` |
//! | wings | `api`, `accounts`, `ingest`, `events`, `audio`, `dashboard` |
//! | transports | `websocket`, `connection_group`, `nats`, `openapi` |
//! | ground | `http` |
//!
//! One import runs sideways: `api::mixes` shows voices in the form of `audio::voice`.
//! `tests/it/architecture/gateway.rs` checks both, and that no files import each other in a circle.
//!
//! # Authorisation
//! `http::access` checks every request to a route against one table, which a test compares with the
//! router. A route gets the pass to a workspace from `http::auth::Authorized` only.

mod accounts;
mod api;
mod assembly;
mod audio;
mod connection_group;
mod dashboard;
mod events;
mod http;
mod ingest;
mod listeners;
mod nats;
mod openapi;
mod router;
mod websocket;

pub use assembly::{Gateway, Limits, Parts};
pub use http::activity::Times;
pub use http::certificates::{Certificates, TlsSettings};
pub use http::hosts::Hosts;
pub use http::room::Room;
pub use ingest::statsd::{StatsdGateway, StatsdSettings};
pub use listeners::{NatsGateway, NatsServices, start_statsd};
pub use router::router;
