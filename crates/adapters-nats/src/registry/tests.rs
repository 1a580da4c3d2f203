use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use super::NatsRegistry;
use crate::test_server::{self, PrivateServer};
use earcon_contract as contract;
use earcon_ports::{Change, ErrorKind, Registry};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn keeps_the_contract() {
    let client = test_server::client().await;
    let bucket = format!("contract_{}", uuid::Uuid::new_v4().simple());
    contract::registry(async || {
        Arc::new(NatsRegistry::open(client.clone(), &bucket, 1).await.unwrap()) as Arc<dyn Registry>
    })
    .await;
    async_nats::jetstream::new(client).delete_key_value(&bucket).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn writes_and_watches_continue_over_server_crashes() {
    let mut server = PrivateServer::start("").await;
    let one = NatsRegistry::open(server.client().await, "nodes", 1).await.unwrap();
    let other = NatsRegistry::open(server.client().await, "nodes", 1).await.unwrap();
    let mut watch = other.watch().await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap(), Change::Synced);
    let mut revision = one.compare_and_set("lease", 0, vec![0]).await.unwrap();
    for round in 1..=3 {
        server.kill();
        let renewal = tokio::spawn({
            let one = one.clone();
            async move { one.compare_and_set("lease", revision, vec![round]).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.start_again().await;
        revision = renewal.await.unwrap().unwrap();
        assert_eq!(other.get("lease").await.unwrap(), Some((revision, vec![round])));
    }
    let last = Change::Put { key: "lease".to_owned(), revision, value: vec![3] };
    let last_change_arrives = async { while watch.next().await.unwrap().unwrap() != last {} };
    tokio::time::timeout(Duration::from_secs(60), last_change_arrives).await.expect("the watch goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn registry_without_jetstream_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let server = PrivateServer::start_in(directory, "").await;
    let error = NatsRegistry::open(server.client().await, "nodes", 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.to_string().contains("nats-server -js"), "{error}");
}
