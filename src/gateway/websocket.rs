//! WebSockets: the handshake, messages in, frames out.

mod socket;
mod upgrade;

pub(crate) use socket::{Incoming, Socket, SocketLimits};
pub(crate) use upgrade::Upgrade;
