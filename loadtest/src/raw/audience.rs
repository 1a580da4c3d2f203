//! Many connections that all get the same bytes.

use std::cell::RefCell;

use tokio::net::TcpStream;

/// Connections, none of which is waited for.
#[derive(Default)]
pub(super) struct Audience(RefCell<Vec<TcpStream>>);

impl Audience {
    pub(super) fn join(&self, stream: TcpStream) {
        self.0.borrow_mut().push(stream);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// One write a connection. Whoever is gone, or cannot take all of it, is dropped.
    pub(super) fn send(&self, bytes: &[u8]) {
        self.0.borrow_mut().retain(|stream| matches!(stream.try_write(bytes), Ok(written) if written == bytes.len()));
    }
}
