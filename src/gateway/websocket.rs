//! WebSockets: the handshake, messages in, frames out.

mod frames;
mod socket;
mod upgrade;

pub(crate) use frames::Frames;
pub(crate) use socket::{Gone, Incoming, Socket, SocketLimits};
pub(crate) use upgrade::Upgrade;
