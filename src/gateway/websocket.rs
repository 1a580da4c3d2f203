//! WebSockets: the handshake, messages in, frames out, and the end of a connection.

mod ending;
mod progress;
mod pulse;
mod socket;
mod upgrade;

pub(crate) use ending::Ended;
pub(crate) use socket::{Incoming, Socket};
pub(crate) use upgrade::{Upgrade, is_asked_for};
