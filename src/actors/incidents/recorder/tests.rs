use super::*;
use crate::services::records::Family;
use earcon_adapters_embedded::{EmbeddedSettings, EmbeddedStore};
use earcon_model::{ManualClock, WorkspaceId};
use earcon_ports::MetaStore;
use earcon_tenancy::Authorizer;

fn incident(n: u128, revision: u32, closed: bool) -> Incident {
    Incident {
        id: IncidentId(uuid::Uuid::from_u128(n)),
        revision,
        cause_seq: 1,
        opened_at_ms: n as i64,
        last_at_ms: 0,
        closed_at_ms: closed.then_some(7),
        merged_into: None,
        alerted_at_ms: None,
        peak_score: 0.5,
        surprise: 1.0,
        first_mover: 0,
        members: Vec::new(),
        members_total: 1,
        members_open: u32::from(!closed),
        timeline: Vec::new(),
        timeline_left_out: 0,
        acknowledged: None,
    }
}

struct Bench {
    meta: Arc<dyn MetaStore>,
    records: IncidentRecords,
    pass: WorkspacePass,
    clock: Arc<ManualClock>,
}

impl Bench {
    fn recorder(&self, open: Vec<Incident>) -> Recorder {
        let keep = Duration::from_secs(1_000);
        let epochs = Arc::new(Epochs::new("e", 1));
        Recorder::start(self.records.clone(), self.pass.clone(), self.clock.clone(), keep, epochs, open)
    }

    async fn recorded(&self) -> Vec<(u128, u32, bool)> {
        let list = self.records.list(&self.pass).await.unwrap();
        let mut all: Vec<_> = list
            .incidents
            .iter()
            .map(|incident| (incident.id.0.as_u128(), incident.revision, incident.closed_at_ms.is_some()))
            .collect();
        all.sort_unstable();
        all
    }

    /// The saved state of the engine and its epoch.
    async fn state(&self) -> Option<(String, Vec<u8>)> {
        let (saved, _) = self.records.load_engine(&self.pass).await.unwrap();
        saved.map(|saved| (saved.epoch, saved.state))
    }
}

fn bench(directory: &tempfile::TempDir) -> Bench {
    let meta = EmbeddedStore::open(directory.path(), &EmbeddedSettings::default()).unwrap().meta_store();
    let pass = Authorizer::new().system(&WorkspaceId::new("local").unwrap());
    Bench { records: IncidentRecords::new(meta.clone()), meta, pass, clock: Arc::new(ManualClock::at(1_000)) }
}

#[tokio::test]
async fn what_is_recorded_is_there_and_what_nobody_speaks_of_any_more_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let bench = bench(&directory);
    let mut recorder = bench.recorder(Vec::new());
    for (n, revision) in [(1, 1), (2, 1), (1, 2), (3, 1)] {
        recorder.record(incident(n, revision, false));
    }
    recorder.save(9, vec![1, 2, 3]);
    recorder.finish().await;
    assert_eq!(bench.recorded().await, [(1, 2, false), (2, 1, false), (3, 1, false)]);
    assert_eq!(bench.state().await, Some(("e".to_owned(), vec![1, 2, 3])));

    // After a restart the first goes on, further than recorded; the end of the third is only in the
    // log.
    let mut recorder = bench.recorder(vec![incident(1, 5, false), incident(2, 1, false)]);
    recorder.record(incident(2, 2, true));
    recorder.finish().await;
    assert_eq!(bench.recorded().await, [(1, 5, false), (2, 2, true), (3, 1, true)]);
    let id = IncidentId(uuid::Uuid::from_u128(2));
    assert_eq!(bench.records.one(&bench.pass, id).await.unwrap().unwrap().revision, 2);
}

#[tokio::test]
async fn a_former_owner_overwrites_nothing_newer() {
    let directory = tempfile::tempdir().unwrap();
    let bench = bench(&directory);
    let (mut former, mut present) = (bench.recorder(Vec::new()), bench.recorder(Vec::new()));
    former.record(incident(1, 1, false));
    former.save(3, vec![3]);
    former.finish().await;
    present.record(incident(1, 4, true));
    present.save(8, vec![8]);
    present.finish().await;
    let mut former = bench.recorder(vec![incident(1, 1, false)]);
    former.record(incident(1, 2, false));
    former.save(5, vec![5]);
    former.finish().await;
    assert_eq!(bench.recorded().await, [(1, 4, true)]);
    assert_eq!(bench.state().await, Some(("e".to_owned(), vec![8])));
}

#[tokio::test]
async fn closed_records_expire() {
    let directory = tempfile::tempdir().unwrap();
    let bench = bench(&directory);
    let mut recorder = bench.recorder(Vec::new());
    recorder.record(incident(1, 1, true));
    recorder.record(incident(2, 1, false));
    recorder.finish().await;
    bench.clock.advance(2_000_000);
    let mut recorder = bench.recorder(vec![incident(2, 1, false)]);
    recorder.finish().await;
    assert_eq!(bench.recorded().await, [(2, 1, false)]);
}

#[tokio::test]
async fn unreadable_records_stay_until_the_same_incident_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let bench = bench(&directory);
    for n in [1, 2] {
        let key = Family::Incident.key(&incident(n, 1, false).id.to_string());
        bench.meta.put(&bench.pass, &key, 0, vec![0xff]).await.unwrap();
    }
    let mut recorder = bench.recorder(vec![incident(1, 3, false)]);
    recorder.finish().await;
    assert_eq!(bench.recorded().await, [(1, 3, false)]);
    assert_eq!(bench.records.list(&bench.pass).await.unwrap().unreadable, 1);
}
