//! The two ways out for sound: endless Ogg Opus over HTTP, and raw packets over a WebSocket.

pub(super) mod ogg;
pub(super) mod packets;
mod transmitter;

pub use transmitter::Transmitters;
