//! With the embedded store, and a real NATS server where one is needed.

use async_nats::ConnectOptions;

use super::*;
use earcon_adapters_embedded::{EmbeddedSettings, EmbeddedStore};
use earcon_adapters_nats::publisher::NatsPublisher;
use earcon_model::{KpiEvent, KpiName, WorkspaceId};
use earcon_tenancy::Authorizer;

fn store() -> (tempfile::TempDir, Arc<dyn MetaStore>) {
    let data = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(data.path(), &EmbeddedSettings::default()).unwrap();
    (data, store.meta_store())
}

fn pass() -> WorkspacePass {
    let name = format!("fan-out-{}", uuid::Uuid::new_v4().simple());
    Authorizer::new().system(&WorkspaceId::new(&name).unwrap())
}

fn event(seq: Seq) -> Arc<Event> {
    Arc::new(Event::new(seq, 1_000, KpiName::new("a.b").unwrap(), KpiEvent::Resumed))
}

/// A publisher without a server.
async fn away() -> Arc<dyn Publisher> {
    let options = ConnectOptions::new().retry_on_initial_connect();
    Arc::new(NatsPublisher::new(options.connect("nats://127.0.0.1:9").await.unwrap()))
}

/// A client of the shared test server. Panics if there is none.
async fn nats_client() -> async_nats::Client {
    let url = std::env::var("EARCON_TEST_NATS_URL");
    let url = url.expect("EARCON_TEST_NATS_URL; scripts/servers/run.sh starts a server and sets it");
    async_nats::connect(&url).await.unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// The history of a log with one epoch.
fn epochs(epoch: &str) -> Arc<Epochs> {
    Arc::new(Epochs::new(epoch, 1))
}

#[tokio::test]
async fn the_first_start_begins_where_the_log_ended_and_is_remembered() {
    let (_data, meta_store) = store();
    let (publisher, pass) = (away().await, pass());
    let fan_out = |epochs, at| FanOut::new(publisher.clone(), meta_store.clone(), epochs, at);
    assert_eq!(fan_out(epochs("one"), 7).cursor(&pass).await.unwrap(), 7);
    assert_eq!(fan_out(epochs("one"), 20).cursor(&pass).await.unwrap(), 7, "what came in between is not skipped");
    let mut restarted = Epochs::new("one", 1);
    restarted.begin("two", 8);
    assert_eq!(fan_out(Arc::new(restarted), 20).cursor(&pass).await.unwrap(), 7, "nor over a restart");
    let trimmed = Arc::new(Epochs::new("three", 50));
    assert_eq!(fan_out(trimmed, 60).cursor(&pass).await.unwrap(), 7, "what is left of the log is not skipped");
    let mut restored = Epochs::new("one", 1);
    restored.begin("x", 5);
    assert_eq!(fan_out(Arc::new(restored), 4).cursor(&pass).await.unwrap(), 4, "the log went back to 4");
    assert_eq!(fan_out(epochs("y"), 3).cursor(&pass).await.unwrap(), 3, "another log, another count");
}

#[tokio::test]
async fn cursor_of_a_later_writer_stays() {
    let (_data, meta_store) = store();
    let (publisher, pass) = (away().await, pass());
    let old = FanOut::new(publisher.clone(), meta_store.clone(), epochs("one"), 0);
    old.cursor(&pass).await.unwrap();
    let mut taken = Epochs::new("one", 1);
    taken.begin("two", 1);
    let new = FanOut::new(publisher.clone(), meta_store.clone(), Arc::new(taken), 0);
    new.cursor(&pass).await.unwrap();
    new.save(&pass, 5).await.unwrap();
    assert_eq!(old.cursor(&pass).await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(new.cursor(&pass).await.unwrap(), 5);
}

#[tokio::test]
async fn event_keeps_its_identifier_over_a_restart() {
    let (_data, meta_store) = store();
    let (publisher, pass) = (away().await, pass());
    let fan_out = |epochs| FanOut::new(publisher.clone(), meta_store.clone(), epochs, 0);
    let mut restarted = Epochs::new("one", 1);
    restarted.begin("two", 2);
    let restarted = Arc::new(restarted);
    let id = |fan_out: FanOut, seq| {
        let headers = fan_out.headers(&pass, &event(seq), None);
        headers.into_iter().find(|(name, _)| *name == "Nats-Msg-Id").unwrap().1
    };
    assert_eq!(id(fan_out(epochs("one")), 1), "one:1");
    assert_eq!(id(fan_out(restarted.clone()), 1), "one:1");
    assert_eq!(id(fan_out(restarted), 2), "two:2");
}

#[tokio::test]
async fn without_a_server_the_cursor_stays() {
    let (_data, meta_store) = store();
    let pass = pass();
    let fan_out = FanOut::new(away().await, meta_store, epochs("one"), 0);
    fan_out.cursor(&pass).await.unwrap();
    let error = fan_out.handle(&pass, vec![event(1)]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(fan_out.flush(&pass).await.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(fan_out.cursor(&pass).await.unwrap(), 0);
}

#[tokio::test]
#[ignore = "needs NATS"]
async fn of_two_that_publish_one_workspace_the_second_to_save_begins_again() {
    let client = nats_client().await;
    let publisher: Arc<dyn Publisher> = Arc::new(NatsPublisher::new(client));
    let (_data, meta_store) = store();
    let pass = pass();
    let fan_out = || FanOut::new(publisher.clone(), meta_store.clone(), epochs("one"), 0);
    let (old, new) = (fan_out(), fan_out());
    old.cursor(&pass).await.unwrap();
    new.cursor(&pass).await.unwrap();
    new.handle(&pass, vec![event(1), event(2), event(3)]).await.unwrap();
    assert_eq!(new.flush(&pass).await.unwrap(), 3);
    old.handle(&pass, vec![event(1)]).await.unwrap();
    assert_eq!(old.flush(&pass).await.unwrap_err().kind, ErrorKind::Conflict, "it does not move the cursor back");
    assert_eq!(old.cursor(&pass).await.unwrap(), 3);
}

#[tokio::test]
#[ignore = "needs NATS"]
async fn a_flush_with_nothing_new_writes_nothing() {
    let client = nats_client().await;
    let (_data, meta_store) = store();
    let pass = pass();
    let fan_out = FanOut::new(Arc::new(NatsPublisher::new(client)), meta_store.clone(), epochs("one"), 0);
    fan_out.cursor(&pass).await.unwrap();
    fan_out.handle(&pass, vec![event(1)]).await.unwrap();
    fan_out.flush(&pass).await.unwrap();
    let revision = async || meta_store.get(&pass, "fan-out/cursor").await.unwrap().unwrap().revision;
    let before = revision().await;
    assert_eq!(fan_out.flush(&pass).await.unwrap(), 1);
    assert_eq!(revision().await, before);
}
