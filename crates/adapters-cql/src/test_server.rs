//! The database that tests run against: the one `EARCON_TEST_CQL` names.

use std::time::Duration;

use crate::{Consistency, CqlSettings};

/// How to reach the test database, in a keyspace of that name; `None`, saying so, where there is none. In CI that is a
/// failure.
pub(crate) fn settings(test: &str, keyspace: &str) -> Option<CqlSettings> {
    let node = match std::env::var("EARCON_TEST_CQL") {
        Ok(node) => node,
        Err(_) if std::env::var_os("CI").is_some() => panic!("{test}: EARCON_TEST_CQL is not set"),
        Err(_) => {
            eprintln!("skipped: {test}: no CQL database; `make test` starts one");
            return None;
        }
    };
    Some(at(vec![node], keyspace))
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
