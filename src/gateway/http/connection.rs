//! A connection that hyper serves until a handler takes it over.
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

use axum::http::{HeaderMap, HeaderValue};
use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::activity::{Activity, Phase, Times};
use super::line::Line;
use super::outlet::Outlet;
use super::room::Seat;
use super::unread::replacement;
use crate::telemetry::{Metric, count};

/// The connection as hyper sees it.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    /// Runs while the client takes nothing.
    stuck: Option<Pin<Box<Sleep>>>,
}

struct Shared {
    outlet: Arc<Outlet>,
    activity: Activity,
    times: Times,
    /// A handler has taken the connection.
    taken: AtomicBool,
    /// hyper has bytes that the socket did not take.
    blocked: AtomicBool,
    /// The first line of the head that arrives is there.
    has_line: AtomicBool,
}

impl Shared {
    fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Acquire)
    }
}

/// The client of a request: its address, and its connection.
#[derive(Clone)]
pub(crate) struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Peer {
    /// The address of the client.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A number for the connection that no other one has meanwhile. Never 0.
    pub(crate) fn sender(&self) -> u64 {
        Arc::as_ptr(&self.shared).addr() as u64
    }

    /// What the connection is doing.
    pub(crate) fn activity(&self) -> &Activity {
        &self.shared.activity
    }

    /// How long the client may take.
    pub(crate) fn times(&self) -> &Times {
        &self.shared.times
    }

    /// What answers say about later connections. `None` without TLS.
    pub(crate) fn hsts(&self) -> Option<&HeaderValue> {
        self.shared.outlet.line().hsts()
    }

    /// Writes a last answer past hyper, if no other one has begun. It is not waited for.
    pub(crate) fn dismiss(&self, answer: &[u8]) {
        if let Some(outlet) = self.take() {
            let _gone = outlet.line().try_write(&[IoSlice::new(answer)]).is_err();
        }
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
    /// A connection that began then, and the client that requests of it come from.
    pub(crate) fn new(line: Line, address: SocketAddr, seat: Seat, began: Instant, times: Times) -> (Self, Peer) {
        let shared = Arc::new(Shared {
            outlet: Arc::new(Outlet::seated(line, seat)),
            activity: Activity::new(began),
            times,
            taken: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            has_line: AtomicBool::new(false),
        });
        (Self { shared: shared.clone(), stuck: None }, Peer { address, shared })
    }

    /// The write side, after an upgrade.
    pub(crate) fn into_outlet(self) -> Arc<Outlet> {
        self.shared.outlet.clone()
    }

    /// How long the client may take.
    pub(crate) fn times(&self) -> Times {
        self.shared.times
    }

    fn write(&mut self, context: &mut Context<'_>, length: usize, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.drive(context, length, |line| line.try_write(slices))
    }

    /// Writes, and waits until the socket takes something. Of a connection that a handler has
    /// taken, it does nothing and says `done`.
    fn drive<T>(
        &mut self,
        context: &mut Context<'_>,
        done: T,
        write: impl Fn(&Line) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        if self.shared.is_taken() {
            return Poll::Ready(Ok(done));
        }
        loop {
            match write(self.shared.outlet.line()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.shared.blocked.store(true, Ordering::Release);
                    if self.shared.outlet.line().tcp().poll_write_ready(context)?.is_pending() {
                        ready!(self.poll_stuck(context));
                        return Poll::Ready(Err(ErrorKind::TimedOut.into()));
                    }
                }
                written => {
                    self.shared.blocked.store(false, Ordering::Release);
                    self.stuck = None;
                    return Poll::Ready(written);
                }
            }
        }
    }

    /// Writes another answer in place of one that hyper writes by itself, which ends the
    /// connection. Returns whether these bytes were such an answer.
    fn replace_answer(&self, bytes: &[u8]) -> bool {
        if self.shared.activity.phase() != Phase::Head || self.shared.is_taken() {
            return false;
        }
        let has_line = self.shared.has_line.load(Ordering::Acquire);
        let hsts = self.shared.outlet.line().hsts();
        let Some(answer) = replacement(bytes, has_line, hsts) else { return false };
        if self.shared.taken.swap(true, Ordering::AcqRel) {
            return false;
        }
        // It is small, so that a socket takes it at once or not at all.
        let _gone = self.shared.outlet.line().try_write(&[IoSlice::new(answer.as_bytes())]).is_err();
        true
    }

    /// Ready when the client has taken nothing for too long.
    fn poll_stuck(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let most = self.shared.times.write;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(most)));
        ready!(stuck.as_mut().poll(context));
        count(Metric::ConnectionsTimedOut, 1);
        Poll::Ready(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.shared.is_taken() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = ready!(self.shared.outlet.line().poll_read(context, buffer));
        let arrived = &buffer.filled()[before..];
        if !arrived.is_empty() {
            if self.shared.activity.advance(Phase::Idle, Phase::Head, Instant::now()) {
                self.shared.has_line.store(false, Ordering::Release);
            }
            if arrived.contains(&b'\n') {
                self.shared.has_line.store(true, Ordering::Release);
            }
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.replace_answer(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.write(context, bytes.len(), &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if slices.first().is_some_and(|first| self.replace_answer(first)) {
            return Poll::Ready(Ok(length));
        }
        self.write(context, length, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.drive(context, (), Line::try_flush)
    }

    /// hyper drops the connection next, which closes it.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
