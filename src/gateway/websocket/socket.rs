//! A connection after its handshake.
//!
//! tungstenite reads, and answers pings and closes. Frames for many connections are made once and
//! written past its buffers, by this task or by a task of a connection group: both write to the
//! connection's [`Outlet`], which keeps frames whole.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use crate::gateway::http::connection::poll_read;
use crate::gateway::http::outlet::{Gone, Outlet, Piece, Sent};
use crate::live::MessageFrame;

/// Bytes read from the socket at once. Clients send little; a large message makes the buffer grow.
const READ_BUFFER: usize = 1_024;
/// How long the close message may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A message of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
    /// A ping, a pong or part of a message: the client is alive.
    Alive,
}

/// Sizes and times of one kind of connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SocketLimits {
    /// Largest message a client may send, bytes.
    pub(crate) max_message: usize,
    /// A client that takes nothing for this long is disconnected.
    pub(crate) send_timeout: Duration,
}

/// A connection after its handshake.
pub(crate) struct Socket {
    stream: WebSocketStream<Shared>,
    outlet: Arc<Outlet>,
    send_timeout: Duration,
}

impl Socket {
    /// Takes over the connection, with the bytes that were read after the handshake.
    pub(super) async fn new(outlet: Arc<Outlet>, read_already: Bytes, limits: SocketLimits) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(usize::MAX)
            .max_message_size(Some(limits.max_message))
            .max_frame_size(Some(limits.max_message));
        let shared = Shared(outlet.clone());
        // Bytes right after the handshake are copied, because their buffer is too large to keep.
        let stream = match read_already.is_empty() {
            true => WebSocketStream::from_raw_socket(shared, Role::Server, Some(config)).await,
            false => {
                WebSocketStream::from_partially_read(shared, read_already.to_vec(), Role::Server, Some(config)).await
            }
        };
        Self { stream, outlet, send_timeout: limits.send_timeout }
    }

    /// The write side, for other tasks that send whole frames.
    pub(crate) fn outlet(&self) -> Arc<Outlet> {
        self.outlet.clone()
    }

    /// The next message. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the connection has ended, the bytes are no WebSocket message, or the client takes no
    /// answers to its pings.
    pub(crate) async fn receive(&mut self) -> Result<Incoming, Gone> {
        // A client must not make answers pile up by sending pings.
        if self.outlet.try_flush()? == Sent::Waiting {
            // Boxed, because an idle connection must not reserve the memory.
            Box::pin(self.flush()).await?;
        }
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Ok(Incoming::Text(text.as_str().to_owned())),
            Some(Ok(Message::Binary(bytes))) => Ok(Incoming::Binary(bytes)),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Incoming::Alive),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Gone),
        }
    }

    /// Writes these frames. Dropping the future cuts no frame.
    ///
    /// # Errors
    /// When the connection has ended, or the client took nothing for too long.
    pub(crate) async fn send(&mut self, frames: &[Bytes]) -> Result<(), Gone> {
        let pieces: Vec<_> = frames.iter().map(Piece::Shared).collect();
        match self.outlet.send(&pieces)? {
            Sent::All => Ok(()),
            Sent::Waiting => Box::pin(self.flush()).await,
        }
    }

    /// Writes one frame.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(crate) async fn send_one(&mut self, frame: &MessageFrame) -> Result<(), Gone> {
        self.send(&[frame.wire()]).await
    }

    /// Writes what waits for the socket.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(crate) async fn flush(&mut self) -> Result<(), Gone> {
        timeout(self.send_timeout, self.outlet.flush()).await.unwrap_or(Err(Gone))
    }

    /// Checks that the client is alive, and keeps proxies from closing the connection.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(crate) async fn ping(&mut self) -> Result<(), Gone> {
        self.stream.send(Message::Ping(Bytes::new())).await.map_err(|_| Gone)?;
        if self.outlet.try_flush()? == Sent::All { Ok(()) } else { Box::pin(self.flush()).await }
    }

    /// Closes the connection with a reason.
    pub(crate) async fn close(mut self, code: CloseCode, reason: &'static str) {
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let closing = async {
            let _gone = self.stream.send(close).await.is_err();
            self.outlet.flush().await
        };
        let _gone = timeout(CLOSE_TIMEOUT, closing).await.is_err();
    }
}

/// The connection as tungstenite sees it. It writes control frames only, and each of them whole.
struct Shared(Arc<Outlet>);

impl AsyncRead for Shared {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        poll_read(self.0.tcp(), context, buffer)
    }
}

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.as_ref().write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
