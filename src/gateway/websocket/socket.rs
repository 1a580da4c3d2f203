//! A connection after its handshake.
//!
//! tungstenite reads, and answers pings. Its answers to closes are never written: answers that are
//! due go first. Frames for many connections are made once and
//! written past its buffers, by this task or by a task of a connection group: both write to the
//! connection's [`Outlet`], which keeps frames whole.

use std::future::{poll_fn, ready as immediately};
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::ending::{Ended, close_frame};
use super::progress::{Position, Progress};
use super::pulse::{Beat, Pulse};
use crate::gateway::http::activity::{Pace, Times};
use crate::gateway::http::outlet::{Gone, Outlet, Piece, Sent};
use crate::gateway::http::room::{Budget, Reservation};
use crate::live::MessageFrame;
use crate::telemetry::{Metric, count};

/// Bytes read from the socket at once. Clients send little; a large message makes the buffer grow.
const READ_BUFFER: usize = 1_024;
/// Bytes of a message that are not counted.
const SMALL: usize = 16 * 1024;
/// Bytes that are thrown away at once.
const DRAIN: usize = 4_096;

/// A message of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

/// A connection after its handshake.
pub(crate) struct Socket {
    stream: WebSocketStream<Shared>,
    outlet: Arc<Outlet>,
    unfinished: Arc<Mutex<Unfinished>>,
    times: Times,
    pulse: Pulse,
    beat: Pin<Box<Sleep>>,
    /// Runs while a message has begun and does not go on.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    /// Takes over the connection, with the bytes that were read after the handshake.
    pub(super) async fn new(outlet: Arc<Outlet>, read_already: Bytes, limits: Limits, times: Times) -> Self {
        let Limits { max_message, room } = limits;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(usize::MAX)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        let unfinished = Arc::new(Mutex::new(Unfinished::new(&room, times)));
        let shared = Shared { outlet: outlet.clone(), unfinished: unfinished.clone() };
        // Bytes right after the handshake are copied, because their buffer is too large to keep.
        let stream = match read_already.is_empty() {
            true => WebSocketStream::from_raw_socket(shared, Role::Server, Some(config)).await,
            false => {
                WebSocketStream::from_partially_read(shared, read_already.to_vec(), Role::Server, Some(config)).await
            }
        };
        lock(&unfinished).arrived(&read_already);
        let (pulse, beat) = (Pulse::default(), Box::pin(sleep(times.ping)));
        Self { stream, outlet, unfinished, times, pulse, beat, stalled: None }
    }

    /// The write side, for other tasks that send whole frames.
    pub(crate) fn outlet(&self) -> Arc<Outlet> {
        self.outlet.clone()
    }

    /// How long the client may take nothing.
    pub(crate) fn patience(&self) -> Duration {
        self.times.write
    }

    /// The next message. Meanwhile the client is asked whether it is there. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    /// When nothing more comes: the client closed the connection, sent something else than a
    /// message, does not answer, takes no answers to its pings, or does not go on with a message.
    pub(crate) async fn receive(&mut self) -> Result<Incoming, Ended> {
        lock(&self.unfinished).resume(Instant::now());
        loop {
            // A client must not make answers pile up by sending pings.
            if self.outlet.try_flush()? == Sent::Waiting {
                // Boxed, because an idle connection must not reserve the memory.
                Box::pin(self.flush()).await?;
            }
            tokio::select! {
                biased;
                message = self.stream.next() => {
                    self.pulse.hear();
                    let refused = lock(&self.unfinished).finish();
                    match message {
                        Some(Ok(Message::Text(text))) => return Ok(Incoming::Text(text.as_str().to_owned())),
                        Some(Ok(Message::Binary(bytes))) => return Ok(Incoming::Binary(bytes)),
                        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                        Some(Ok(Message::Close(frame))) => return Err(Ended::after_close(frame.as_ref())),
                        Some(Err(_)) if refused => {
                            return Err(Ended::Broken(CloseCode::Again, "too many bytes are being received; try again"));
                        }
                        Some(Err(error)) => return Err(Ended::after_error(&error)),
                        None => return Err(Ended::Gone),
                    }
                }
                () = poll_fn(|context| poll_stalled(&mut self.stalled, &self.unfinished, context)) => {
                    count(Metric::ConnectionsTimedOut, 1);
                    return Err(Ended::Broken(CloseCode::Policy, "a message did not arrive in time"));
                }
                () = self.beat.as_mut() => self.check().await?,
            }
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
        let flushed = timeout(self.times.write, self.outlet.flush()).await;
        flushed.unwrap_or_else(|_| {
            count(Metric::ConnectionsTimedOut, 1);
            Err(Gone)
        })
    }

    /// Asks the client whether it is there, which also keeps proxies from closing the connection.
    async fn check(&mut self) -> Result<(), Ended> {
        self.beat.as_mut().reset(Instant::now() + self.times.ping);
        if self.pulse.beat() == Beat::Dead {
            count(Metric::ConnectionsTimedOut, 1);
            return Err(Ended::Gone);
        }
        self.stream.send(Message::Ping(Bytes::new())).await.map_err(|_| Ended::Gone)?;
        // What the socket does not take at once is written by the next `receive`.
        self.outlet.try_flush()?;
        Ok(())
    }

    /// Answers the end of what the client sent. Call it after all answers that are due.
    ///
    /// The future is boxed, like that of [`Self::close`]: an open connection must not reserve the
    /// memory of its end.
    pub(crate) fn end(self, ended: Ended) -> BoxFuture<'static, ()> {
        let Some(frame) = ended.frame() else { return Box::pin(immediately(())) };
        // After the client's own close frame, the server ends the connection at once.
        Box::pin(self.finish(frame, !matches!(ended, Ended::Closed(_))))
    }

    /// Closes the connection with a reason.
    pub(crate) fn close(self, code: CloseCode, reason: &'static str) -> BoxFuture<'static, ()> {
        Box::pin(self.finish(close_frame(code, reason), true))
    }

    /// Writes the last frame. Bytes of the client that are there, or may be on their way, are read
    /// and thrown away: a socket that is closed before sends a reset, which can overtake the frame.
    async fn finish(self, frame: Bytes, linger: bool) {
        let closing = async {
            self.outlet.send(&[Piece::Shared(&frame)])?;
            self.outlet.flush().await?;
            let mut thrown_away = vec![0; DRAIN];
            loop {
                match self.outlet.line().tcp().try_read(&mut thrown_away) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock && linger => {
                        self.outlet.line().tcp().readable().await.map_err(|_| Gone)?;
                    }
                    Err(_) => break,
                }
            }
            Ok::<(), Gone>(())
        };
        let _gone = timeout(self.times.close, closing).await.is_err();
    }
}

/// The connection as tungstenite sees it. It writes control frames only, and each of them whole.
struct Shared {
    outlet: Arc<Outlet>,
    unfinished: Arc<Mutex<Unfinished>>,
}

/// Limits of what a client may send.
pub(super) struct Limits {
    /// Largest message, bytes.
    pub(super) max_message: usize,
    /// Room for messages that arrive, shared with the bodies of requests.
    pub(super) room: Budget,
}

/// Ready when a message has begun and did not arrive in its time.
fn poll_stalled(
    timer: &mut Option<Pin<Box<Sleep>>>,
    unfinished: &Mutex<Unfinished>,
    context: &mut Context<'_>,
) -> Poll<()> {
    let Some(deadline) = lock(unfinished).deadline(Instant::now()) else {
        *timer = None;
        return Poll::Pending;
    };
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
    if timer.deadline() != deadline {
        timer.as_mut().reset(deadline);
    }
    timer.as_mut().poll(context)
}

/// The bytes of a message that has not arrived whole.
struct Unfinished {
    bytes: usize,
    held: Reservation,
    refused: bool,
    times: Times,
    progress: Progress,
    /// The clock of a message that has begun, as that of a body.
    pace: Option<Pace>,
    /// When the server looked last.
    looked: Instant,
}

impl Unfinished {
    fn new(room: &Budget, times: Times) -> Self {
        let (progress, looked) = (Progress::default(), Instant::now());
        Self { bytes: 0, held: room.nothing(), refused: false, times, progress, pace: None, looked }
    }

    /// Keeps the time of the message that these bytes leave unfinished.
    fn arrived(&mut self, bytes: &[u8]) {
        let position = self.progress.see(bytes);
        let pace = match position {
            Position::Between => None,
            Position::Begun(_) => Some(Pace::new(self.times, Instant::now())),
            Position::Inside(_) => self.pace.take(),
        };
        self.pace = pace.map(|mut pace| {
            if let Position::Begun(part) | Position::Inside(part) = position {
                pace.received(part);
            }
            pace
        });
    }

    /// The server looks again, after it did something else.
    fn resume(&mut self, now: Instant) {
        if let Some(pace) = &mut self.pace {
            pace.excuse(now.duration_since(self.looked));
        }
        self.looked = now;
    }

    /// When the next bytes of an unfinished message must have arrived.
    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        self.looked = now;
        let pace = self.pace.as_mut()?;
        pace.wait(now);
        Some(pace.deadline())
    }

    /// Counts bytes that arrived; false if there is no room for them. Small messages are free.
    fn add(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.refused = self.bytes > SMALL && !self.held.grow_arriving(bytes);
        !self.refused
    }

    /// The message has arrived, or never will. Returns whether it was refused.
    fn finish(&mut self) -> bool {
        self.bytes = 0;
        self.held.release();
        self.refused
    }
}

fn lock(unfinished: &Mutex<Unfinished>) -> MutexGuard<'_, Unfinished> {
    unfinished.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AsyncRead for Shared {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.outlet.line().poll_read(context, buffer))?;
        let mut unfinished = lock(&self.unfinished);
        unfinished.arrived(&buffer.filled()[before..]);
        if unfinished.add(buffer.filled().len() - before) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()))
    }
}

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.outlet.as_ref().write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
