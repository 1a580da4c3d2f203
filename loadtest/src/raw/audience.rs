//! Connections that all receive the same bytes.

use std::cell::RefCell;

use tokio::net::TcpStream;

/// Connections. None of them is waited for.
#[derive(Default)]
pub(super) struct Audience(RefCell<Vec<TcpStream>>);

impl Audience {
    pub(super) fn join(&self, stream: TcpStream) {
        self.0.borrow_mut().push(stream);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Makes one write per connection. Drops connections that are closed or cannot accept all
    /// bytes.
    pub(super) fn send(&self, bytes: &[u8]) {
        self.0.borrow_mut().retain(|stream| matches!(stream.try_write(bytes), Ok(written) if written == bytes.len()));
    }
}
