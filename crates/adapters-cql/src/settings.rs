//! How to reach ScyllaDB or Apache Cassandra.

use std::path::PathBuf;
use std::time::Duration;

use earcon_ports::Secret;

/// How many replicas answer before a statement counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// One.
    One,
    /// One of the local data centre.
    LocalOne,
    /// A majority.
    Quorum,
    /// A majority of the local data centre.
    LocalQuorum,
    /// All.
    All,
}

/// Contact points, keyspace, consistency and credentials of a CQL database.
#[derive(Debug, Clone, PartialEq)]
pub struct CqlSettings {
    /// Contact points, `host:port`; at least one.
    pub nodes: Vec<String>,
    /// The keyspace of the tables.
    pub keyspace: String,
    /// Replication of a keyspace that has to be created, as CQL.
    pub replication: String,
    /// Preferred data centre.
    pub datacenter: Option<String>,
    /// Of writes.
    pub write_consistency: Consistency,
    /// Of reads.
    pub read_consistency: Consistency,
    /// Statements in flight.
    pub concurrency: usize,
    /// How long a statement may take.
    pub request_timeout: Duration,
    /// Use TLS.
    pub tls: bool,
    /// Certificate authority to trust, PEM.
    pub ca_file: Option<PathBuf>,
    /// User and password.
    pub login: Option<(String, Secret)>,
}
