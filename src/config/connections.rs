//! `[connections]`: what clients of the HTTP server may hold, and for how long.

use std::time::Duration;

use super::problem::Problem;
use super::reader::Reader;

/// Limits for clients of the HTTP server.
#[derive(Debug, Clone, PartialEq)]
pub struct Connections {
    /// Most connections.
    pub most: usize,
    /// Most connections from one address.
    pub most_per_address: usize,
    /// Most bytes of request bodies at once.
    pub request_bytes: usize,
    /// Most bytes of answers that wait for their clients.
    pub answer_bytes: usize,
    /// Longest time of a request's head.
    pub head: Duration,
    /// Longest time of a request's body.
    pub body: Duration,
    /// Least rate of a body.
    pub body_bytes_per_second: u64,
    /// Longest pause between an answer and the next request.
    pub idle: Duration,
    /// How long a client may take nothing of what is written to it.
    pub write: Duration,
    /// Interval of pings to WebSockets.
    pub ping: Duration,
    /// How long connections have to end at a shutdown.
    pub close: Duration,
}

impl Connections {
    pub(super) fn read(read: &mut Reader) -> Self {
        Self {
            most: read.number("connections.max", 16, 10_000_000) as usize,
            most_per_address: read.number("connections.max_per_address", 1, 10_000_000) as usize,
            request_bytes: (read.number("connections.request_megabytes", 1, 1 << 20) << 20) as usize,
            answer_bytes: (read.number("connections.answer_megabytes", 1, 1 << 20) << 20) as usize,
            head: read.seconds("connections.head_seconds", 1, 3_600),
            body: read.seconds("connections.body_seconds", 1, 86_400),
            body_bytes_per_second: read.number("connections.body_bytes_per_second", 1, 1 << 30),
            idle: read.seconds("connections.idle_seconds", 1, 86_400),
            write: read.seconds("connections.write_seconds", 1, 3_600),
            ping: read.seconds("connections.ping_seconds", 1, 3_600),
            close: read.seconds("connections.close_seconds", 1, 60),
        }
    }
}

/// A request may hold at most as much as it leaves free.
pub(super) fn check(connections: &Connections, max_body_bytes: usize, problems: &mut Vec<Problem>) {
    if connections.request_bytes / 2 < max_body_bytes {
        problems.push(Problem {
            key: "connections.request_megabytes".into(),
            message: "must be at least twice server.max_body_bytes".into(),
        });
    }
}
