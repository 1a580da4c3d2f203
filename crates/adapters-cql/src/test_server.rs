//! The test database: the one that `EARCON_TEST_CQL` names.

use std::time::Duration;

use crate::{Consistency, CqlSettings};

/// Settings for the test database, in this keyspace. Panics if there is no test database.
pub(crate) fn settings(keyspace: &str) -> CqlSettings {
    let node = std::env::var("EARCON_TEST_CQL");
    at(vec![node.expect("EARCON_TEST_CQL; scripts/servers/run.sh starts a database and sets it")], keyspace)
}

/// The settings of the tests, for a database at `nodes`.
pub(crate) fn at(nodes: Vec<String>, keyspace: &str) -> CqlSettings {
    CqlSettings {
        nodes,
        keyspace: keyspace.to_owned(),
        replication: "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}".to_owned(),
        datacenter: None,
        write_consistency: Consistency::LocalQuorum,
        read_consistency: Consistency::LocalQuorum,
        concurrency: 64,
        request_timeout: Duration::from_secs(30),
        tls: false,
        ca_file: None,
        login: None,
    }
}
