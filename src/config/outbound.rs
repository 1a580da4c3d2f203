//! `[outbound]`: requests of this server to other servers.

use std::path::PathBuf;
use std::time::Duration;

use earcon_egress::{Egress, Entry};

use super::reader::Reader;

/// Where requests to other servers may go, and how many there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// The egress policy.
    pub egress: Egress,
    /// File with certificate authorities to trust besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// Longest time until a connection is made.
    pub connect: Duration,
    /// Most requests under way.
    pub most: usize,
    /// Most of them to one server.
    pub most_per_host: usize,
}

impl Outbound {
    pub(super) fn read(read: &mut Reader) -> Self {
        let mut ports = Vec::new();
        for text in read.list("outbound.ports") {
            match text.parse::<u16>() {
                Ok(port) if port > 0 => ports.push(port),
                _ => read.problem("outbound.ports", format!("{text:?} is no port from 1 to 65535")),
            }
        }
        let mut allow = Vec::new();
        for text in read.list("outbound.allow") {
            match text.parse::<Entry>() {
                Ok(entry) => allow.push(entry),
                Err(error) => read.problem("outbound.allow", error.to_string()),
            }
        }
        Self {
            egress: Egress::new(ports, allow),
            ca_file: read.optional("outbound.ca_file").map(PathBuf::from),
            connect: read.seconds("outbound.connect_seconds", 1, 60),
            most: read.number("outbound.max_requests", 1, 10_000) as usize,
            most_per_host: read.number("outbound.max_requests_per_host", 1, 10_000) as usize,
        }
    }
}
