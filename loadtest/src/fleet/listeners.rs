//! Listeners of one mix: packets over WebSocket, or Ogg over HTTP.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use anyhow::{bail, ensure};
use hdrhistogram::Histogram;
use memchr::memmem::Finder;
use tokio::io::AsyncReadExt;

use super::events::histogram;
use super::{Admission, Stage, Work};
use crate::net::http;
use crate::net::websocket::{BINARY, CLOSE, PING, PONG, Socket};

/// Microseconds of a packet.
const PACKET_MICROS: i64 = 20_000;
/// Largest piece of a stream that is read at once.
const PIECE: usize = 4_096;

/// What the listeners of one thread have heard while it counted.
pub(crate) struct Heard {
    /// Microseconds a packet came later than the promptest of all packets, each counted from its own due time.
    pub(crate) lateness: Histogram<u64>,
    /// Packets of 20 ms; for Ogg, pages of 40 ms.
    pub(crate) pieces: u64,
    pub(crate) bytes: u64,
    /// Packets that a jump in the number says were dropped.
    pub(crate) dropped: u64,
}

impl Default for Heard {
    fn default() -> Self {
        Self { lateness: histogram(), pieces: 0, bytes: 0, dropped: 0 }
    }
}

/// The earliest that any packet came, relative to its number: shared by all.
#[derive(Debug)]
pub(crate) struct Promptest(AtomicI64);

impl Default for Promptest {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

/// One listener for packets over a WebSocket.
pub(crate) fn packets(
    address: SocketAddr,
    path: &'static str,
    promptest: Arc<Promptest>,
) -> impl Fn(Rc<RefCell<Heard>>, Admission) -> Work + Clone + Send + 'static {
    move |heard, admission| {
        let promptest = promptest.clone();
        Box::pin(async move {
            let mut socket = Socket::open(address, path).await?;
            ensure!(socket.fill().await?, "the server closed the connection");
            let stage = admission.ready();
            let mut last = None;
            loop {
                let (mut pongs, at) = (Vec::new(), Instant::now());
                while let Some(frame) = socket.take()? {
                    match (frame.opcode, frame.payload.first_chunk()) {
                        (BINARY, Some(number)) => {
                            let number = i64::try_from(u64::from_be_bytes(*number)).unwrap_or(i64::MAX);
                            let jump = last.map_or(0, |last: i64| number - last - 1).max(0);
                            last = Some(number);
                            packet(&mut heard.borrow_mut(), &stage, &promptest, (number, jump, frame.size), at);
                        }
                        (PING, _) => pongs.push(frame.payload.to_vec()),
                        (CLOSE, _) => bail!("the server closed: {}", String::from_utf8_lossy(frame.payload)),
                        _ => {}
                    }
                }
                for payload in pongs {
                    socket.send(PONG, &payload).await?;
                }
                ensure!(socket.fill().await?, "the server closed the connection");
            }
        })
    }
}

fn packet(
    heard: &mut Heard,
    stage: &Stage,
    promptest: &Promptest,
    (number, jump, size): (i64, i64, usize),
    at: Instant,
) {
    let offset = stage.micros(at) - number.saturating_mul(PACKET_MICROS);
    let prompt = promptest.0.load(Ordering::Relaxed);
    if offset < prompt {
        promptest.0.fetch_min(offset, Ordering::Relaxed);
    }
    if !stage.measuring.load(Ordering::Relaxed) {
        return;
    }
    heard.lateness.saturating_record(u64::try_from(offset - prompt.min(offset)).unwrap_or_default());
    heard.pieces += 1;
    heard.bytes += size as u64;
    heard.dropped += u64::try_from(jump).unwrap_or_default();
}

/// One listener for Ogg over HTTP.
pub(crate) fn ogg(
    address: SocketAddr,
    path: &'static str,
) -> impl Fn(Rc<RefCell<Heard>>, Admission) -> Work + Clone + Send + 'static {
    move |heard, admission| {
        Box::pin(async move {
            let page = Finder::new(b"OggS");
            let mut stream = crate::net::connect(address).await?;
            let mut buffer = http::begin(&mut stream, path).await?;
            let stage = admission.ready();
            buffer.reserve(PIECE);
            loop {
                buffer.clear();
                let read = stream.read_buf(&mut buffer).await?;
                ensure!(read > 0, "the server ended the stream");
                if stage.measuring.load(Ordering::Relaxed) {
                    let mut heard = heard.borrow_mut();
                    // A page whose first bytes fall into two reads is missed; reads end where pages do, nearly always.
                    heard.pieces += page.find_iter(&buffer).count() as u64;
                    heard.bytes += read as u64;
                }
            }
        })
    }
}
