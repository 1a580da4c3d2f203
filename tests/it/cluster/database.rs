//! A database that is away or slow: scoring and live events go on, history catches up.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::cluster::TestCluster;
use crate::support::cql::{Cassandra, SlowWay, test_database};
use crate::support::{Ledger, Socket};

/// How many events history is behind, as a node sees it.
async fn lag(cluster: &TestCluster, node: usize) -> u64 {
    let status = cluster.status(node).await.unwrap_or(Value::Null);
    status["workspaces"][0]["history_lag"].as_u64().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_database_delays_history_alone() {
    let test = "a_restart_of_the_database_delays_history_alone";
    let Some(mut cassandra) = Cassandra::start(test).await else { return };
    let Some(cluster) = TestCluster::start_on(test, 3, cassandra.address()).await else { return };
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, Duration::from_secs(2)).await;
    let (owner, via, watcher) = cluster.cast().await;
    ledger.check_history(cluster.node(via).url()).await;
    let url = cluster.node(watcher).workspace_url("/events").replace("http://", "ws://");
    let mut follower = Socket::connect(&url).await;
    follower.send(json!({"type": "subscribe"})).await;
    follower.until("subscribed").await;

    cassandra.kill();
    let (longest, again) = cluster.feed(&mut ledger, via, Duration::from_secs(5)).await;
    assert_eq!(again, 0, "no batch is refused because history is away");
    follower.until("samples").await;
    let behind = lag(&cluster, via).await;
    assert!(behind > 0, "history is behind and says so");

    let back = Instant::now();
    cassandra.restart().await;
    while lag(&cluster, via).await >= 10 {
        assert!(back.elapsed() < Duration::from_secs(120), "history does not catch up");
        // More batches while it does.
        cluster.feed(&mut ledger, owner, Duration::from_millis(100)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let caught_up = back.elapsed();
    let head = ledger.check_log(cluster.node(via).url()).await;
    let stored = ledger.check_history(cluster.node(watcher).url()).await;
    eprintln!(
        "a restart of Cassandra: acknowledged {} samples, stored {stored}, events {head}, most behind {behind} events, \
         longest wait of a batch {longest:.2?}, caught up {caught_up:.1?} after its start",
        ledger.acknowledged()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_database_slows_nothing_else() {
    let test = "a_slow_database_slows_nothing_else";
    let Some(database) = test_database(test) else { return };
    let way = SlowWay::to(database).await;
    let Some(cluster) = TestCluster::start_on(test, 3, way.address()).await else { return };
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, Duration::from_secs(2)).await;
    let (owner, via, _) = cluster.cast().await;
    let url = cluster.node(via).workspace_url("/events").replace("http://", "ws://");
    let mut follower = Socket::connect(&url).await;
    follower.send(json!({"type": "subscribe"})).await;
    follower.until("subscribed").await;

    // A node asks for the rules of a workspace once before it takes its first samples.
    let batch = ledger.next();
    assert!(ledger.send(cluster.http(), cluster.node(owner).url(), &batch).await);

    let delay = Duration::from_millis(1_500);
    way.delay(delay);
    let (mut longest, mut slowest) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..20 {
        let (batch, sent) = (ledger.next(), Instant::now());
        assert!(ledger.send(cluster.http(), cluster.node(owner).url(), &batch).await);
        longest = longest.max(sent.elapsed());
        while follower.json().await["seq"].as_u64().is_none_or(|seq| seq < ledger.newest) {}
        slowest = slowest.max(sent.elapsed());
    }
    // Both would take at least a round trip to the database if they waited for it.
    assert!(longest < 2 * delay, "an acknowledgement took {longest:?}");
    assert!(slowest < 2 * delay, "an event took {slowest:?}");
    way.delay(Duration::ZERO);
    let head = ledger.check_log(cluster.node(via).url()).await;
    let stored = ledger.check_history(cluster.node(via).url()).await;
    eprintln!(
        "a database 2 x {delay:?} away: acknowledged {} samples, stored {stored}, events {head}, slowest acknowledgement \
         {longest:.2?}, slowest event {slowest:.2?}",
        ledger.acknowledged()
    );
}
