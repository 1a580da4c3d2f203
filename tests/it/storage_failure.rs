//! Storage failures.
//!
//! If the log refuses an append, no client sees the lost events and the workspace recovers from the
//! log. If the history is unavailable, samples are accepted and scored, and the history catches up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use earcon::actors::admission::Receipt;
use earcon::actors::context::{Backends, Context, Faults, RetentionSettings, Settings};
use earcon::actors::ingest::ingest;
use earcon::actors::log_health::LogHealth;
use earcon::actors::node::{self, Node};
use earcon::actors::supervision::RestartPolicy;
use earcon::app::clock::SystemClock;
use earcon_adapters_embedded::{EmbeddedSettings, EmbeddedStore};
use earcon_audio::MixSettings;
use earcon_model::{
    Anomaly, AnomalyId, Arrival, Clock, Event, KpiBatch, KpiName, Labels, Sample, Seq, SeriesBatch, WorkspaceId,
};
use earcon_ports::{
    AnomalyFilter, ErrorKind, EventLog, LogHead, Page, PortError, RollupSeries, SampleSeries, SeriesQuery, SeriesStore,
    StoredBatch,
};
use earcon_streams::StreamSettings;
use earcon_tenancy::{Authorizer, WorkspacePass};

use crate::support::{Server, eventually};

const START: i64 = 1_767_225_600_000;

/// The real log. Refuses one append if `refuse` is set. Panics when it is opened while `panics` is
/// set.
struct Refusing {
    log: Arc<dyn EventLog>,
    refuse: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
}

#[async_trait]
impl EventLog for Refusing {
    async fn open(&self, pass: &WorkspacePass) -> Result<LogHead, PortError> {
        assert!(!self.panics.load(Ordering::SeqCst), "the log cannot be opened");
        self.log.open(pass).await
    }
    async fn head(&self, pass: &WorkspacePass) -> Result<Option<LogHead>, PortError> {
        self.log.head(pass).await
    }
    async fn append(&self, pass: &WorkspacePass, events: Vec<Arc<Event>>) -> Result<(), PortError> {
        if self.refuse.swap(false, Ordering::SeqCst) {
            return Err(PortError::new(ErrorKind::Unavailable, "the disk is full"));
        }
        self.log.append(pass, events).await
    }
    async fn read(&self, pass: &WorkspacePass, from: Seq, max_events: usize) -> Result<Page, PortError> {
        self.log.read(pass, from, max_events).await
    }
    async fn trim(&self, pass: &WorkspacePass, before: Seq) -> Result<Seq, PortError> {
        self.log.trim(pass, before).await
    }
    async fn seq_at(&self, pass: &WorkspacePass, time_ms: i64) -> Result<Seq, PortError> {
        self.log.seq_at(pass, time_ms).await
    }
    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        self.log.remove(pass).await
    }
    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError> {
        self.log.size_bytes(pass).await
    }
}

/// The real history. Unavailable while `away` is set.
struct Away {
    store: Arc<dyn SeriesStore>,
    away: Arc<AtomicBool>,
}

impl Away {
    fn store(&self) -> Result<&dyn SeriesStore, PortError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(PortError::new(ErrorKind::Unavailable, "the history is away"));
        }
        Ok(self.store.as_ref())
    }
}

#[async_trait]
impl SeriesStore for Away {
    async fn cursor(&self, pass: &WorkspacePass) -> Result<Seq, PortError> {
        self.store()?.cursor(pass).await
    }
    async fn apply(&self, pass: &WorkspacePass, batch: StoredBatch) -> Result<(), PortError> {
        self.store()?.apply(pass, batch).await
    }
    async fn flush(&self, pass: &WorkspacePass) -> Result<Seq, PortError> {
        self.store()?.flush(pass).await
    }
    async fn rewind(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        self.store()?.rewind(pass).await
    }
    async fn samples(
        &self,
        pass: &WorkspacePass,
        query: &SeriesQuery,
        limit: usize,
    ) -> Result<Vec<SampleSeries>, PortError> {
        self.store()?.samples(pass, query, limit).await
    }
    async fn rollups(
        &self,
        pass: &WorkspacePass,
        query: &SeriesQuery,
        step_ms: i64,
    ) -> Result<Vec<RollupSeries>, PortError> {
        self.store()?.rollups(pass, query, step_ms).await
    }
    async fn anomalies(&self, pass: &WorkspacePass, filter: &AnomalyFilter) -> Result<Vec<Anomaly>, PortError> {
        self.store()?.anomalies(pass, filter).await
    }
    async fn anomaly(&self, pass: &WorkspacePass, id: AnomalyId) -> Result<Option<Anomaly>, PortError> {
        self.store()?.anomaly(pass, id).await
    }
    async fn expire(&self, pass: &WorkspacePass, before_ms: i64) -> Result<(), PortError> {
        self.store()?.expire(pass, before_ms).await
    }
    async fn shrink(&self, pass: &WorkspacePass, max_bytes: u64) -> Result<(), PortError> {
        self.store()?.shrink(pass, max_bytes).await
    }
    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        self.store()?.remove(pass).await
    }
    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError> {
        self.store()?.size_bytes(pass).await
    }
}

fn context(store: &EmbeddedStore, refuse: Arc<AtomicBool>, away: Arc<AtomicBool>) -> Context {
    let day = Duration::from_secs(86_400);
    let retention = RetentionSettings {
        every: day,
        log_age: 36_500 * day,
        log_bytes: u64::MAX,
        history_age: 36_500 * day,
        history_bytes: u64::MAX,
    };
    let settings = Settings {
        streams: Arc::new(StreamSettings::default()),
        streams_by_workspace: Default::default(),
        max_workspaces: 1,
        max_kpis: 10,
        max_in_flight_samples: 10_000,
        live_buffer: 16,
        snapshot_every: day,
        flush_every: Duration::from_millis(50),
        retention,
        restart: RestartPolicy { backoff: Duration::from_millis(1), ..RestartPolicy::default() },
        mix: MixSettings::default(),
        incidents: earcon::incidents::IncidentSettings::default(),
        mix_linger: Duration::ZERO,
    };
    let backends = Backends {
        event_log: Arc::new(Refusing { log: store.event_log(), refuse, panics: Arc::default() }),
        series_store: Arc::new(Away { store: store.series_store(), away }),
        meta_store: store.meta_store(),
        snapshot_store: store.snapshot_store(),
        publisher: None,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Context {
        meanings: earcon::services::meanings::MeaningService::new(backends.meta_store.clone()),
        mutes: earcon::services::mutes::MuteService::new(backends.meta_store.clone(), clock.clone()),
        backends,
        wall: clock.clone(),
        clock_health: Default::default(),
        series_budget: Default::default(),
        clock,
        settings: Arc::new(settings),
        authorizer: Authorizer::new(),
        placement: None,
        transport: None,
        log_health: LogHealth::default(),
        snapshot_turns: Default::default(),
        storage: Default::default(),
        faults: Faults::default(),
    }
}

async fn send(node: &Node, at: i64, value: f64) -> Option<Receipt> {
    let workspace = node.open(&WorkspaceId::new("local").unwrap()).await.ok()?;
    let rows = vec![(0, Sample { timestamp_ms: START + at * 1_000, value })];
    let series = vec![SeriesBatch::gauge(Labels::none(), rows)];
    ingest(&workspace, vec![KpiBatch { kpi: KpiName::new("a").unwrap(), series }], Arrival::Live).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_append_is_not_acknowledged_and_workspace_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), &EmbeddedSettings::default()).unwrap();
    let refuse = Arc::new(AtomicBool::new(false));
    let node = node::actor::start(context(&store, refuse.clone(), Arc::default())).await.unwrap();
    for at in 0..100 {
        assert_eq!(send(&node, at, 1.0).await.unwrap().accepted, 1);
    }
    let workspace = node.open(&WorkspaceId::new("local").unwrap()).await.unwrap();
    let mut follower = workspace.hub().subscribe().await.unwrap();
    let head = follower.seq;

    refuse.store(true, Ordering::SeqCst);
    let receipt = send(&node, 100, 999.0).await.unwrap();
    assert_eq!((receipt.accepted, receipt.failed), (0, 1));
    assert!(
        follower.batches.recv().await.is_err(),
        "followers are disconnected and see no event that the log does not hold"
    );

    let receipt = eventually("the workspace accepts samples again", async || {
        send(&node, 100, 2.0).await.filter(|receipt| receipt.accepted == 1)
    })
    .await;
    assert_eq!(
        (receipt.seq, receipt.late),
        (head + 1, 0),
        "no hole, and the refused sample left no trace in the state"
    );
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_history_delays_nothing_and_catches_up() {
    // This server serves the metrics of the test process.
    let observer = Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), &EmbeddedSettings::default()).unwrap();
    let away = Arc::new(AtomicBool::new(true));
    let context = context(&store, Arc::default(), away.clone());
    let node = node::actor::start(context.clone()).await.unwrap();
    assert_eq!(send(&node, 0, 1.0).await.unwrap().accepted, 1);
    let workspace = node.open(&WorkspaceId::new("local").unwrap()).await.unwrap();
    let mut follower = workspace.hub().subscribe().await.unwrap();
    for at in 1..=200 {
        assert_eq!(send(&node, at, 1.0).await.unwrap().accepted, 1, "accepted while the history is away");
        let batch = follower.batches.recv().await.expect("and broadcast");
        assert_eq!(batch.events().count(), 1);
    }
    eventually("the lag is seen", async || {
        (observer.metric("earcon_consumer_lag_events").await >= 201.0).then_some(())
    })
    .await;

    away.store(false, Ordering::SeqCst);
    let pass = Authorizer::new().system(workspace.id());
    let kpi = KpiName::new("a").unwrap();
    let query = SeriesQuery { kpi, labels: Labels::none(), from_ms: START, to_ms: START + 1_000_000 };
    eventually("the history has caught up", async || {
        let found = context.backends.series_store.samples(&pass, &query, 1_000).await.unwrap();
        (found.first()?.rows.len() == 201).then_some(())
    })
    .await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workspace_whose_opening_panics_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), &EmbeddedSettings::default()).unwrap();
    let (refuse, panics) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut context = context(&store, refuse.clone(), Arc::default());
    context.backends.event_log =
        Arc::new(Refusing { log: store.event_log(), refuse: refuse.clone(), panics: panics.clone() });
    let node = node::actor::start(context).await.unwrap();
    assert!(send(&node, 1, 1.0).await.is_some());
    assert_eq!(node.problem(), None);

    panics.store(true, Ordering::SeqCst);
    refuse.store(true, Ordering::SeqCst);
    let _refused = send(&node, 2, 2.0).await;
    let failed = eventually("the failure is known", async || node.failed().into_iter().next()).await;
    assert!(failed.1.contains("ended early"), "{}", failed.1);
    let problem = eventually("a workspace without actors is a problem", async || node.problem()).await;
    assert!(problem.contains("local"), "{problem}");

    panics.store(false, Ordering::SeqCst);
    eventually("it is open again", async || send(&node, 3, 3.0).await).await;
    eventually("it is no problem any more", async || node.problem().is_none().then_some(())).await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn end_of_the_root_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), &EmbeddedSettings::default()).unwrap();
    let node = node::actor::start(context(&store, Arc::default(), Arc::default())).await.unwrap();
    assert!(send(&node, 1, 1.0).await.is_some());
    node.cell().kill();
    node.ended().await;
    assert!(node.problem().is_some_and(|problem| problem.contains("the root")));
}
