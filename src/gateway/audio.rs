//! The two ways out for sound: endless Ogg Opus over HTTP, and raw packets over a WebSocket.

pub(super) mod nats;
pub(crate) mod ogg;
pub(crate) mod packets;
mod transmitter;

pub use transmitter::Transmitters;
