//! The sections for several machines: `[nats]`, `[cql]`, `[cluster]`.

use std::path::PathBuf;
use std::time::Duration;

use earcon_ports::Secret;

use super::problem::Problem;
use super::reader::Reader;
use super::sections::{Backend, LogBackend, Storage};

/// How many replicas must answer a statement.
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

/// The connection to NATS, and its uses.
#[derive(Debug, Clone, PartialEq)]
pub struct Nats {
    /// At least one address.
    pub servers: Vec<String>,
    /// Publish events, samples and sound.
    pub fan_out: bool,
    /// Accept samples from NATS subjects.
    pub ingest: bool,
    /// Number of replicas of streams and buckets.
    pub replicas: usize,
    /// Require TLS.
    pub tls: bool,
    /// File with certificates to trust besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key of this client.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// File with JWT and seed.
    pub credentials_file: Option<PathBuf>,
    /// File with the seed alone.
    pub nkey_seed_file: Option<PathBuf>,
    /// User and password.
    pub login: Option<(String, Secret)>,
}

/// The connection to ScyllaDB or Cassandra.
#[derive(Debug, Clone, PartialEq)]
pub struct Cql {
    /// Contact points, `host:port`; at least one.
    pub nodes: Vec<String>,
    /// The keyspace of the tables.
    pub keyspace: String,
    /// Replication of a keyspace that has to be created, as CQL.
    pub replication: String,
    /// Preferred data centre.
    pub datacenter: Option<String>,
    /// Consistency of writes.
    pub write_consistency: Consistency,
    /// Consistency of reads.
    pub read_consistency: Consistency,
    /// Most statements in flight.
    pub concurrency: usize,
    /// Longest time of a statement.
    pub request_timeout: Duration,
    /// Use TLS.
    pub tls: bool,
    /// Certificate authority to trust.
    pub ca_file: Option<PathBuf>,
    /// User and password.
    pub login: Option<(String, Secret)>,
}

/// The cluster this node is part of.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// The name of this node.
    pub node: String,
    /// How long a node without heartbeats keeps its workspaces.
    pub lease: Duration,
}

pub(super) fn nats(read: &mut Reader) -> Option<Nats> {
    let certificate = read.optional("nats.client_certificate_file").map(PathBuf::from);
    let key = read.optional("nats.client_key_file").map(PathBuf::from);
    if certificate.is_some() != key.is_some() {
        read.problem("nats.client_key_file", "set client_certificate_file and client_key_file together".to_owned());
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
        let message = "set only one of credentials_file, nkey_seed_file, and user with password".to_owned();
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
        read.problem(&format!("{section}.user"), "required when a password is set".to_owned());
    }
    user.map(|user| (user, Secret::new(password.unwrap_or_default())))
}

/// Longest history of a CQL database. Its rows expire, and Cassandra stores the time of that as
/// seconds in 32 bits.
const CQL_HISTORY: Duration = Duration::from_secs(3_650 * 86_400);

/// Checks the requirements of one section on another.
pub(super) fn check(storage: &Storage, nats: bool, cql: bool, clustered: bool, problems: &mut Vec<Problem>) {
    let mut needs = |wrong: bool, key: &str, message: &str| {
        if wrong {
            problems.push(Problem { key: key.to_owned(), message: message.to_owned() });
        }
    };
    needs(storage.log == LogBackend::JetStream && !nats, "nats.servers", "required by storage.log = \"jetstream\"");
    let needs_cql = [storage.history, storage.meta].contains(&Backend::Cql);
    needs(needs_cql && !cql, "cql.nodes", "required by storage.history or storage.meta = \"cql\"");
    let too_long = storage.history == Backend::Cql && storage.history_age > CQL_HISTORY;
    let message = "at most 3650 with storage.history = \"cql\": Cassandra takes no expiry after January 2038";
    needs(too_long, "storage.history_days", message);
    needs(clustered && storage.log != LogBackend::JetStream, "storage.log", "must be \"jetstream\" in a cluster");
    needs(clustered && storage.history != Backend::Cql, "storage.history", "must be \"cql\" in a cluster");
    needs(clustered && storage.meta != Backend::Cql, "storage.meta", "must be \"cql\" in a cluster");
}
