//! Ogg Opus (RFC 3533, RFC 7845) for many listeners of one stream: what costs is done once a page, not once a listener.
//!
//! Packets are gathered into [`Page`]s, whose lacing, body and checksum all listeners share. Each listener has a [`Stamp`] that
//! puts its own header in front: pages number from 0 for every listener, and the granule position starts at the listener's
//! place in the stream. The checksum of the whole follows from the two parts, so no body is read again.

mod checksum;
mod listener;
mod page;

pub use listener::Stamp;
pub use page::{Page, Pages};

#[cfg(test)]
mod tests;
