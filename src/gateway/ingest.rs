//! The ways samples come in, one file a protocol.

pub(crate) mod http;
pub(crate) mod influx;
pub(crate) mod nats;
pub(crate) mod otlp;
pub(crate) mod remote_write;
pub(crate) mod rules;
pub mod statsd;
mod target;
pub(crate) mod upload;
pub(crate) mod websocket;
