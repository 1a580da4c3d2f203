//! Settings of the adapters from the configuration: adapters do not know the configuration file.

use earcon_adapters_cql::CqlSettings;
use earcon_adapters_embedded::EmbeddedSettings;
use earcon_adapters_http::HttpSettings;
use earcon_adapters_nats::NatsSettings;

use crate::config::{self, Cql, Nats, Outbound, Storage};

/// Of the reserve that samples leave free, this part is left free by settings and history too.
const KEPT_PART: u64 = 4;

/// A log has about this many segments, so that retention, which removes whole segments, keeps at
/// most a part more than its limits say.
const SEGMENTS: u32 = 8;
/// No segment is limited to less than this, bytes.
const SMALLEST_SEGMENT: u64 = 1 << 20;

/// Limits of the data directory.
pub(super) fn embedded_settings(storage: &Storage) -> EmbeddedSettings {
    let default = EmbeddedSettings::default();
    EmbeddedSettings {
        keep_free_bytes: storage.reserve_bytes / KEPT_PART,
        log_segment_bytes: (storage.log_bytes / u64::from(SEGMENTS)).clamp(SMALLEST_SEGMENT, default.log_segment_bytes),
        log_segment_age: storage.log_age / SEGMENTS,
        ..default
    }
}

/// For each request to another server that is under way, so many may wait.
const WAITING: usize = 8;
/// Most bytes of their bodies.
const WAITING_BYTES: usize = 32 << 20;

/// Where requests to other servers may go, and how many.
pub(super) fn http_settings(outbound: &Outbound) -> HttpSettings {
    HttpSettings {
        egress: outbound.egress.clone(),
        ca_file: outbound.ca_file.clone(),
        connect: outbound.connect,
        most: outbound.most,
        most_per_host: outbound.most_per_host,
        most_waiting: outbound.most.saturating_mul(WAITING),
        waiting_bytes: WAITING_BYTES,
    }
}

/// How to reach NATS.
pub(super) fn nats_settings(nats: &Nats) -> NatsSettings {
    NatsSettings {
        servers: nats.servers.clone(),
        tls: nats.tls,
        ca_file: nats.ca_file.clone(),
        client_certificate: nats.client_certificate.clone(),
        credentials_file: nats.credentials_file.clone(),
        nkey_seed_file: nats.nkey_seed_file.clone(),
        login: nats.login.clone(),
    }
}

/// How to reach the CQL database.
pub(super) fn cql_settings(cql: &Cql) -> CqlSettings {
    CqlSettings {
        nodes: cql.nodes.clone(),
        keyspace: cql.keyspace.clone(),
        replication: cql.replication.clone(),
        datacenter: cql.datacenter.clone(),
        write_consistency: consistency(cql.write_consistency),
        read_consistency: consistency(cql.read_consistency),
        concurrency: cql.concurrency,
        request_timeout: cql.request_timeout,
        tls: cql.tls,
        ca_file: cql.ca_file.clone(),
        login: cql.login.clone(),
    }
}

fn consistency(consistency: config::Consistency) -> earcon_adapters_cql::Consistency {
    use earcon_adapters_cql::Consistency;
    match consistency {
        config::Consistency::One => Consistency::One,
        config::Consistency::LocalOne => Consistency::LocalOne,
        config::Consistency::Quorum => Consistency::Quorum,
        config::Consistency::LocalQuorum => Consistency::LocalQuorum,
        config::Consistency::All => Consistency::All,
    }
}
