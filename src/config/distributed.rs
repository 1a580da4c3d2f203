//! The sections for more than one machine: `[nats]`, `[cql]`, `[cluster]`.

use std::path::PathBuf;
use std::time::Duration;

use earcon_ports::Secret;

use super::reader::Reader;
use super::{Config, Problem};

/// Where the logs of the workspaces are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogBackend {
    /// In the data directory.
    Embedded,
    /// In NATS.
    JetStream,
}

/// Where history, or settings and snapshots, are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// In the data directory.
    Embedded,
    /// In ScyllaDB or Apache Cassandra.
    Cql,
}

pub(super) const BACKENDS: [(&str, Backend); 2] = [("embedded", Backend::Embedded), ("cql", Backend::Cql)];

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

const CONSISTENCIES: [(&str, Consistency); 5] = [
    ("local_quorum", Consistency::LocalQuorum),
    ("local_one", Consistency::LocalOne),
    ("quorum", Consistency::Quorum),
    ("one", Consistency::One),
    ("all", Consistency::All),
];

/// How to reach NATS and what to use it for.
#[derive(Debug, Clone, PartialEq)]
pub struct Nats {
    /// At least one address.
    pub servers: Vec<String>,
    /// Publish events, samples and sound.
    pub fan_out: bool,
    /// Take samples in.
    pub ingest: bool,
    /// Copies of streams and buckets.
    pub replicas: usize,
    /// Insist on TLS.
    pub tls: bool,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key of this client.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// JWT and seed.
    pub credentials_file: Option<PathBuf>,
    /// Seed alone.
    pub nkey_seed_file: Option<PathBuf>,
    /// User and password.
    pub login: Option<(String, Secret)>,
}

/// How to reach ScyllaDB or Cassandra.
#[derive(Debug, Clone, PartialEq)]
pub struct Cql {
    /// Contact points, `host:port`; at least one.
    pub nodes: Vec<String>,
    /// Where the tables are.
    pub keyspace: String,
    /// Of a keyspace that has to be made, as CQL.
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
    /// Certificate authority to trust.
    pub ca_file: Option<PathBuf>,
    /// User and password.
    pub login: Option<(String, Secret)>,
}

/// This node among others.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Its name.
    pub node: String,
    /// How long a silent node keeps its workspaces.
    pub lease: Duration,
}

pub(super) fn nats(read: &mut Reader) -> Option<Nats> {
    let certificate = read.optional("nats.client_certificate_file").map(PathBuf::from);
    let key = read.optional("nats.client_key_file").map(PathBuf::from);
    if certificate.is_some() != key.is_some() {
        read.problem("nats.client_key_file", "a certificate needs its key, and a key its certificate".to_owned());
    }
    let nats = Nats {
        servers: read.list("nats.servers"),
        fan_out: read.flag("nats.fan_out"),
        ingest: read.flag("nats.ingest"),
        replicas: read.number("nats.replicas", 1, 5) as usize,
        tls: read.flag("nats.tls"),
        ca_file: read.optional("nats.ca_file").map(PathBuf::from),
        client_certificate: certificate.zip(key),
        credentials_file: read.optional("nats.credentials_file").map(PathBuf::from),
        nkey_seed_file: read.optional("nats.nkey_seed_file").map(PathBuf::from),
        login: login(read, "nats"),
    };
    let ways = [nats.credentials_file.is_some(), nats.nkey_seed_file.is_some(), nats.login.is_some()];
    if ways.into_iter().filter(|used| *used).count() > 1 {
        let message = "set one of credentials_file, nkey_seed_file, and user with password".to_owned();
        read.problem("nats.credentials_file", message);
    }
    Some(nats).filter(|nats| !nats.servers.is_empty())
}

pub(super) fn cql(read: &mut Reader) -> Option<Cql> {
    let cql = Cql {
        nodes: read.list("cql.nodes"),
        keyspace: read.text("cql.keyspace"),
        replication: read.text("cql.replication"),
        datacenter: read.optional("cql.datacenter"),
        write_consistency: read.one_of("cql.write_consistency", &CONSISTENCIES),
        read_consistency: read.one_of("cql.read_consistency", &CONSISTENCIES),
        concurrency: read.number("cql.concurrency", 1, 10_000) as usize,
        request_timeout: read.seconds("cql.request_timeout_seconds", 1, 600),
        tls: read.flag("cql.tls"),
        ca_file: read.optional("cql.ca_file").map(PathBuf::from),
        login: login(read, "cql"),
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !cql.keyspace.chars().all(plain) || cql.keyspace.len() > 48 {
        let message = format!("must be at most 48 of a-z, 0-9 and _, not {:?}", cql.keyspace);
        read.problem("cql.keyspace", message);
    }
    Some(cql).filter(|cql| !cql.nodes.is_empty())
}

pub(super) fn cluster(read: &mut Reader) -> Option<Cluster> {
    let enabled = read.flag("cluster.enabled");
    let node =
        read.optional("cluster.node").or_else(|| sysinfo::System::host_name().ok()).unwrap_or_else(|| "earcon".into());
    let lease = read.seconds("cluster.lease_seconds", 1, 60);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if enabled && (!node.chars().all(plain) || node.len() > 64) {
        let message = format!("must be at most 64 letters, digits, dots, dashes and underscores, not {node:?}");
        read.problem("cluster.node", message);
    }
    enabled.then_some(Cluster { node, lease })
}

fn login(read: &mut Reader, section: &str) -> Option<(String, Secret)> {
    let user = read.optional(&format!("{section}.user"));
    let password = read.optional(&format!("{section}.password"));
    if user.is_none() && password.is_some() {
        read.problem(&format!("{section}.user"), "a password needs a user".to_owned());
    }
    user.map(|user| (user, Secret::new(password.unwrap_or_default())))
}

/// What one section asks of another.
pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    let mut needs = |wrong: bool, key: &str, message: &str| {
        if wrong {
            problems.push(Problem { key: key.to_owned(), message: message.to_owned() });
        }
    };
    let (storage, clustered) = (&config.storage, config.cluster.is_some());
    needs(
        storage.log == LogBackend::JetStream && config.nats.is_none(),
        "nats.servers",
        "storage.log = \"jetstream\" needs them",
    );
    let cql = [storage.history, storage.meta].contains(&Backend::Cql);
    needs(cql && config.cql.is_none(), "cql.nodes", "storage.history or storage.meta = \"cql\" needs them");
    needs(clustered && storage.log != LogBackend::JetStream, "storage.log", "must be \"jetstream\" in a cluster");
    needs(clustered && storage.history != Backend::Cql, "storage.history", "must be \"cql\" in a cluster");
    needs(clustered && storage.meta != Backend::Cql, "storage.meta", "must be \"cql\" in a cluster");
}
