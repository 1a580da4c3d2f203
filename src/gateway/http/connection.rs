//! A TCP connection that hyper serves until a handler takes it over.
//!
//! hyper gives a connection away only as the answer to an upgrade. An endless answer to many
//! clients needs the socket as well: its handler takes the connection, writes the head itself, and
//! writes the same bytes to all clients without a task, a body and buffers for each. From then on
//! hyper reads the end of the connection, and what it writes goes nowhere.

use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::extract::connect_info::Connected;
use axum::http::HeaderMap;
use axum::serve::{IncomingStream, Listener};
use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::outlet::Outlet;

/// Accepts connections.
pub struct Connections(TcpListener);

impl Connections {
    /// Accepts connections of this listener.
    pub fn new(listener: TcpListener) -> Self {
        Self(listener)
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (tcp, address) = Listener::accept(&mut self.0).await;
        // Frames are flushed when they are complete; waiting for more would only add latency.
        let _refused = tcp.set_nodelay(true).is_err();
        (Connection { shared: Arc::new(Shared::new(tcp)) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The connection as hyper sees it.
pub struct Connection {
    shared: Arc<Shared>,
}

struct Shared {
    outlet: Arc<Outlet>,
    /// A handler has taken the connection.
    taken: AtomicBool,
    /// hyper has bytes that the socket did not take.
    blocked: AtomicBool,
}

impl Shared {
    fn new(tcp: TcpStream) -> Self {
        Self { outlet: Arc::new(Outlet::new(tcp)), taken: AtomicBool::new(false), blocked: AtomicBool::new(false) }
    }

    fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Acquire)
    }
}

/// The client of a request: its address, and its connection.
#[derive(Clone)]
pub struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Connected<IncomingStream<'_, Connections>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        Self { address: *stream.remote_addr(), shared: stream.io().shared.clone() }
    }
}

impl Peer {
    /// The address of the client.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes the connection from hyper. `None` if hyper still has to write earlier answers, because
    /// the client sent several requests and reads nothing.
    pub(crate) fn take(&self) -> Option<Arc<Outlet>> {
        if self.shared.blocked.load(Ordering::Acquire) || self.shared.taken.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(self.shared.outlet.clone())
    }
}

/// The head of an answer that ends with its connection (RFC 9112 §6.3).
pub(crate) fn endless_head(headers: &HeaderMap, now_ms: i64) -> Bytes {
    let mut head = BytesMut::with_capacity(512);
    head.put_slice(b"HTTP/1.1 200 OK\r\nconnection: close\r\n");
    let date = Timestamp::from_millisecond(now_ms).ok();
    if let Some(date) = date.and_then(|now| DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok()) {
        head.put_slice(b"date: ");
        head.put_slice(date.as_bytes());
        head.put_slice(b"\r\n");
    }
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.put_slice(part);
        }
    }
    head.put_slice(b"\r\n");
    head.freeze()
}

impl Connection {
    /// The write side, after an upgrade.
    pub(crate) fn into_outlet(self) -> Arc<Outlet> {
        self.shared.outlet.clone()
    }

    fn write_with(
        &self,
        context: &mut Context<'_>,
        length: usize,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.shared.is_taken() {
            return Poll::Ready(Ok(length));
        }
        let tcp = self.shared.outlet.tcp();
        loop {
            match write(tcp) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.shared.blocked.store(true, Ordering::Release);
                    ready!(tcp.poll_write_ready(context))?;
                }
                written => {
                    self.shared.blocked.store(false, Ordering::Release);
                    return Poll::Ready(written);
                }
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.shared.is_taken() {
            return Poll::Ready(Ok(()));
        }
        poll_read(self.shared.outlet.tcp(), context, buffer)
    }
}

/// Reads from a connection that is shared.
pub(crate) fn poll_read(tcp: &TcpStream, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    loop {
        ready!(tcp.poll_read_ready(context))?;
        match tcp.try_read_buf(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return Poll::Ready(read.map(|_| ())),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write_with(context, bytes.len(), |tcp| tcp.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        self.write_with(context, length, |tcp| tcp.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// hyper drops the connection next, which closes it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
