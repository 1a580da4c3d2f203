//! Minimal HTTP/1.1: prepared requests over persistent connections, and heads of endless answers.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{PATIENCE, connect};

/// Largest accepted answer, bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A connection that carries one request after another.
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self { stream: connect(address).await?, answer: Vec::with_capacity(4_096) })
    }

    /// Sends a prepared request. Returns status and body.
    ///
    /// # Errors
    /// If the connection breaks, or the answer is late, not HTTP, or too large.
    pub(crate) async fn send(&mut self, request: &[u8]) -> anyhow::Result<(u16, &[u8])> {
        let (status, from) = timeout(PATIENCE, async {
            self.stream.write_all(request).await.context("sending a request")?;
            self.read_answer().await
        })
        .await
        .context("the server did not answer in time")??;
        Ok((status, self.answer.get(from..).unwrap_or_default()))
    }

    /// As [`Self::send`], but an error status is an error.
    pub(crate) async fn must(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        let (status, body) = self.send(request).await?;
        if !(200..300).contains(&status) {
            let body = String::from_utf8_lossy(body);
            bail!("the server answered {status}: {}", body.chars().take(500).collect::<String>());
        }
        Ok(body)
    }

    async fn read_answer(&mut self) -> anyhow::Result<(u16, usize)> {
        self.answer.clear();
        loop {
            ensure!(self.answer.len() < MAX_ANSWER, "the answer is larger than {MAX_ANSWER} bytes");
            let read = self.stream.read_buf(&mut self.answer).await.context("reading an answer")?;
            if let Some(head) = Head::parse(&self.answer)? {
                let complete = match head.length {
                    Some(length) => self.answer.len() >= head.size + length,
                    None if head.chunked => self.answer.ends_with(b"0\r\n\r\n"),
                    None => head.status == 204 || read == 0,
                };
                if complete {
                    return Ok((head.status, head.size));
                }
            }
            ensure!(read > 0, "the server closed the connection");
        }
    }
}

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes up to and including the empty line.
    pub(crate) size: usize,
    pub(crate) status: u16,
    length: Option<usize>,
    chunked: bool,
}

impl Head {
    /// Parses the head. `None` if it is not complete.
    pub(crate) fn parse(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(size) = response.parse(bytes).context("the answer is not HTTP")? else {
            return Ok(None);
        };
        let find = |name: &str| {
            let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(header.value).ok()
        };
        Ok(Some(Self {
            size,
            status: response.code.unwrap_or_default(),
            length: find("content-length").and_then(|length| length.trim().parse().ok()),
            chunked: find("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")),
        }))
    }
}

/// Reads the head of an endless answer, which must be `200`. Returns the bytes after it.
pub(crate) async fn begin(stream: &mut TcpStream, path: &str) -> anyhow::Result<Vec<u8>> {
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: earcon-loadtest\r\naccept: */*\r\n\r\n");
    stream.write_all(request.as_bytes()).await.context("sending a request")?;
    let mut answer = Vec::with_capacity(2_048);
    timeout(PATIENCE, async {
        loop {
            let read = stream.read_buf(&mut answer).await.context("reading an answer")?;
            if let Some(head) = Head::parse(&answer)? {
                ensure!(head.status == 200, "GET {path} was answered with {}", head.status);
                return Ok(answer.split_off(head.size));
            }
            ensure!(read > 0 && answer.len() < 64 * 1024, "GET {path} was not answered with a head");
        }
    })
    .await
    .with_context(|| format!("GET {path} was not answered in time"))?
}

/// A request with a body, ready to be written.
pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    [request.as_bytes(), body].concat()
}

/// A request that creates what its path names.
pub(crate) fn put(path: &str) -> Vec<u8> {
    format!("PUT {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

/// A request without a body.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_is_parsed_when_complete() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        for length in 0..answer.len() - 2 {
            assert_eq!(Head::parse(&answer[..length]).unwrap(), None);
        }
        let head = Head::parse(answer).unwrap().unwrap();
        assert_eq!((head.status, head.length, head.size), (200, Some(2), answer.len() - 2));
        assert!(Head::parse(b"RTSP/1.0 200 OK\r\n\r\n").is_err());
    }
}
