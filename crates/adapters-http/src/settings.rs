//! Settings of requests to other servers.

use std::path::PathBuf;
use std::time::Duration;

use earcon_egress::Egress;

/// Policy and limits of all requests together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where requests may go.
    pub egress: Egress,
    /// Certificate authorities to trust besides the public ones, PEM.
    pub ca_file: Option<PathBuf>,
    /// Longest time until a connection is made: lookup, TCP and TLS.
    pub connect: Duration,
    /// Most requests under way.
    pub most: usize,
    /// Most of them to one scheme, host and port.
    pub most_per_host: usize,
    /// Most requests that wait for a place.
    pub most_waiting: usize,
    /// Most bytes of their bodies.
    pub waiting_bytes: usize,
}
