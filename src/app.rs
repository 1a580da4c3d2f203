//! The composition root: the only place that names adapters. Builds a server from a configuration, runs it, takes it down.

mod adapter_settings;
mod backends;
pub mod clock;
mod metrics;
mod settings;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::ServiceExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use earcon_adapters_cql::Migrated;

use self::clock::SystemClock;
use self::settings::{actor_settings, limits, statsd_settings};
use crate::actors::cluster::Cluster;
use crate::actors::directory::Directory;
use crate::actors::node::{Node, Tenancy};
use crate::actors::supervision::RestartPolicy;
use crate::actors::{Context, Faults};
use crate::config::Config;
use crate::gateway::{Gateway, NatsGateway, NatsServices, Parts, StatsdGateway, router, start_statsd};
use crate::services::anomalies::AnomalyService;
use crate::services::detectors::DetectorService;
use crate::services::incidents::IncidentRecords;
use crate::services::local_time::LocalTimes;
use crate::services::mutes::MuteService;
use crate::services::rules::RuleService;
use earcon_adapters_embedded::{EmbeddedStore, OpenError};
use earcon_model::Clock;
use earcon_ports::PortError;
use earcon_tenancy::Authorizer;

/// Why a server did not start. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}. Another program may be using the port; \
         choose another with --listen, for example --listen 127.0.0.1:0 for any free one"
    )]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The address for StatsD cannot be listened on.
    #[error("cannot listen for StatsD on {address}: {source}. Choose another address with statsd.listen")]
    Statsd {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("{0}")]
    Storage(#[from] OpenError),
    /// NATS cannot be used as it is configured.
    #[error("{0}")]
    Nats(PortError),
    /// The database cannot be used.
    #[error("{0}")]
    Database(PortError),
    /// What is stored cannot be brought up.
    #[error("the stored workspaces cannot be opened: {0}")]
    Recovery(#[from] PortError),
    /// A setting that only shows its fault when it is used.
    #[error("{0}")]
    Settings(String),
}

/// A running server.
pub struct App {
    address: SocketAddr,
    node: Node,
    directory: Directory,
    member: Option<(Cluster, JoinHandle<()>)>,
    store: Option<EmbeddedStore>,
    clock: Arc<dyn Clock>,
    shutdown: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
    nats: Option<NatsGateway>,
    statsd: Option<StatsdGateway>,
    upkeep: JoinHandle<()>,
    drain: Duration,
}

/// What a test may replace.
#[derive(Clone)]
pub struct Overrides {
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Injected failures.
    pub faults: Faults,
    /// How streams are restarted.
    pub restart: RestartPolicy,
}

impl Default for Overrides {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), faults: Faults::default(), restart: RestartPolicy::default() }
    }
}

impl App {
    /// Binds, opens the storage, brings every workspace up, then answers requests.
    pub async fn start(config: &Config, overrides: Overrides) -> Result<Self, StartError> {
        let recorder = metrics::install();
        let address = config.server.listen;
        // Bound before the storage is touched, so that a second server on the port leaves the data alone.
        let listener = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;

        let settings = Arc::new(actor_settings(config, overrides.restart).map_err(StartError::Settings)?);
        let clock = overrides.clock;
        let opened = backends::open(config).await?;
        let args = backends::cluster(config, &opened, clock.clone()).await.map_err(StartError::Nats)?;
        let cluster = args.as_ref().map(Cluster::new);
        let tenancy = cluster.as_ref().map(|(cluster, _)| Arc::new(cluster.clone()) as Arc<dyn Tenancy>);
        let mutes = MuteService::new(opened.backends.meta_store.clone(), clock.clone());
        let zones = &config.streams.time_zones;
        let local_times = LocalTimes::new(zones.usual.clone(), zones.of.clone());
        let context = Context {
            muting: mutes.clone(),
            backends: opened.backends.clone(),
            clock: clock.clone(),
            settings,
            tenancy,
            faults: overrides.faults,
        };
        let node = Node::start(context.clone()).await?;
        let (directory, member) = match (cluster, args, &opened.shared_log) {
            (Some((cluster, joining)), Some(args), Some(log)) => {
                let conductor = cluster.join(joining, args, node.clone()).await.map_err(StartError::Nats)?;
                let directory = Directory::clustered(node.clone(), cluster.clone(), log.clone(), &context);
                (directory, Some((cluster, conductor)))
            }
            _ => (Directory::local(node.clone()), None),
        };
        let streams = context.settings.streams.clone();
        drop(context);

        let (shutdown, shutdown_seen) = watch::channel(false);
        let (meta, history) = (opened.backends.meta_store, opened.backends.series_store);
        let gateway = Gateway::new(Parts {
            directory: directory.clone(),
            event_log: opened.backends.event_log,
            detectors: DetectorService::new(meta.clone(), streams, clock.clone(), Arc::new(directory.clone())),
            incidents: IncidentRecords::new(meta.clone()),
            rules: RuleService::new(meta, config.ingest.known_series),
            anomalies: AnomalyService::new(history.clone(), mutes.clone(), local_times, clock.clone()),
            series_store: history,
            clock: clock.clone(),
            mutes,
            access: Authorizer,
            limits: limits(config),
            metrics: recorder.clone(),
            shutdown: shutdown_seen.clone(),
        });
        let nats = match (&config.nats, opened.nats) {
            (Some(nats), Some(client)) => {
                let services = NatsServices { ingest: nats.ingest, sound: opened.publisher };
                Some(NatsGateway::start(&gateway, client, services).await.map_err(StartError::Nats)?)
            }
            _ => None,
        };
        let statsd = match &config.statsd {
            Some(settings) => {
                let failed = |source| StartError::Statsd { address: settings.listen, source };
                Some(start_statsd(&gateway, &statsd_settings(settings)).await.map_err(failed)?)
            }
            None => None,
        };
        let server = tokio::spawn(serve(listener, router(&gateway), shutdown_seen));
        let upkeep = tokio::spawn(metrics::upkeep(recorder));
        let drain = config.server.drain;
        let store = opened.embedded;
        Ok(Self { address, node, directory, member, store, clock, shutdown, server, nats, statsd, upkeep, drain })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for StatsD, when it does.
    pub fn statsd_address(&self) -> Option<SocketAddr> {
        self.statsd.as_ref().map(StatsdGateway::address)
    }

    /// The workspaces, for sources inside the process.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The server's clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Takes the server down in order: no new requests, requests in flight answered, endless answers ended, streams
    /// handed over, log and history written. Past the deadline it goes anyway: what was acknowledged is in the log.
    pub async fn shut_down(self) {
        let Self { node, directory, member, store, shutdown, server, nats, statsd, upkeep, drain, .. } = self;
        let _nobody_listens = shutdown.send(true).is_err();
        upkeep.abort();
        let abort_server = server.abort_handle();
        let orderly = async {
            let _server = server.await;
            if let Some(nats) = nats {
                nats.finish().await;
            }
            if let Some(statsd) = statsd {
                statsd.finish().await;
            }
            if let Some((cluster, conductor)) = member {
                cluster.leave().await;
                let _panicked = conductor.await.is_err();
            }
            node.close().await;
            drop((node, directory));
            if let Some(store) = store
                && let Err(error) = store.close().await
            {
                tracing::error!(%error, "the storage was not closed cleanly; the next start repairs it");
            }
        };
        if tokio::time::timeout(drain, orderly).await.is_err() {
            abort_server.abort();
            tracing::warn!("shutdown took too long and was cut short; the next start scores some samples again");
        }
    }
}

async fn serve(listener: TcpListener, app: axum::Router, mut shutdown: watch::Receiver<bool>) -> io::Result<()> {
    let service = ServiceExt::<axum::extract::Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    axum::serve(
        axum::serve::ListenerExt::tap_io(listener, |tcp| {
            // Frames are flushed when they are complete; waiting for more would only add latency.
            let _refused = tcp.set_nodelay(true).is_err();
        }),
        service,
    )
    .with_graceful_shutdown(async move {
        let _gone = shutdown.wait_for(|down| *down).await.is_err();
    })
    .await
}

/// The directory `earcon demo` uses when none is given: apart from a server's own.
pub fn demo_data(data: &std::path::Path) -> PathBuf {
    data.join("demo")
}

/// Brings the database to the schema of this version.
///
/// # Errors
/// `Invalid` if the keyspace or its schema cannot be used, `Unavailable` if the database does not answer.
pub async fn migrate(cql: &crate::config::Cql) -> Result<Migrated, PortError> {
    earcon_adapters_cql::migrate(&adapter_settings::cql_settings(cql)).await
}
