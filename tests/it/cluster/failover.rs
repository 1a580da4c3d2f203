//! Owners that crash or freeze, and a NATS server that restarts. Each test prints its figures.

use std::time::Duration;

use super::takeover::TakeoverWatch;
use super::watcher::Watcher;
use crate::support::cluster::{LEASE, TestCluster};
use crate::support::{Ledger, eventually};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn killed_owner_under_load_loses_nothing_and_lease_is_respected() {
    let mut cluster = TestCluster::start(3).await;
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, Duration::from_secs(2)).await;
    let (owner, via, watcher) = cluster.roles().await;
    let follower = Watcher::on(&cluster, watcher).await;
    cluster.feed(&mut ledger, via, Duration::from_secs(2)).await;

    let takeover = TakeoverWatch::begin(&cluster, owner);
    cluster.take(owner).kill();
    let (longest, again) = cluster.feed(&mut ledger, via, Duration::from_secs(LEASE + 4)).await;
    let takeover = takeover.assert_lease_ran_out().await;
    let new_owner = assert_one_owner(&cluster).await;
    assert_eq!(format!("n{new_owner}"), takeover.owner, "the workspace stays with the node that claimed it");

    let head = ledger.assert_log(cluster.node(via).url()).await;
    follower.assert_saw_everything_to(head).await;
    let stored = ledger.assert_history(cluster.node(watcher).url()).await;
    eprintln!(
        "kill -9 of the owner: acknowledged {} samples, stored {stored}, events {head}, gaps 0, claimed after \
         {} ms of silence (lease {LEASE} s), longest wait {longest:.1?}, batches sent again {again}",
        ledger.acknowledged(),
        takeover.silent_ms
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn owner_frozen_past_its_lease_steps_down() {
    let cluster = TestCluster::start(3).await;
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, Duration::from_secs(2)).await;
    let (owner, via, watcher) = cluster.roles().await;
    let follower = Watcher::on(&cluster, watcher).await;

    // The log must refuse a batch that was on its way to the owner when the owner froze. The batch
    // repeats rows that were acknowledged before, so a batch taken twice would show.
    let takeover = TakeoverWatch::begin(&cluster, owner);
    cluster.node(owner).pause();
    let to_the_frozen = {
        let (http, url, mut own) = (cluster.http().clone(), cluster.node(owner).url().to_owned(), Ledger::default());
        let _skipped = own.next();
        let batch = own.next();
        tokio::spawn(async move { own.send(&http, &url, &batch).await })
    };
    let (longest, _) = cluster.feed(&mut ledger, via, Duration::from_secs(LEASE + 4)).await;
    let takeover = takeover.assert_lease_ran_out().await;
    assert_ne!(cluster.owner_by(via, "local").await, owner);

    cluster.node(owner).wake();
    // Acknowledged or not: the log is compared below.
    let _answered = to_the_frozen.await.unwrap();
    cluster.feed(&mut ledger, owner, Duration::from_secs(2)).await;
    assert_one_owner(&cluster).await;

    let head = ledger.assert_log(cluster.node(owner).url()).await;
    follower.assert_saw_everything_to(head).await;
    let stored = ledger.assert_history(cluster.node(via).url()).await;
    eprintln!(
        "an owner frozen past its lease: acknowledged {} samples, stored {stored}, events {head}, gaps 0, claimed after \
         {} ms of silence, longest wait {longest:.1?}",
        ledger.acknowledged(),
        takeover.silent_ms
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn nats_restart_loses_nothing_and_leaves_one_owner() {
    let mut cluster = TestCluster::start(3).await;
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, Duration::from_secs(2)).await;
    let (owner, via, watcher) = cluster.roles().await;
    let follower = Watcher::on(&cluster, watcher).await;

    cluster.nats[0].kill();
    // Longer than the lease: a node that hears nothing must not declare others dead.
    tokio::time::sleep(Duration::from_secs(LEASE + 2)).await;
    cluster.nats[0].restart().await;
    let (longest, again) = cluster.feed(&mut ledger, via, Duration::from_secs(4)).await;
    cluster.feed(&mut ledger, owner, Duration::from_secs(1)).await;
    // A node that reconnects much later than the others may lose its workspace. So the owner may
    // change, but there must be one, and every node must be alive again.
    cluster.settled(3).await;
    let now_owned_by = assert_one_owner(&cluster).await;

    let head = ledger.assert_log(cluster.node(via).url()).await;
    follower.assert_saw_everything_to(head).await;
    let stored = ledger.assert_history(cluster.node(via).url()).await;
    eprintln!(
        "NATS away for {} s: acknowledged {} samples, stored {stored}, events {head}, gaps 0, longest wait {longest:.1?}, \
         batches sent again {again}, owner n{owner} before and n{now_owned_by} after",
        LEASE + 2,
        ledger.acknowledged()
    );
}

/// Asserts that all running nodes come to name the same owner of `local`; returns that owner.
async fn assert_one_owner(cluster: &TestCluster) -> usize {
    eventually("all nodes name the same owner", async || {
        let mut owners = Vec::new();
        for number in cluster.running() {
            owners.push(cluster.owner_by(number, "local").await);
        }
        owners.windows(2).all(|pair| pair[0] == pair[1]).then_some(owners[0])
    })
    .await
}
