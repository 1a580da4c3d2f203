//! With the embedded store, and a real NATS server where one is needed.

use async_nats::ConnectOptions;

use super::*;
use earcon_adapters_embedded::{EmbeddedSettings, EmbeddedStore};
use earcon_adapters_nats::publisher::NatsPublisher;
use earcon_model::{EventBody, KpiName, WorkspaceId};
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
    Arc::new(Event { seq, time_ms: 1_000, kpi: KpiName::new("a.b").unwrap(), body: EventBody::KpiResumed })
}

/// A publisher without a server.
async fn away() -> Arc<dyn Publisher> {
    let options = ConnectOptions::new().retry_on_initial_connect();
    Arc::new(NatsPublisher::new(options.connect("nats://127.0.0.1:9").await.unwrap()))
}

/// A client of the test server, or `None` without one. In CI its absence is a failure.
async fn nats_client(test: &str) -> Option<async_nats::Client> {
    match std::env::var("EARCON_TEST_NATS_URL") {
        Ok(url) => Some(async_nats::connect(&url).await.unwrap_or_else(|error| panic!("{url}: {error}"))),
        Err(_) if std::env::var_os("CI").is_some() => panic!("{test}: EARCON_TEST_NATS_URL is not set"),
        Err(_) => {
            eprintln!("skipped: {test}: no NATS server; `make test` starts one");
            None
        }
    }
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
async fn of_two_that_publish_one_workspace_the_second_to_save_begins_again() {
    let name = "of_two_that_publish_one_workspace_the_second_to_save_begins_again";
    let Some(client) = nats_client(name).await else { return };
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
async fn a_flush_with_nothing_new_writes_nothing() {
    let Some(client) = nats_client("a_flush_with_nothing_new_writes_nothing").await else { return };
    let (_data, meta_store) = store();
    let pass = pass();
    let fan_out = FanOut::new(Arc::new(NatsPublisher::new(client)), meta_store.clone(), "one".into(), 0);
    fan_out.cursor(&pass).await.unwrap();
    fan_out.handle(&pass, vec![event(1)]).await.unwrap();
    fan_out.flush(&pass).await.unwrap();
    let revision = async || meta_store.get(&pass, CURSOR).await.unwrap().unwrap().revision;
    let before = revision().await;
    assert_eq!(fan_out.flush(&pass).await.unwrap(), 1);
    assert_eq!(revision().await, before);
}
