//! A client that writes bytes as a test wants them, and WebSocket frames that no library would
//! send.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection without a protocol.
pub(crate) struct Raw {
    stream: TcpStream,
    /// Bytes behind the last answer or frame.
    rest: Vec<u8>,
}

/// An answer of HTTP.
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    /// The head in small letters.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl RawAnswer {
    /// The value of a header, in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("the server listens"), rest: Vec::new() }
    }

    /// Connects with a small receive buffer.
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        Self { stream: socket.connect(address).await.expect("the server listens"), rest: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the server takes bytes");
    }

    /// Sends what the server may not want any more.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Reads more; false at the end, however it came.
    async fn read_more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.rest)).await;
        read.expect("the server sends something in time").is_ok_and(|read| read > 0)
    }

    /// Everything until the end of the connection.
    pub(crate) async fn until_end(mut self) -> Vec<u8> {
        while self.read_more().await {}
        self.rest
    }

    /// The head of an answer.
    async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = self.rest.drain(..end + 4).collect();
                return Some(String::from_utf8_lossy(&head).to_ascii_lowercase());
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    /// The next answer; its body only if it says how long it is.
    pub(crate) async fn answer(&mut self) -> Option<RawAnswer> {
        let head = self.head().await?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut answer = RawAnswer { status, head, body: String::new() };
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.rest.len() < length {
            assert!(self.read_more().await, "the body ends early");
        }
        answer.body = String::from_utf8_lossy(&self.rest.drain(..length).collect::<Vec<_>>()).into_owned();
        Some(answer)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> RawAnswer {
        let mut raw = Self::connect(address).await;
        raw.send(request).await;
        raw.answer().await.expect("an answer")
    }

    /// Becomes a WebSocket at this path.
    pub(crate) async fn websocket(address: SocketAddr, path: &str) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send(handshake(path, "13", "dGhlIHNhbXBsZSBub25jZQ==")).await;
        assert_eq!(raw.answer().await.expect("an answer").status, 101);
        raw
    }

    /// The next frame: its first byte and its content. `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((begin, end)) = bounds(&self.rest)
                && self.rest.len() >= end
            {
                let frame: Vec<u8> = self.rest.drain(..end).collect();
                return Some((frame[0], frame[begin..].to_vec()));
            }
            if !self.read_more().await {
                assert!(self.rest.is_empty(), "half a frame: {}", self.rest.escape_ascii());
                return None;
            }
        }
    }

    /// Reads until a close frame, which must be the last one. Returns its code and the texts before
    /// it; `None` for the code if the connection ends without one.
    pub(crate) async fn until_close(&mut self) -> (Option<u16>, Vec<String>) {
        let mut texts = Vec::new();
        while let Some((kind, content)) = self.frame().await {
            match kind {
                0x81 => texts.push(String::from_utf8(content).unwrap()),
                0x88 => {
                    assert_eq!(self.frame().await, None, "nothing follows a close frame");
                    let code = content.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
                    return (Some(code), texts);
                }
                _ => {}
            }
        }
        (None, texts)
    }
}

/// Where the content of the first frame begins and ends.
fn bounds(bytes: &[u8]) -> Option<(usize, usize)> {
    let (begin, length) = match bytes.get(1)? {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()) as usize),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize),
        short => (2, usize::from(*short)),
    };
    Some((begin, begin + length))
}

/// A request to become a WebSocket.
pub(crate) fn handshake(path: &str, version: &str, key: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: {version}\r\nsec-websocket-key: {key}\r\n\r\n"
    )
}

/// A frame of a client. `first` is its first byte: 0x81 is text, 0x88 a close.
pub(crate) fn frame(first: u8, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match content.len() {
        0..=125 => frame.push(0x80 | content.len() as u8),
        126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend((content.len() as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((content.len() as u64).to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    frame.extend(mask);
    frame.extend(content.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
