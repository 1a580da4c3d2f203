//! The requests of one connection: path and body. Other headers are ignored.

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MAX_REQUEST: usize = 64 * 1024 * 1024;

/// Reads requests and writes answers.
pub(super) struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Reader {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::with_capacity(2_048) }
    }

    /// The next request's path and body. `None` if the client has left.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<(String, Vec<u8>)>> {
        let (path, from, to) = loop {
            if let Some((path, from, length)) = head(&self.buffer)? {
                break (path, from, from + length);
            }
            ensure!(self.buffer.len() < 64 * 1024, "the head is too large");
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        };
        ensure!(to <= MAX_REQUEST, "the request is too large");
        while self.buffer.len() < to {
            self.buffer.reserve(to - self.buffer.len());
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the client left in the middle of a request");
            }
        }
        let rest = self.buffer.split_off(to);
        let mut body = std::mem::replace(&mut self.buffer, rest);
        body.drain(..from);
        Ok(Some((path, body)))
    }

    pub(super) async fn answer(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).await.context("answering")
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

/// The path, the start of the body, and its length.
fn head(bytes: &[u8]) -> anyhow::Result<Option<(String, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(from) = request.parse(bytes).context("this is not HTTP")? else { return Ok(None) };
    let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = match length {
        Some(header) => std::str::from_utf8(header.value)?.trim().parse().context("content-length")?,
        None => 0,
    };
    Ok(Some((request.path.unwrap_or_default().to_owned(), from, length)))
}
