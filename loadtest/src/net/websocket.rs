//! A minimal client of RFC 6455: one buffer per connection, frames are borrowed from it.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::http::Head;
use super::{PATIENCE, connect};

/// The key of the RFC's example. The raw server contains its answer as a constant.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The answer to [`KEY`] by RFC 6455 §1.3.
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Initial size of the buffer, bytes. It grows for larger messages.
const BUFFER: usize = 4_096;
/// Largest accepted frame, bytes.
const MAX_FRAME: usize = 64 * 1024 * 1024;

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// An open WebSocket.
pub(crate) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Start of the unread bytes.
    start: usize,
}

/// A frame in the buffer it was read into.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: u8,
    pub(crate) payload: &'a [u8],
    /// Head and payload.
    pub(crate) size: usize,
}

impl Socket {
    pub(crate) async fn open(address: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let mut stream = connect(address).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\r\n"
        );
        let buffer = timeout(PATIENCE, async {
            stream.write_all(request.as_bytes()).await.context("asking for an upgrade")?;
            let mut buffer = Vec::with_capacity(BUFFER);
            loop {
                let read = stream.read_buf(&mut buffer).await.context("reading the answer to an upgrade")?;
                if let Some(head) = Head::parse(&buffer)? {
                    ensure!(head.status == 101, "GET {path} was answered with {}, not with a WebSocket", head.status);
                    buffer.drain(..head.size);
                    return Ok(buffer);
                }
                ensure!(read > 0, "the server closed the connection instead of upgrading it");
            }
        })
        .await
        .with_context(|| format!("the upgrade of {path} took longer than {PATIENCE:?}"))??;
        Ok(Self { stream, buffer, start: 0 })
    }

    /// Waits until at least one frame is complete. `false` if the server closed the connection.
    pub(crate) async fn fill(&mut self) -> anyhow::Result<bool> {
        loop {
            if parse(self.buffer.get(self.start..).unwrap_or_default())?.is_some() {
                return Ok(true);
            }
            if self.start > 0 {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            if self.stream.read_buf(&mut self.buffer).await.context("reading frames")? == 0 {
                return Ok(false);
            }
        }
    }

    /// The next complete frame in the buffer.
    pub(crate) fn next_frame(&mut self) -> anyhow::Result<Option<Frame<'_>>> {
        let start = self.start;
        let Some(frame) = parse(self.buffer.get(start..).unwrap_or_default())? else { return Ok(None) };
        self.start += frame.size;
        Ok(Some(frame))
    }

    /// Sends a small frame, masked as the RFC requires of clients.
    pub(crate) async fn send(&mut self, opcode: u8, payload: &[u8]) -> anyhow::Result<()> {
        let frame = masked(opcode, payload)?;
        timeout(PATIENCE, self.stream.write_all(&frame)).await.context("the server accepts no data")?.context("sending")
    }

    /// Sends a close frame and drops the connection.
    pub(crate) async fn close(mut self) -> anyhow::Result<()> {
        self.send(CLOSE, &1000_u16.to_be_bytes()).await
    }
}

/// The frame at the start of `bytes`, if it is complete.
fn parse(bytes: &[u8]) -> anyhow::Result<Option<Frame<'_>>> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    ensure!(second & 0x80 == 0, "the server sent a masked frame");
    let (length, head) = match second & 0x7f {
        126 => match rest {
            [a, b, ..] => (usize::from(u16::from_be_bytes([*a, *b])), 4),
            _ => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (usize::try_from(u64::from_be_bytes(*length))?, 10),
            None => return Ok(None),
        },
        length => (usize::from(length), 2),
    };
    if length > MAX_FRAME {
        bail!("a frame of {length} bytes is larger than accepted");
    }
    let payload = bytes.get(head..head + length);
    Ok(payload.map(|payload| Frame { opcode: first & 0x0f, payload, size: head + length }))
}

fn masked(opcode: u8, payload: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        length => {
            let length = u16::try_from(length).context("clients send only small messages")?;
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
    }
    // A mask of zeros leaves the payload unchanged.
    frame.extend([0; 4]);
    frame.extend(payload);
    Ok(frame)
}

/// A frame of a server: head and payload, not masked.
pub(crate) fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..126 => frame.push(short as u8),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_all_lengths_are_parsed_when_complete() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let payload = vec![7; length];
            let frame = unmasked(BINARY, &payload);
            assert_eq!(parse(&frame[..frame.len() - 1]).unwrap(), None, "{length}");
            let whole = parse(&frame).unwrap().unwrap();
            assert_eq!((whole.opcode, whole.payload, whole.size), (BINARY, &payload[..], frame.len()));
        }
    }

    #[test]
    fn oversized_and_masked_frames_are_refused() {
        assert!(parse(&[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255]).is_err());
        assert!(parse(&masked(TEXT, b"hello").unwrap()).is_err());
        assert!(masked(TEXT, &vec![0; 70_000]).is_err());
    }
}
