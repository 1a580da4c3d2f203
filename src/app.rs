//! The composition root: the only place that names adapters. Builds a server from a configuration, runs it, takes it down.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::ServiceExt;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::actors::directory::Directory;
use crate::actors::node::Node;
use crate::actors::retention::RetentionSettings;
use crate::actors::supervision::RestartPolicy;
use crate::actors::{Backends, Context, Faults, Settings};
use crate::adapters::clock::SystemClock;
use crate::adapters::embedded::{EmbeddedSettings, EmbeddedStore, OpenError};
pub use crate::adapters::scylla::{Migrated, migrate};
use crate::audio::MixSettings;
use crate::config::Config;
use crate::gateway::{Gateway, Limits, router};
use crate::model::Clock;
use crate::ports::PortError;
use crate::streams::{StreamOptions, StreamSettings};
use crate::telemetry::describe_all;
use crate::tenancy::Access;

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
    /// The data directory cannot be used.
    #[error("{0}")]
    Storage(#[from] OpenError),
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
    store: EmbeddedStore,
    clock: Arc<dyn Clock>,
    shutdown: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
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
        let metrics = install_metrics();
        let address = config.server.listen;
        // Bound before the storage is touched, so that a second server on the port leaves the data alone.
        let listener = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;

        let store = EmbeddedStore::open(&config.storage.data, &EmbeddedSettings::default())?;
        let backends = Backends {
            event_log: store.event_log(),
            series_store: store.series_store(),
            meta_store: store.meta_store(),
            snapshot_store: store.snapshot_store(),
        };
        let settings = Arc::new(actor_settings(config, overrides.restart).map_err(StartError::Settings)?);
        let clock = overrides.clock;
        let context = Context {
            backends: backends.clone(),
            clock: clock.clone(),
            settings,
            tenancy: None,
            faults: overrides.faults,
        };
        let node = Node::start(context).await?;
        let directory = Directory::local(node.clone());

        let (shutdown, shutdown_seen) = watch::channel(false);
        let gateway = Gateway {
            directory: directory.clone(),
            event_log: backends.event_log,
            series_store: backends.series_store,
            clock: clock.clone(),
            access: Access,
            limits: Arc::new(limits(config)),
            metrics: metrics.clone(),
            shutdown: shutdown_seen.clone(),
        };
        let server = tokio::spawn(serve(listener, gateway, shutdown_seen));
        let upkeep = tokio::spawn(upkeep(metrics));
        Ok(Self { address, node, directory, store, clock, shutdown, server, upkeep, drain: config.server.drain })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
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
        let _nobody_listens = self.shutdown.send(true).is_err();
        self.upkeep.abort();
        let abort_server = self.server.abort_handle();
        let orderly = async {
            let _server = self.server.await;
            self.node.close().await;
            if let Err(error) = self.store.close().await {
                tracing::error!(%error, "the storage was not closed cleanly; the next start repairs it");
            }
        };
        if tokio::time::timeout(self.drain, orderly).await.is_err() {
            abort_server.abort();
            tracing::warn!("shutdown took too long and was cut short; the next start scores some samples again");
        }
    }
}

async fn serve(listener: TcpListener, gateway: Gateway, mut shutdown: watch::Receiver<bool>) -> io::Result<()> {
    let app = router(gateway);
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

fn actor_settings(config: &Config, restart: RestartPolicy) -> Result<Settings, String> {
    let streams = StreamOptions {
        max_series: config.streams.max_series,
        grace_min_ms: config.streams.stalled_after.as_millis() as i64,
        grace_factor: config.streams.stalled_after_intervals,
        sensitivity: config.streams.sensitivity,
        ..StreamOptions::default()
    };
    let streams = StreamSettings::try_from(streams).map_err(|problems| {
        problems.iter().map(|problem| format!("streams: {problem}")).collect::<Vec<_>>().join("; ")
    })?;
    Ok(Settings {
        streams: Arc::new(streams),
        max_workspaces: config.streams.max_workspaces,
        max_kpis: config.streams.max_kpis,
        max_in_flight_samples: config.ingest.max_in_flight_samples,
        live_buffer: config.live.buffer_commits,
        snapshot_every: config.streams.snapshot_every,
        flush_every: config.storage.flush_every,
        retention: RetentionSettings {
            every: Duration::from_secs(60),
            log_age: config.storage.log_age,
            log_bytes: config.storage.log_bytes,
            history_age: config.storage.history_age,
            history_bytes: config.storage.history_bytes,
        },
        restart,
        mix: MixSettings { mode: config.sound.mode, voices: config.sound.voices, ..MixSettings::default() },
        mix_linger: config.sound.linger,
    })
}

fn limits(config: &Config) -> Limits {
    Limits {
        max_body_bytes: config.server.max_body_bytes,
        max_batch_samples: config.ingest.max_batch_samples,
        replay_events: config.live.replay_events,
    }
}

/// One recorder a process: the `metrics` crate allows no more, and tests start many servers in one process.
fn install_metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    const SECONDS: [f64; 14] =
        [0.000_05, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
    const COUNTS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0];
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
                .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_events".into()), &COUNTS))
                .expect("the bucket lists are not empty")
                .build_recorder();
            let handle = recorder.handle();
            // Somebody who embeds the library may have a recorder of their own; `/metrics` is empty then.
            let _already_set = metrics::set_global_recorder(recorder).is_err();
            describe_all();
            handle
        })
        .clone()
}

/// Keeps the histograms of the recorder small between scrapes.
async fn upkeep(metrics: PrometheusHandle) {
    let mut every = tokio::time::interval(Duration::from_secs(5));
    loop {
        every.tick().await;
        metrics.run_upkeep();
    }
}

/// The directory `earcon demo` uses when none is given: apart from a server's own.
pub fn demo_data(data: &std::path::Path) -> PathBuf {
    data.join("demo")
}
