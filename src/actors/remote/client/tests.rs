use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::Notify;

use super::*;
use crate::actors::cluster::handle::ClusterArgs;
use crate::actors::remote::request::Header;
use crate::actors::remote::wire::{decode, encode};
use crate::actors::workspace::command::WorkspaceStatus;
use crate::cluster::{NodeEpoch, Ownership};
use crate::services::storage_health::StorageHealth;
use earcon_adapters_embedded::{EmbeddedSettings, EmbeddedStore};
use earcon_model::{
    Event, KpiEvent, KpiName, Labels, ManualClock, Sample, ScoredSample, SeriesBatch, SeriesEvent, SeriesSamples,
    SeriesStatus, WorkspaceId,
};
use earcon_ports::{Change, IncomingRequest, NodeTransport, PortError, Registry, Revision, TransportError, Watch};
use earcon_tenancy::Authorizer;

/// The table is not used: the tests set owners themselves.
struct NoTable;

#[async_trait]
impl Registry for NoTable {
    async fn get(&self, _: &str) -> Result<Option<(Revision, Vec<u8>)>, PortError> {
        Ok(None)
    }
    async fn put(&self, _: &str, _: Vec<u8>) -> Result<Revision, PortError> {
        Ok(1)
    }
    async fn compare_and_set(&self, _: &str, _: Revision, _: Vec<u8>) -> Result<Revision, PortError> {
        Ok(1)
    }
    async fn delete(&self, _: &str) -> Result<(), PortError> {
        Ok(())
    }
    async fn watch(&self) -> Result<Watch, PortError> {
        Ok(Box::pin(futures_util::stream::once(async { Ok(Change::Synced) })))
    }
}

/// Two owners. `a` takes the first KPI of a batch and freezes before it answers. `b` answers, but
/// the answer to its first copy of a batch is lost.
struct Owners {
    log: Arc<dyn EventLog>,
    frozen: Notify,
    lost: AtomicBool,
    /// The batches that `b` was sent.
    sent: Mutex<Vec<(Header, Vec<KpiBatch>)>>,
}

#[async_trait]
impl NodeTransport for Owners {
    fn max_bytes(&self) -> usize {
        1 << 20
    }

    async fn request(
        &self,
        pass: &WorkspacePass,
        to: &str,
        request: Bytes,
        _: Duration,
    ) -> Result<Bytes, TransportError> {
        let (header, command) = decode::<(Header, AnyCommand)>(&request).unwrap();
        match (to, command) {
            ("a-1", AnyCommand::Ingest(Ingest { batches, .. })) => {
                let event = Event::new(2, 0, batches[0].kpi.clone(), SeriesEvent::Samples(logged(&batches[0])));
                self.log.append(pass, vec![Arc::new(event)]).await.unwrap();
                self.frozen.notify_one();
                std::future::pending().await
            }
            ("b-2", AnyCommand::DescribeStatus(_)) => {
                let status = WorkspaceStatus { seq: 2, kpis: 0, parked: 0, history_lag: 0 };
                Ok(encode(&Ok::<_, OwnerError>(status)).unwrap())
            }
            ("b-2", AnyCommand::Ingest(Ingest { batches, .. })) => {
                let accepted = batches.iter().map(|batch| batch.rows().count() as u64).sum();
                self.sent.lock().unwrap().push((header, batches));
                if !self.lost.swap(true, Ordering::Relaxed) {
                    return Err(TransportError::Unknown("the answer is lost".into()));
                }
                let receipt = Receipt { accepted, seq: 3, ..Receipt::default() };
                let reply = Ok::<_, IngestError>(Ingested { receipt, epoch: "e".into() });
                Ok(encode(&Ok::<_, OwnerError>(reply)).unwrap())
            }
            (to, command) => panic!("{to} is sent {command:?}"),
        }
    }

    async fn serve(
        &self,
        _: &WorkspacePass,
        _: &str,
        _: BoxFuture<'static, ()>,
    ) -> Result<BoxStream<'static, IncomingRequest>, PortError> {
        Ok(Box::pin(futures_util::stream::pending()))
    }
    async fn publish(&self, _: &WorkspacePass, _: Bytes) -> Result<(), PortError> {
        Ok(())
    }
    async fn subscribe(&self, _: &WorkspacePass) -> Result<BoxStream<'static, Bytes>, PortError> {
        Ok(Box::pin(futures_util::stream::pending()))
    }
}

fn logged(batch: &KpiBatch) -> Vec<SeriesSamples> {
    let scored = |(_, sample): &(u32, Sample)| ScoredSample {
        timestamp_ms: sample.timestamp_ms,
        value: sample.value,
        score: None,
        expected: f64::NAN,
        lower: f64::NAN,
        upper: f64::NAN,
    };
    let entry = |series: &SeriesBatch| SeriesSamples {
        labels: series.labels.clone(),
        samples: series.rows.iter().map(scored).collect(),
        late: Vec::new(),
        features: None,
        status: SeriesStatus::Normal,
        counter: None,
        looks_like: None,
    };
    batch.series.iter().map(entry).collect()
}

fn batch(kpi: &str) -> KpiBatch {
    let rows = (0..3).map(|row| (row, Sample { timestamp_ms: i64::from(row), value: 0.5 }));
    KpiBatch { kpi: KpiName::new(kpi).unwrap(), series: vec![SeriesBatch::gauge(Labels::parse("k:v").unwrap(), rows)] }
}

#[tokio::test]
async fn next_owner_gets_only_what_the_log_lacks_and_gets_it_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), &EmbeddedSettings::default()).unwrap();
    let (log, authorizer) = (store.event_log(), Authorizer::new());
    let workspace = WorkspaceId::new("local").unwrap();
    let pass = authorizer.system(&workspace);
    log.open(&pass).await.unwrap();
    let first = Event::new(1, 0, KpiName::new("first").unwrap(), KpiEvent::Resumed);
    log.append(&pass, vec![Arc::new(first)]).await.unwrap();

    let owners = Arc::new(Owners {
        log: log.clone(),
        frozen: Notify::new(),
        lost: AtomicBool::new(false),
        sent: Mutex::default(),
    });
    let (cluster, _inbox) = Cluster::new(&ClusterArgs {
        node: "here".into(),
        lease: Duration::from_secs(3),
        registry: Arc::new(NoTable),
        transport: owners.clone(),
        meta_store: store.meta_store(),
        clock: Arc::new(ManualClock::at(0)),
        authorizer,
    });
    let own = |node: &str, revision| {
        let owner = Some(NodeEpoch { node: node.into(), epoch: node.into() });
        cluster.set_owner(&workspace, revision, Ownership::live(owner, 0));
    };
    own("a", 1);
    let admission = Admission::new(1_000, StorageHealth::default());
    let client = OwnerClient::new(cluster.clone(), pass, admission, log, SeenHeads::default());
    let taken_over = async {
        owners.frozen.notified().await;
        own("b", 2);
    };
    let batches = vec![batch("taken"), batch("lost")];
    let (ingested, ()) = tokio::join!(client.ingest(batches, Arrival::Live), taken_over);

    let receipt = ingested.unwrap().receipt;
    assert_eq!((receipt.accepted, receipt.failed, receipt.seq), (6, 0, 3));
    let sent = owners.sent.lock().unwrap();
    assert_eq!(sent.iter().map(|(_, batches)| batches.clone()).collect::<Vec<_>>(), [[batch("lost")], [batch("lost")]]);
    assert_eq!(sent[0].0.number, sent[1].0.number, "a copy has the number of the first, and is executed once");
}
