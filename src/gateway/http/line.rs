//! The bytes of a connection: a TCP socket, or TLS over one.
//!
//! Both are written without waiting, by several tasks, and read by one. A socket without TLS is
//! used directly.

use std::io::{self, ErrorKind, IoSlice};
use std::task::{Context, Poll, ready};

use axum::http::HeaderValue;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use super::encrypted::Encrypted;

/// A connection's bytes.
#[derive(Debug)]
pub(crate) enum Line {
    /// As they are.
    Plain(TcpStream),
    /// Encrypted.
    Encrypted(Box<Encrypted>),
}

impl Line {
    /// The socket below. Bytes of it are read and written only when nothing else is any more.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Encrypted(line) => line.tcp(),
        }
    }

    /// What answers say about later connections (RFC 6797). `None` without TLS.
    pub(crate) fn hsts(&self) -> Option<&HeaderValue> {
        match self {
            Self::Plain(_) => None,
            Self::Encrypted(line) => line.hsts(),
        }
    }

    /// Writes as much as is taken at once, and returns how much. Of TLS, bytes that were taken may
    /// wait inside; [`try_flush`](Self::try_flush) writes them.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is taken now. Others when the connection has ended.
    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self, slices) {
            (Self::Plain(tcp), [one]) => tcp.try_write(one),
            (Self::Plain(tcp), several) => tcp.try_write_vectored(several),
            (Self::Encrypted(line), slices) => line.try_write(slices),
        }
    }

    /// Writes the bytes that wait inside.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write).
    pub(crate) fn try_flush(&self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Encrypted(line) => line.try_flush(),
        }
    }

    /// Whether bytes wait inside.
    pub(crate) fn is_waiting(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Encrypted(line) => line.is_waiting(),
        }
    }

    /// Reads the bytes that have arrived. None at the end.
    pub(crate) fn poll_read(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let read = match self {
                Self::Plain(tcp) => {
                    ready!(tcp.poll_read_ready(context))?;
                    tcp.try_read_buf(buffer).map(|_| ())
                }
                Self::Encrypted(line) => line.try_read(buffer),
            };
            match read {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.tcp().poll_read_ready(context))?,
                read => return Poll::Ready(read),
            }
        }
    }
}
