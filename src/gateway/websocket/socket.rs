//! A connection after its handshake.
//!
//! tungstenite reads, and answers pings and closes. Frames for many connections are made once and
//! written past its buffers: an idle connection holds a few kilobytes, and a delivery is one write.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::frames::Frames;
use crate::live::MessageFrame;

/// Bytes read from the socket at once. Clients send little; a large message makes the buffer grow.
const READ_BUFFER: usize = 1_024;
/// How long the close message may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The client closed the connection, or takes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

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
    stream: WebSocketStream<TcpStream>,
    send_timeout: Duration,
}

impl Socket {
    /// Takes over the TCP connection, with the bytes that were read after the handshake.
    pub(super) async fn new(tcp: TcpStream, read_already: Bytes, limits: SocketLimits) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(usize::MAX)
            .max_message_size(Some(limits.max_message))
            .max_frame_size(Some(limits.max_message));
        // Bytes right after the handshake are copied, because their buffer is too large to keep.
        let stream = match read_already.is_empty() {
            true => WebSocketStream::from_raw_socket(tcp, Role::Server, Some(config)).await,
            false => WebSocketStream::from_partially_read(tcp, read_already.to_vec(), Role::Server, Some(config)).await,
        };
        Self { stream, send_timeout: limits.send_timeout }
    }

    /// The next message. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the connection has ended, or the bytes are no WebSocket message.
    pub(crate) async fn receive(&mut self) -> Result<Incoming, Gone> {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Ok(Incoming::Text(text.as_str().to_owned())),
            Some(Ok(Message::Binary(bytes))) => Ok(Incoming::Binary(bytes)),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Incoming::Alive),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Gone),
        }
    }

    /// Writes all frames. If the future is dropped before its end, the connection must be closed.
    ///
    /// # Errors
    /// When the connection has ended, or the client took nothing for too long.
    pub(crate) async fn send(&mut self, frames: &mut Frames) -> Result<(), Gone> {
        let sending = async {
            // A pong may wait in tungstenite's buffer; it must not be cut in two.
            SinkExt::flush(&mut self.stream).await.map_err(|_| Gone)?;
            self.stream.get_mut().write_all_buf(frames).await.map_err(|_| Gone)
        };
        timeout(self.send_timeout, sending).await.unwrap_or(Err(Gone))
    }

    /// Writes one frame.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(crate) async fn send_one(&mut self, frame: &MessageFrame) -> Result<(), Gone> {
        self.send(&mut Frames::from_frame(frame.wire())).await
    }

    /// Checks that the client is alive, and keeps proxies from closing the connection.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(crate) async fn ping(&mut self) -> Result<(), Gone> {
        let sending = self.stream.send(Message::Ping(Bytes::new()));
        timeout(self.send_timeout, sending).await.map_or(Err(Gone), |sent| sent.map_err(|_| Gone))
    }

    /// Closes the connection with a reason.
    pub(crate) async fn close(mut self, code: CloseCode, reason: &'static str) {
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let _gone = timeout(CLOSE_TIMEOUT, self.stream.send(close)).await.is_err();
    }
}
