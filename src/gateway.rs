//! HTTP, WebSocket and NATS. Parses, authorises, asks actors and stores, and writes answers; it scores and encodes nothing.
//!
//! [`router`] composes the routes of the wings. What a route needs of a workspace comes through `http::auth::Authorized`, which is
//! the only way to a pass, so a route cannot forget the check.

mod api;
mod audio;
mod dashboard;
mod events;
mod http;
mod ingest;
pub mod nats;
mod openapi;
mod router;
mod websocket;

pub use audio::Transmitters;
pub use http::state::{Gateway, Limits, Parts};
pub use ingest::statsd;
pub use ingest::upload::Imports;
pub use router::router;
