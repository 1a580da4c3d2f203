//! A minimal client that posts prepared requests over kept connections, so that the server
//! dominates the measurement.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The distribution of a batch's samples: one sample a series.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) kpis: usize,
    /// Series of each KPI.
    pub(crate) series: usize,
    /// Batches after which the KPI names repeat; with 1, all batches have the same names.
    pub(crate) turns: usize,
}

impl Shape {
    pub(crate) fn samples(self) -> usize {
        self.kpis * self.series
    }
}

/// `count` requests, a second apart by their timestamps.
pub(crate) fn bodies(shape: Shape, start_ms: i64, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|batch| request(&body(shape, start_ms + batch as i64 * 1_000, batch))).collect()
}

fn body(shape: Shape, timestamp: i64, batch: usize) -> String {
    let mut text = String::from("{\"samples\":[");
    for kpi in 0..shape.kpis {
        let name = kpi * shape.turns + batch % shape.turns;
        for series in 0..shape.series {
            let hash = (batch * 7_919 + kpi * 104_729 + series * 1_299_709) % 10_007;
            let value = 100.0 + kpi as f64 + hash as f64 / 1_000.0;
            let comma = if text.ends_with('[') { "" } else { "," };
            write!(
                text,
                "{comma}{{\"kpi\":\"bench.kpi{name}\",\"labels\":{{\"host\":\"web-{series}\"}},\
                 \"timestamp\":{timestamp},\"value\":{value}}}"
            )
            .expect("writing to a String does not fail");
        }
    }
    text.push_str("]}");
    text
}

pub(crate) fn request(body: &str) -> Vec<u8> {
    let head = format!(
        "POST /api/v1/workspaces/local/kpis/ingest HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// Posts all requests in order over `connections` connections. Each connection waits for its
/// answer.
pub(crate) async fn post_all(address: &str, requests: Vec<Vec<u8>>, connections: usize) {
    let requests = Arc::new(requests);
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let (requests, next) = (requests.clone(), next.clone());
        let mut connection = Connection::open(address).await;
        tasks.push(tokio::spawn(async move {
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                connection.post(request).await;
            }
        }));
    }
    for task in tasks {
        task.await.expect("a connection's task ends well");
    }
}

pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server accepts");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        Self { stream, answer: vec![0; 64 * 1024] }
    }

    /// Posts a prepared request and waits for its answer, which must be 200.
    pub(crate) async fn post(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.expect("the server takes the request");
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.answer[filled..]).await.expect("the server answers");
            assert!(read > 0, "the server closed the connection");
            filled += read;
            let text = String::from_utf8_lossy(&self.answer[..filled]);
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
                if length.is_some_and(|length| body.len() >= length) {
                    return;
                }
            }
        }
    }
}
