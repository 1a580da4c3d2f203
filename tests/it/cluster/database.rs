//! A database that is down or hangs: scoring and live events continue, history catches up.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::cluster::TestCluster;
use crate::support::cql::{Cassandra, StallingProxy, test_database};
use crate::support::{Ledger, Socket};

/// Time limit for history to catch up. Only guards against a test that hangs.
const CATCHING_UP: Duration = Duration::from_secs(120);

/// The number of events that history is behind, as a node reports it.
async fn lag(cluster: &TestCluster, node: usize) -> u64 {
    let status = cluster.status(node).await.unwrap_or(Value::Null);
    status["workspaces"][0]["history_lag"].as_u64().unwrap_or_default()
}

async fn follow(cluster: &TestCluster, node: usize) -> Socket {
    let url = cluster.node(node).workspace_url("/events").replace("http://", "ws://");
    let mut follower = Socket::connect(&url).await;
    follower.send(json!({"type": "subscribe"})).await;
    follower.until("subscribed").await;
    follower
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn database_freeze_and_restart_delay_history_only() {
    let mut cassandra = Cassandra::start().await;
    let cluster = TestCluster::start_on(3, cassandra.address()).await;
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, Duration::from_secs(2)).await;
    let (owner, via, watcher) = cluster.roles().await;
    ledger.assert_history(cluster.node(via).url()).await;
    let mut follower = follow(&cluster, watcher).await;
    // A node reads the rules of a workspace once, before its first samples.
    cluster.feed(&mut ledger, via, Duration::from_millis(100)).await;

    cassandra.pause();
    let (frozen, again) = cluster.feed(&mut ledger, via, Duration::from_secs(3)).await;
    assert_eq!(again, 0, "no batch is refused while the database is frozen");
    cluster.all_ready().await;
    cassandra.wake();

    cassandra.kill();
    let (longest, again) = cluster.feed(&mut ledger, via, Duration::from_secs(5)).await;
    assert_eq!(again, 0, "no batch is refused while history is down");
    follower.until("samples").await;
    let behind = lag(&cluster, via).await;
    assert!(behind > 0, "the status shows the lag of history");

    let back = Instant::now();
    cassandra.restart().await;
    while lag(&cluster, via).await >= 10 {
        assert!(back.elapsed() < CATCHING_UP, "history does not catch up");
        // History must catch up while more batches arrive.
        cluster.feed(&mut ledger, owner, Duration::from_millis(100)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let caught_up = back.elapsed();
    let head = ledger.assert_log(cluster.node(via).url()).await;
    let stored = ledger.assert_history(cluster.node(watcher).url()).await;
    eprintln!(
        "a freeze and a restart of Cassandra: acknowledged {} samples, stored {stored}, events {head}, most behind \
         {behind} events, longest wait of a batch {frozen:.2?} while frozen, {longest:.2?} while away, caught up {caught_up:.1?} after its start",
        ledger.acknowledged()
    );
}

/// The database answers nothing until the last batch is acknowledged and seen. So neither an
/// acknowledgement nor an event can depend on it, however slow the machine is.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn database_that_hangs_delays_history_only() {
    let proxy = StallingProxy::to(test_database()).await;
    let cluster = TestCluster::start_on(3, proxy.address()).await;
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, Duration::from_secs(2)).await;
    let (owner, via, _) = cluster.roles().await;
    let mut follower = follow(&cluster, via).await;
    // A node reads the rules of a workspace once, before its first samples.
    let batch = ledger.next();
    assert!(ledger.send(cluster.http(), cluster.node(owner).url(), &batch).await);

    proxy.stall();
    let (mut sent, mut behind) = (0, 0);
    // Until the flush that hangs shows as a lag; a few batches in any case.
    while sent < 20 || behind == 0 {
        assert!(sent < 10_000, "history shows no lag");
        let batch = ledger.next();
        assert!(ledger.send(cluster.http(), cluster.node(owner).url(), &batch).await, "acknowledged without history");
        while follower.json().await["seq"].as_u64().is_none_or(|seq| seq < ledger.newest) {}
        sent += 1;
        behind = lag(&cluster, owner).await;
    }

    proxy.resume();
    let head = ledger.assert_log(cluster.node(via).url()).await;
    let stored = ledger.assert_history(cluster.node(via).url()).await;
    eprintln!(
        "a database that hangs: {sent} batches acknowledged meanwhile, {} samples in all, stored {stored}, events {head}",
        ledger.acknowledged()
    );
}
