//! Ogg Opus (RFC 3533, RFC 7845) for many listeners of one stream. Expensive work is done once a
//! page, not once a listener.
//!
//! Packets are grouped into [`Page`]s. Their segment table, body and checksum are shared by all
//! listeners. Each listener has a [`ListenerStream`] that writes its own headers: pages count from
//! 0 for every listener, and the granule position starts where the listener joins the stream. The
//! checksum of a page follows from those of header and body, so no body is read again.

mod checksum;
mod listener;
mod page;

pub use listener::ListenerStream;
pub use page::{Page, Pages};

#[cfg(test)]
mod tests;
