//! The adapter behind each port, by configuration.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::adapter_settings::{cql_settings, embedded_settings, nats_settings};
use super::error::StartError;
use crate::actors::cluster::handle::ClusterArgs;
use crate::actors::context::Backends;
use crate::config::{Backend, Config, LogBackend, Nats, Storage};
use earcon_adapters_cql::{CqlAccounts, CqlAudit, CqlDatabase, CqlMeta, CqlSeries, CqlSnapshots, SeriesSettings};
use earcon_adapters_embedded::EmbeddedStore;
use earcon_adapters_nats::connection::{connect, connect_when_possible};
use earcon_adapters_nats::event_log::{JetStreamLog, JetStreamLogSettings};
use earcon_adapters_nats::node_transport::NatsTransport;
use earcon_adapters_nats::publisher::NatsPublisher;
use earcon_adapters_nats::registry::{BUCKET, NatsRegistry};
use earcon_model::Clock;
use earcon_ports::{AccountStore, AuditLog, MetaStore, PortError, Publisher, SeriesStore, SharedLog, SnapshotStore};
use earcon_tenancy::Authorizer;

/// A log that retention cannot keep up with is full at this multiple of its limit.
const LOG_HEADROOM: u64 = 2;
/// Rows expire in the database this long after their retention, so that retention removes them
/// first.
const TTL_MARGIN: Duration = Duration::from_secs(24 * 3_600);

/// Mode of a directory in which accounts keep files next to those of others.
const STICKY: u32 = 0o1000;

/// Everything that was opened.
pub(super) struct Opened {
    pub(super) backends: Backends,
    /// The records of accounts.
    pub(super) account_store: Arc<dyn AccountStore>,
    /// The audit logs.
    pub(super) audit_log: Arc<dyn AuditLog>,
    /// The data directory, if it is used.
    pub(super) embedded: Option<EmbeddedStore>,
    /// The connection to NATS, if there is one.
    pub(super) nats: Option<async_nats::Client>,
    /// Publishes to subscribers.
    pub(super) publisher: Option<Arc<dyn Publisher>>,
    /// The log, if other nodes can follow it.
    pub(super) shared_log: Option<Arc<dyn SharedLog>>,
}

pub(super) async fn open(config: &Config) -> Result<Opened, StartError> {
    let storage = &config.storage;
    let nats = open_nats(config).await.map_err(StartError::Nats)?;
    let publisher = match (&config.nats, &nats) {
        (Some(settings), Some(client)) if settings.fan_out => {
            Some(Arc::new(NatsPublisher::new(client.clone())) as Arc<dyn Publisher>)
        }
        _ => None,
    };
    let shared_log = open_shared_log(config, nats.as_ref()).await.map_err(StartError::Nats)?;
    let database = match &config.cql {
        Some(cql) if uses_cql(storage) => {
            Some(Arc::new(CqlDatabase::open(&cql_settings(cql)).await.map_err(StartError::Database)?))
        }
        _ => None,
    };
    let embedded = if uses_directory(storage) {
        let was_there = storage.data.exists();
        let store = EmbeddedStore::open(&storage.data, &embedded_settings(storage))?;
        let is_ours = !(was_there && store.is_new());
        keep_others_out(&storage.data, is_ours);
        Some(store)
    } else {
        None
    };
    let missing = || StartError::Settings("a part of [storage] was chosen that is not configured".into());
    let event_log = match &shared_log {
        Some(log) => log.clone(),
        None => embedded.as_ref().ok_or_else(missing)?.event_log(),
    };
    let series_store = match storage.history {
        Backend::Embedded => embedded.as_ref().ok_or_else(missing)?.series_store(),
        Backend::Cql => open_series(database.clone().ok_or_else(missing)?, storage).await?,
    };
    let (account_store, audit_log) = match storage.meta {
        Backend::Embedded => {
            let store = embedded.as_ref().ok_or_else(missing)?;
            (store.account_store(), store.audit_log())
        }
        Backend::Cql => open_accounts(database.clone().ok_or_else(missing)?).await?,
    };
    let (meta_store, snapshot_store) = match storage.meta {
        Backend::Embedded => {
            let store = embedded.as_ref().ok_or_else(missing)?;
            (store.meta_store(), store.snapshot_store())
        }
        Backend::Cql => open_meta(database.ok_or_else(missing)?).await?,
    };
    let backends = Backends { event_log, series_store, meta_store, snapshot_store, publisher: publisher.clone() };
    Ok(Opened { backends, account_store, audit_log, embedded, nats, publisher, shared_log })
}

/// Takes the rights of other accounts on the data directory away. A directory that Earcon did not
/// make keeps its rights until it holds an installation, and a shared one such as `/tmp` for ever:
/// others may need it. The files in it are closed to others in any case.
fn keep_others_out(data: &Path, is_ours: bool) {
    let Ok(mode) = std::fs::metadata(data).map(|metadata| metadata.permissions().mode() & 0o7777) else { return };
    if mode & 0o077 == 0 {
        return;
    }
    let data_directory = data.display();
    let is_shared = mode & STICKY != 0;
    if !is_ours || is_shared {
        tracing::warn!(
            "others can enter the data directory; if it is only for Earcon, run: chmod 700 {data_directory}"
        );
        return;
    }
    match std::fs::set_permissions(data, Permissions::from_mode(0o700)) {
        Ok(()) => tracing::info!(
            "data directory {data_directory}: mode {mode:04o} became 0700, so that others cannot read it"
        ),
        Err(error) => tracing::warn!(%error, "others can enter the data directory; run: chmod 700 {data_directory}"),
    }
}

/// What the cluster needs, if this node is part of one.
pub(super) async fn cluster(
    config: &Config,
    opened: &Opened,
    clock: Arc<dyn Clock>,
    authorizer: Authorizer,
) -> Result<Option<ClusterArgs>, PortError> {
    let (Some(cluster), Some(nats), Some(client)) = (&config.cluster, &config.nats, &opened.nats) else {
        return Ok(None);
    };
    Ok(Some(ClusterArgs {
        node: cluster.node.clone(),
        lease: cluster.lease,
        registry: Arc::new(NatsRegistry::open(client.clone(), BUCKET, nats.replicas).await?),
        transport: Arc::new(NatsTransport::new(client.clone())),
        meta_store: opened.backends.meta_store.clone(),
        clock,
        authorizer,
    }))
}

/// Connects to NATS. A node with its log in NATS, or in a cluster, does not start without it; a
/// node that only publishes does.
async fn open_nats(config: &Config) -> Result<Option<async_nats::Client>, PortError> {
    let name = config.cluster.as_ref().map_or("earcon", |cluster| cluster.node.as_str());
    match &config.nats {
        Some(nats) if needs_nats(config) => connect(&nats_settings(nats), name).await.map(Some),
        Some(nats) if uses_nats(nats) => connect_when_possible(&nats_settings(nats), name).await.map(Some),
        _ => Ok(None),
    }
}

async fn open_shared_log(
    config: &Config,
    client: Option<&async_nats::Client>,
) -> Result<Option<Arc<dyn SharedLog>>, PortError> {
    let (LogBackend::JetStream, Some(nats), Some(client)) = (config.storage.log, &config.nats, client) else {
        return Ok(None);
    };
    let limit_bytes = config.storage.log_bytes * LOG_HEADROOM;
    let settings = JetStreamLogSettings::new(nats.replicas, limit_bytes);
    Ok(Some(Arc::new(JetStreamLog::connect(client.clone(), settings).await?)))
}

async fn open_series(database: Arc<CqlDatabase>, storage: &Storage) -> Result<Arc<dyn SeriesStore>, StartError> {
    let settings = SeriesSettings { ttl: Some(storage.history_age + TTL_MARGIN) };
    let series = CqlSeries::new(database, settings).await.map_err(StartError::Database)?;
    Ok(Arc::new(series))
}

async fn open_meta(database: Arc<CqlDatabase>) -> Result<(Arc<dyn MetaStore>, Arc<dyn SnapshotStore>), StartError> {
    let meta = CqlMeta::open(database.clone()).await.map_err(StartError::Database)?;
    let snapshots = CqlSnapshots::open(database).await.map_err(StartError::Database)?;
    Ok((Arc::new(meta), Arc::new(snapshots)))
}

async fn open_accounts(database: Arc<CqlDatabase>) -> Result<(Arc<dyn AccountStore>, Arc<dyn AuditLog>), StartError> {
    let accounts = CqlAccounts::open(database.clone()).await.map_err(StartError::Database)?;
    let audit = CqlAudit::open(database).await.map_err(StartError::Database)?;
    Ok((Arc::new(accounts), Arc::new(audit)))
}

fn needs_nats(config: &Config) -> bool {
    config.storage.log == LogBackend::JetStream || config.cluster.is_some()
}

fn uses_nats(nats: &Nats) -> bool {
    nats.fan_out || nats.ingest
}

fn uses_cql(storage: &Storage) -> bool {
    [storage.history, storage.meta].contains(&Backend::Cql)
}

fn uses_directory(storage: &Storage) -> bool {
    storage.log == LogBackend::Embedded || [storage.history, storage.meta].contains(&Backend::Embedded)
}
