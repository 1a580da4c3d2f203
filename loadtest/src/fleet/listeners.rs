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
use super::{Admission, FleetState, Work};
use crate::net::http;
use crate::net::websocket::{BINARY, CLOSE, PING, PONG, Socket};

/// Length of a packet, microseconds.
const PACKET_MICROS: i64 = 20_000;
/// Largest read from a stream, bytes.
const PIECE: usize = 4_096;

/// The audio received by the listeners of one thread while it was measured.
pub(crate) struct ReceivedAudio {
    /// Microseconds that a packet was later than the earliest of all packets, each relative to its
    /// due time.
    pub(crate) lateness: Histogram<u64>,
    /// Packets of 20 ms.
    pub(crate) pieces: u64,
    pub(crate) bytes: u64,
    /// Dropped packets, from jumps of the packet number.
    pub(crate) dropped: u64,
}

impl Default for ReceivedAudio {
    fn default() -> Self {
        Self { lateness: histogram(), pieces: 0, bytes: 0, dropped: 0 }
    }
}

/// The smallest offset of a packet's arrival from its number, over all listeners.
#[derive(Debug)]
pub(crate) struct Baseline(AtomicI64);

impl Default for Baseline {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

/// One listener for packets over a WebSocket.
pub(crate) fn packets(
    address: SocketAddr,
    path: &'static str,
    baseline: Arc<Baseline>,
) -> impl Fn(Rc<RefCell<ReceivedAudio>>, Admission) -> Work + Clone + Send + 'static {
    move |heard, admission| {
        let baseline = baseline.clone();
        Box::pin(async move {
            let mut socket = Socket::open(address, path).await?;
            ensure!(socket.fill().await?, "the server closed the connection");
            let state = admission.ready();
            let mut last = None;
            loop {
                let (mut pongs, at) = (Vec::new(), Instant::now());
                while let Some(frame) = socket.next_frame()? {
                    match (frame.opcode, frame.payload.first_chunk()) {
                        (BINARY, Some(number)) => {
                            let number = i64::try_from(u64::from_be_bytes(*number)).unwrap_or(i64::MAX);
                            let jump = last.map_or(0, |last: i64| number - last - 1).max(0);
                            last = Some(number);
                            packet(&mut heard.borrow_mut(), &state, &baseline, (number, jump, frame.size), at);
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
    heard: &mut ReceivedAudio,
    state: &FleetState,
    baseline: &Baseline,
    (number, jump, size): (i64, i64, usize),
    at: Instant,
) {
    let offset = state.micros(at) - number.saturating_mul(PACKET_MICROS);
    let prompt = baseline.0.load(Ordering::Relaxed);
    if offset < prompt {
        baseline.0.fetch_min(offset, Ordering::Relaxed);
    }
    if !state.measuring.load(Ordering::Relaxed) {
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
) -> impl Fn(Rc<RefCell<ReceivedAudio>>, Admission) -> Work + Clone + Send + 'static {
    move |heard, admission| {
        Box::pin(async move {
            let page = Finder::new(b"OggS");
            let mut stream = crate::net::connect(address).await?;
            let mut buffer = http::begin(&mut stream, path).await?;
            let state = admission.ready();
            buffer.reserve(PIECE);
            loop {
                buffer.clear();
                let read = stream.read_buf(&mut buffer).await?;
                ensure!(read > 0, "the server ended the stream");
                if state.measuring.load(Ordering::Relaxed) {
                    let mut heard = heard.borrow_mut();
                    // A page whose header is split between two reads is missed. That is rare.
                    heard.pieces += page.find_iter(&buffer).map(|at| packets_of_page(&buffer[at..])).sum::<u64>();
                    heard.bytes += read as u64;
                }
            }
        })
    }
}

/// The packets that end in a page (RFC 3533 §6): each ends with a segment shorter than 255 bytes.
fn packets_of_page(page: &[u8]) -> u64 {
    const SEGMENTS_AT: usize = 26;
    let segments = page.get(SEGMENTS_AT).map_or(0, |count| usize::from(*count));
    let table = page.get(SEGMENTS_AT + 1..SEGMENTS_AT + 1 + segments).unwrap_or_default();
    table.iter().filter(|length| **length < u8::MAX).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_a_page_are_counted_by_their_last_segments() {
        let page = |table: &[u8]| [b"OggS".as_slice(), &[0; 22], &[table.len() as u8], table].concat();
        assert_eq!(packets_of_page(&page(&[160, 160])), 2);
        assert_eq!(packets_of_page(&page(&[255, 255, 3, 160, 255, 0])), 3);
        assert_eq!(packets_of_page(&page(&[])), 0);
        assert_eq!(packets_of_page(b"OggS"), 0);
    }
}
