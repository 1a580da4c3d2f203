//! Settings of the connection to ScyllaDB or Apache Cassandra.

use std::path::PathBuf;
use std::time::Duration;

use earcon_ports::Secret;

/// How many replicas must answer before a statement is done.
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
    /// The keyspace that holds the tables.
    pub keyspace: String,
    /// Replication of a keyspace that has to be created, in CQL.
    pub replication: String,
    /// Preferred data centre.
    pub datacenter: Option<String>,
    /// Consistency of writes.
    pub write_consistency: Consistency,
    /// Consistency of reads.
    pub read_consistency: Consistency,
    /// Maximum number of statements in flight.
    pub concurrency: usize,
    /// Longest time of a statement.
    pub request_timeout: Duration,
    /// Use TLS.
    pub tls: bool,
    /// Certificate authority to trust, PEM.
    pub ca_file: Option<PathBuf>,
    /// User and password.
    pub login: Option<(String, Secret)>,
}
