//! The composition root: the only place that names adapters and makes an authorizer. It builds a
//! server from a configuration, runs it and shuts it down.

mod accounts;
mod adapter_settings;
mod backends;
pub mod clock;
mod clock_watch;
mod error;
mod gateway;
mod memory;
mod metrics;
mod node;
mod overrides;
mod settings;
mod storage_watch;
mod workspaces;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::error::StartError;
pub use self::overrides::Overrides;
pub(crate) use self::settings::utc_offsets;
pub use earcon_adapters_cql::Migrated;
pub use earcon_adapters_embedded::doctor;

use self::node::{Member, Started};
use crate::actors::context::Context;
use crate::actors::directory::Directory;
use crate::actors::node::Node;
use crate::config::Config;
use crate::gateway::{Certificates, NatsGateway, StatsdGateway, TlsSettings, router};
use crate::services::meanings::MeaningService;
use earcon_accounts::Accounts;
use earcon_adapters_embedded::EmbeddedStore;
use earcon_adapters_http::OutboundHttp;
use earcon_model::{Clock, WorkspaceId};
use earcon_ports::{HttpClient, PortError};
use earcon_tenancy::{Authorizer, WorkspacePass};

/// A running server.
pub struct App {
    address: SocketAddr,
    node: Node,
    directory: Directory,
    member: Option<Member>,
    store: Option<EmbeddedStore>,
    clock: Arc<dyn Clock>,
    authorizer: Authorizer,
    meanings: MeaningService,
    outbound: Arc<dyn HttpClient>,
    certificate_watch: Option<JoinHandle<()>>,
    shutdown: watch::Sender<bool>,
    server: JoinHandle<()>,
    nats: Option<NatsGateway>,
    statsd: Option<StatsdGateway>,
    upkeep: JoinHandle<()>,
    accounts: Accounts,
    accounts_upkeep: JoinHandle<()>,
    clock_watch: JoinHandle<()>,
    creation: Option<JoinHandle<()>>,
    storage_watch: Option<JoinHandle<()>>,
    drain: Duration,
}

impl App {
    /// Binds, opens the storage, brings every workspace up, then answers requests.
    ///
    /// # Errors
    /// If an address, the storage, NATS or the database cannot be used.
    pub async fn start(config: &Config, overrides: Overrides) -> Result<Self, StartError> {
        let recorder = metrics::install();
        let address = config.server.listen;
        // Bound before the storage is opened, so that a second server on the port leaves the data
        // alone.
        let listener = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;

        let clock = overrides.clock.clone();
        let (certificates, certificate_watch) = certificates(config).await?.unzip();
        let outbound = OutboundHttp::new(&adapter_settings::http_settings(&config.outbound), clock.clone());
        let outbound: Arc<dyn HttpClient> = Arc::new(outbound.map_err(StartError::Outbound)?);
        let authorizer = Authorizer::for_accounts(config.accounts.required);
        let opened = backends::open(config).await?;
        let accounts = accounts::open(config, &opened, clock.clone(), &authorizer).await?;
        let Started { node, directory, member, context } =
            node::start(config, overrides, &opened, authorizer.clone()).await?;

        let storage_watch = match &opened.embedded {
            Some(store) => {
                announce_directory(config, store, &node);
                Some(watch_storage(config, store, &context).await?)
            }
            None => None,
        };
        let clock_watch = tokio::spawn(clock_watch::run(clock.clone(), context.clock_health.clone()));
        let creation = workspaces::create_configured(config, &directory, member.is_some()).await;
        let (shutdown, shutdown_seen) = watch::channel(false);
        let gateway = gateway::build(
            config,
            &context,
            address,
            (directory.clone(), accounts.clone()),
            recorder.clone(),
            shutdown_seen,
        )?;
        let meanings = context.meanings.clone();
        drop(context);
        let nats = gateway::start_nats(config, &gateway, &opened).await?;
        let statsd = gateway::start_statsd(config, &gateway).await?;
        let routes = router(&gateway);
        let server = tokio::spawn(gateway.serve(listener, certificates, routes));
        let upkeep = tokio::spawn(metrics::upkeep(recorder));
        if config.accounts.required {
            accounts::announce_owner_link(&accounts, address).await?;
        }
        let accounts_upkeep = tokio::spawn(accounts::upkeep(accounts.clone(), Arc::new(config.clone())));
        let drain = config.server.drain;
        let store = opened.embedded;
        Ok(Self {
            address,
            node,
            directory,
            member,
            store,
            clock,
            authorizer,
            meanings,
            outbound,
            certificate_watch,
            shutdown,
            server,
            nats,
            statsd,
            upkeep,
            accounts,
            accounts_upkeep,
            clock_watch,
            creation,
            storage_watch,
            drain,
        })
    }

    /// Users, keys, sessions and the audit log.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, for a browser on this machine.
    pub fn url(&self) -> String {
        let scheme = if self.certificate_watch.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/", self.address)
    }

    /// The address it listens on for StatsD, if it does.
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

    /// Units and descriptions of KPIs.
    pub fn meanings(&self) -> MeaningService {
        self.meanings.clone()
    }

    /// Requests to other servers, under the egress policy.
    pub fn outbound(&self) -> Arc<dyn HttpClient> {
        self.outbound.clone()
    }

    /// A pass for a source inside the process.
    pub fn system_pass(&self, workspace: &WorkspaceId) -> WorkspacePass {
        self.authorizer.system(workspace)
    }

    /// Waits until the root of all workspaces has ended. That is a fault: nothing runs any more,
    /// and the process has to be started again.
    pub async fn failed(&self) {
        self.node.ended().await;
    }

    /// Shuts the server down in order: no new requests, requests in flight answered, endless
    /// answers ended, streams handed over, log and history written. After the deadline it stops
    /// anyway: samples with a receipt are in the log.
    pub async fn shut_down(self) {
        let Self { node, directory, member, store, shutdown, server, nats, statsd, drain, meanings, .. } = self;
        let (accounts, authorizer) = (self.accounts, self.authorizer);
        // It holds the store, which closes when the last user is gone.
        drop(meanings);
        let watches = [
            Some(self.upkeep),
            Some(self.accounts_upkeep),
            Some(self.clock_watch),
            self.certificate_watch,
            self.creation,
            self.storage_watch,
        ];
        let _no_listeners = shutdown.send(true).is_err();
        watches.into_iter().flatten().for_each(|watch| watch.abort());
        let abort_server = server.abort_handle();
        let orderly = async {
            let _server = server.await;
            if let Err(error) = accounts.write_used_keys().await {
                tracing::warn!(%error, "the last use of keys was not written");
            }
            // Both know the store too.
            drop((accounts, authorizer));
            if let Some(nats) = nats {
                nats.finish().await;
            }
            if let Some(statsd) = statsd {
                statsd.finish().await;
            }
            if let Some((cluster, controller)) = member {
                cluster.leave().await;
                let _panicked = controller.await.is_err();
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

/// The directory `earcon demo` uses when none is given: apart from a server's own.
pub fn demo_data(data: &std::path::Path) -> PathBuf {
    data.join("demo")
}

/// Brings the database to the schema of this version.
///
/// # Errors
/// `Invalid` if the keyspace or its schema cannot be used, `Unavailable` if the database
/// does not answer.
pub async fn migrate(cql: &crate::config::Cql) -> Result<Migrated, PortError> {
    earcon_adapters_cql::migrate(&adapter_settings::cql_settings(cql)).await
}

/// The certificate, and the task that reads it again when it changes. `None` without TLS.
async fn certificates(config: &Config) -> Result<Option<(Certificates, JoinHandle<()>)>, StartError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let (certificate, key) = (tls.certificate.clone(), tls.key.clone());
    let settings = TlsSettings { certificate, key, hsts_days: tls.hsts_days };
    let (certificates, watch) = Certificates::open(settings).await.map_err(StartError::Tls)?;
    Ok(Some((certificates, tokio::spawn(watch))))
}

/// Says which directory holds the data, and whether it was there.
fn announce_directory(config: &Config, store: &EmbeddedStore, node: &Node) {
    let data = &config.storage.data;
    let path = std::path::absolute(data).unwrap_or_else(|_| data.clone());
    if store.is_new() {
        tracing::info!("data directory {}: created", path.display());
    } else {
        let count = node.workspaces().len();
        let noun = if count == 1 { "workspace" } else { "workspaces" };
        tracing::info!("data directory {}: opened, {count} {noun}", path.display());
    }
}

/// Measures the disk once, so that a full one refuses the first sample, and from then on in the
/// background.
async fn watch_storage(
    config: &Config,
    store: &EmbeddedStore,
    context: &Context,
) -> Result<JoinHandle<()>, StartError> {
    let (health, reserve_bytes) = (context.storage.clone(), config.storage.reserve_bytes);
    let disk = store.disk().map_err(|error| StartError::Settings(format!("storage.data: {error}")))?;
    storage_watch::measure(&disk, &health, reserve_bytes).await;
    let keeper = store.keeper();
    Ok(tokio::spawn(async move {
        tokio::join!(storage_watch::run(disk, health.clone(), reserve_bytes), storage_watch::tend(keeper, health));
    }))
}
