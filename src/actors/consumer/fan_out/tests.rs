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

#[tokio::test]
async fn the_first_start_begins_where_the_log_ended_and_is_remembered() {
    let (_data, meta_store) = store();
    let (publisher, pass) = (away().await, pass());
    let fan_out = |epoch: &str, at| FanOut::new(publisher.clone(), meta_store.clone(), epoch.into(), at);
    assert_eq!(fan_out("one", 7).cursor(&pass).await.unwrap(), 7);
    assert_eq!(fan_out("one", 20).cursor(&pass).await.unwrap(), 7, "what came in between is not skipped");
    assert_eq!(fan_out("two", 3).cursor(&pass).await.unwrap(), 3, "another log, another count");
}

#[tokio::test]
async fn without_a_server_the_cursor_stays() {
    let (_data, meta_store) = store();
    let pass = pass();
    let fan_out = FanOut::new(away().await, meta_store, "one".into(), 0);
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
    let fan_out = || FanOut::new(publisher.clone(), meta_store.clone(), "one".into(), 0);
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
    let fan_out = FanOut::new(Arc::new(NatsPublisher::new(client)), meta_store.clone(), "one".into(), 0);
    fan_out.cursor(&pass).await.unwrap();
    fan_out.handle(&pass, vec![event(1)]).await.unwrap();
    fan_out.flush(&pass).await.unwrap();
    let revision = async || meta_store.get(&pass, "fan-out/cursor").await.unwrap().unwrap().revision;
    let before = revision().await;
    assert_eq!(fan_out.flush(&pass).await.unwrap(), 1);
    assert_eq!(revision().await, before);
}
