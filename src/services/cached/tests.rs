use std::sync::Mutex;

use super::*;
use crate::services::testing::pass;
use earcon_model::WorkspaceId;

const POLICY: CachePolicy = CachePolicy {
    fresh_for: Duration::from_secs(3),
    usable_for: Duration::from_secs(60),
    wait_at_most: Duration::from_millis(500),
    most: 2,
};

/// A store whose answers a test sets.
#[derive(Clone)]
struct Store(Arc<Mutex<Answers>>);

struct Answers {
    answer: Result<u32, ErrorKind>,
    after: Duration,
    reads: usize,
}

impl Store {
    fn answers(&self, answer: Result<u32, ErrorKind>, after: Duration) {
        let mut store = self.0.lock().unwrap();
        (store.answer, store.after) = (answer, after);
    }

    fn reads(&self) -> usize {
        self.0.lock().unwrap().reads
    }
}

fn start(policy: CachePolicy) -> (Store, Cached<u32>) {
    let store = Store(Arc::new(Mutex::new(Answers { answer: Ok(1), after: Duration::ZERO, reads: 0 })));
    let source = store.clone();
    let cached = Cached::new("numbers", policy, move |_pass, _known| {
        let (answer, after) = {
            let mut store = source.0.lock().unwrap();
            store.reads += 1;
            (store.answer, store.after)
        };
        async move {
            tokio::time::sleep(after).await;
            answer.map(Arc::new).map_err(|kind| PortError::new(kind, "the store is away"))
        }
    });
    (store, cached)
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_fresh_value_is_not_read_again_and_a_usable_one_is_read_in_the_background() {
    let ((store, cached), pass) = (start(POLICY), pass());
    assert_eq!(cached.known(pass.key()), None);
    assert_eq!(*cached.get(&pass).await.unwrap(), 1);
    store.answers(Ok(2), Duration::from_secs(1));
    assert_eq!(*cached.get(&pass).await.unwrap(), 1);
    assert_eq!(store.reads(), 1);

    tokio::time::advance(POLICY.fresh_for).await;
    let before = Instant::now();
    assert_eq!(*cached.get(&pass).await.unwrap(), 1);
    assert_eq!(*cached.get(&pass).await.unwrap(), 1);
    assert_eq!(before.elapsed(), Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(1)).await;
    settle().await;
    assert_eq!((*cached.get(&pass).await.unwrap(), store.reads()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_value_too_old_to_be_used_is_waited_for_but_not_long() {
    let ((store, cached), pass) = (start(POLICY), pass());
    cached.get(&pass).await.unwrap();
    store.answers(Ok(2), Duration::from_millis(100));
    tokio::time::advance(POLICY.usable_for).await;
    assert_eq!(*cached.get(&pass).await.unwrap(), 2);

    store.answers(Ok(3), Duration::from_secs(100));
    tokio::time::advance(POLICY.usable_for).await;
    let before = Instant::now();
    assert_eq!(*cached.get(&pass).await.unwrap(), 2);
    assert_eq!(before.elapsed(), POLICY.wait_at_most);
    let again = Instant::now();
    assert_eq!(*cached.get(&pass).await.unwrap(), 2);
    assert_eq!(again.elapsed(), Duration::ZERO, "no caller waits twice for one read");
}

#[tokio::test(start_paused = true)]
async fn a_failure_keeps_the_older_value_and_is_an_error_without_one() {
    let ((store, cached), pass) = (start(POLICY), pass());
    store.answers(Err(ErrorKind::Corrupt), Duration::ZERO);
    assert_eq!(cached.get(&pass).await.unwrap_err().kind, ErrorKind::Corrupt);
    store.answers(Ok(1), Duration::from_secs(100));
    assert_eq!(cached.get(&pass).await.unwrap_err().kind, ErrorKind::Unavailable);
    tokio::time::sleep(Duration::from_secs(101)).await;
    assert_eq!(*cached.get(&pass).await.unwrap(), 1, "the read went on after its caller had left");

    store.answers(Err(ErrorKind::Unavailable), Duration::ZERO);
    tokio::time::advance(POLICY.usable_for).await;
    assert_eq!(*cached.get(&pass).await.unwrap(), 1);
    let reads = store.reads();
    assert_eq!(*cached.get(&pass).await.unwrap(), 1);
    assert_eq!(store.reads(), reads, "the next read begins after a while");
    assert!(cached.refresh(&pass).await.is_err());
    assert_eq!(*cached.known(pass.key()).unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_used_at_once_and_an_earlier_read_does_not_undo_it() {
    let ((store, cached), pass) = (start(POLICY), pass());
    cached.get(&pass).await.unwrap();
    store.answers(Ok(5), Duration::from_secs(1));
    tokio::time::advance(POLICY.fresh_for).await;
    cached.get(&pass).await.unwrap();
    settle().await;
    cached.put(pass.key(), Arc::new(9));
    assert_eq!(*cached.get(&pass).await.unwrap(), 9);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(*cached.known(pass.key()).unwrap(), 9);
}

#[tokio::test(start_paused = true)]
async fn one_read_runs_at_a_time() {
    let ((store, cached), pass) = (start(POLICY), pass());
    store.answers(Ok(1), Duration::from_millis(10));
    let (one, other) = tokio::join!(cached.get(&pass), cached.get(&pass));
    assert_eq!((*one.unwrap(), *other.unwrap(), store.reads()), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_workspace_read_longest_ago_makes_room() {
    let (_, cached) = start(POLICY);
    for name in ["a", "b", "a", "c"] {
        let pass = earcon_tenancy::Authorizer::new().system(&WorkspaceId::new(name).unwrap());
        cached.refresh(&pass).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let known = |name: &str| cached.known(&WorkspaceKey::new(WorkspaceId::new(name).unwrap(), 0)).is_some();
    assert_eq!([known("a"), known("b"), known("c")], [true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn next_workspace_of_a_name_gets_no_value_of_the_deleted_one() {
    let load = |pass: WorkspacePass, _: Option<Arc<String>>| async move { Ok(Arc::new(pass.key().to_string())) };
    let cached = Cached::new("names", POLICY, load);
    let authorizer = earcon_tenancy::Authorizer::new();
    let workspace = WorkspaceId::new("shop").unwrap();
    let old = authorizer.system(&workspace);
    assert_eq!(*cached.get(&old).await.unwrap(), "shop");
    authorizer.begin_generation(&WorkspaceKey::new(workspace.clone(), 1));
    assert_eq!(*cached.get(&authorizer.system(&workspace)).await.unwrap(), "shop~1");
}
