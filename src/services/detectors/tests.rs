use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::experiments::ExperimentAction;
use super::training::TrainingOrder;
use super::*;
use crate::experiments::{JobState, Policy, Stage};
use crate::services::testing::{MemoryMeta, pass};
use earcon_model::ManualClock;

#[derive(Default)]
struct Woken(AtomicUsize);

#[async_trait]
impl Wake for Woken {
    async fn wake(&self, _pass: &WorkspacePass) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn start() -> (Arc<MemoryMeta>, Arc<Woken>, DetectorService) {
    let (meta, woken) = (Arc::new(MemoryMeta::default()), Arc::<Woken>::default());
    let (settings, clock) = (Arc::new(StreamSettings::default()), Arc::new(ManualClock::at(1_000)));
    (meta.clone(), woken.clone(), DetectorService::new(meta, settings, clock, woken))
}

async fn entry(service: &DetectorService, name: &str, sensitivity: f64) -> u32 {
    let options = BTreeMap::from([("sensitivity".to_owned(), sensitivity)]);
    let detector = service.configured().to_owned();
    service.put_entry(&pass(), name, detector, options).await.unwrap().revision
}

#[tokio::test]
async fn revisions_are_added_only_for_other_settings() {
    let (_, woken, service) = start();
    assert_eq!(entry(&service, "calm", 0.4).await, 1);
    assert_eq!(entry(&service, "calm", 0.4).await, 1);
    assert_eq!(entry(&service, "calm", 0.3).await, 2);
    assert_eq!(service.detectors(&pass()).await.unwrap().entries.len(), 2);
    let unknown = service.put_entry(&pass(), "odd", "no-such".to_owned(), BTreeMap::new()).await;
    assert!(matches!(unknown, Err(DetectorError::Invalid(_))), "{unknown:?}");
    assert_eq!(woken.times(), 0, "an entry that nothing uses is no news to the owner");
}

#[tokio::test]
async fn each_action_on_an_experiment_wakes_the_owner() {
    let ((_, woken, service), pass) = (start(), pass());
    entry(&service, "calm", 0.4).await;
    service.begin(&pass, "e", "calm", Policy::default()).await.unwrap();
    assert_eq!(woken.times(), 1);
    let again = service.begin(&pass, "f", "calm", Policy::default()).await;
    assert!(matches!(again, Err(DetectorError::NotNow(_))), "{again:?}");
    let early = service.apply(&pass, "e", ExperimentAction::Promote { force: false }).await;
    assert!(matches!(early, Err(DetectorError::NotNow(_))), "{early:?}");
    assert_eq!(woken.times(), 1, "a refusal is no news");

    for _ in 0..5 {
        service.apply(&pass, "e", ExperimentAction::Promote { force: true }).await.unwrap();
    }
    assert_eq!(woken.times(), 6);
    assert_eq!(service.experiment(&pass, "e").await.unwrap().stage, Stage::Promoted);
    assert_eq!(service.detectors(&pass).await.unwrap().live.to_string(), "calm@1");
    service.apply(&pass, "e", ExperimentAction::RollBack).await.unwrap();
    assert_eq!(service.detectors(&pass).await.unwrap().live.to_string(), "default");
    let unknown = service.apply(&pass, "g", ExperimentAction::Stop).await;
    assert!(matches!(unknown, Err(DetectorError::Unknown(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_job_is_numbered_cancelled_once_and_its_owner_woken() {
    let ((meta, woken, service), pass) = (start(), pass());
    meta.set("job/00000007", b"{}");
    let order = TrainingOrder { entry: "default".to_owned(), kpis: Vec::new(), from_ms: 0, to_ms: 1 };
    let job = service.train(&pass, order.clone()).await.unwrap();
    assert_eq!(job.id, "00000008", "one that cannot be read keeps its number");
    assert_eq!(service.cancel(&pass, &job.id).await.unwrap().state, JobState::Cancelling);
    assert_eq!(woken.times(), 2);
    let list = service.jobs(&pass).await.unwrap();
    assert_eq!((list.jobs.len(), list.unreadable), (1, 1));
    assert!(matches!(service.job(&pass, "1/2").await, Err(DetectorError::Unknown(_))));
    let backwards = service.train(&pass, TrainingOrder { from_ms: 5, ..order }).await;
    assert!(matches!(backwards, Err(DetectorError::Invalid(problems)) if problems.len() == 1));
}

#[tokio::test]
async fn jobs_that_ended_long_ago_are_removed() {
    let ((meta, _, service), pass) = (start(), pass());
    let records = DetectorRecords::new(meta);
    let order = TrainingOrder { entry: "default".to_owned(), kpis: Vec::new(), from_ms: 0, to_ms: 1 };
    for _ in 0..103 {
        let job = service.train(&pass, order.clone()).await.unwrap();
        let ended = crate::experiments::TrainingJob { state: JobState::Done, ..job.clone() };
        records.jobs.put(&pass, &job.id, 1, &ended).await.unwrap();
    }
    let jobs = service.jobs(&pass).await.unwrap().jobs;
    assert_eq!((jobs.len(), jobs[0].id.as_str()), (101, "00000003"));
    assert_eq!(records.open_job(&pass).await.unwrap(), None);
}
