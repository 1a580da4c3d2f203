//! Owners that die, sleep and come back, and a NATS server that does. Each test prints the figures it checked.

use std::time::{Duration, Instant};

use super::watcher::Watcher;
use crate::support::Ledger;
use crate::support::cluster::{LEASE, TestCluster};

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_the_owner_under_load() {
    let Some(mut cluster) = TestCluster::start("kill_9_of_the_owner_under_load", 3).await else { return };
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, Duration::from_secs(2)).await;
    let (owner, via, watcher) = cluster.cast().await;
    let follower = Watcher::on(&cluster, watcher).await;
    cluster.feed(&mut ledger, via, Duration::from_secs(2)).await;

    let killed = Instant::now();
    cluster.take(owner).kill();
    let (takeover, again) = cluster.feed(&mut ledger, via, Duration::from_secs(LEASE + 4)).await;
    let new_owner = cluster.owner_by(via, "local").await;
    assert_ne!(new_owner, owner);
    assert!(killed.elapsed() > takeover);

    let head = ledger.check_log(cluster.node(via).url()).await;
    follower.saw_everything_to(head).await;
    let stored = ledger.check_history(cluster.node(watcher).url()).await;
    eprintln!(
        "kill -9 of the owner: acknowledged {} samples, stored {stored}, events {head}, gaps 0, takeover {takeover:.1?} \
         (lease {LEASE} s), batches sent again {again}",
        ledger.acknowledged()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_slept_past_its_lease_steps_down() {
    let Some(cluster) = TestCluster::start("an_owner_that_slept_past_its_lease", 3).await else { return };
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, Duration::from_secs(2)).await;
    let (owner, via, watcher) = cluster.cast().await;
    let follower = Watcher::on(&cluster, watcher).await;

    // A batch that is on its way to the owner when it falls asleep is refused by the log when it wakes. Its rows are those of one
    // that was acknowledged before, so that being taken twice would show.
    cluster.node(owner).pause();
    let to_the_sleeper = {
        let (http, url, mut own) = (cluster.http().clone(), cluster.node(owner).url().to_owned(), Ledger::default());
        let _skipped = own.next();
        let batch = own.next();
        tokio::spawn(async move { own.send(&http, &url, &batch).await })
    };
    let (takeover, _) = cluster.feed(&mut ledger, via, Duration::from_secs(LEASE + 4)).await;
    assert_ne!(cluster.owner_by(via, "local").await, owner);

    cluster.node(owner).wake();
    // Whatever became of it, it became so once; the log is compared below.
    let _answered = to_the_sleeper.await.unwrap();
    cluster.feed(&mut ledger, owner, Duration::from_secs(2)).await;
    let now_owned_by = cluster.owner_by(owner, "local").await;
    assert_eq!(now_owned_by, cluster.owner_by(via, "local").await, "all agree on who owns it");

    let head = ledger.check_log(cluster.node(owner).url()).await;
    follower.saw_everything_to(head).await;
    let stored = ledger.check_history(cluster.node(via).url()).await;
    eprintln!(
        "an owner asleep past its lease: acknowledged {} samples, stored {stored}, events {head}, gaps 0, takeover {takeover:.1?}",
        ledger.acknowledged()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_nats_loses_nothing() {
    let Some(mut cluster) = TestCluster::start("a_restart_of_nats_loses_nothing", 3).await else { return };
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, Duration::from_secs(2)).await;
    let (owner, via, watcher) = cluster.cast().await;
    let follower = Watcher::on(&cluster, watcher).await;

    cluster.nats.kill();
    // Longer than the lease: nobody may be declared dead because nobody could be heard.
    tokio::time::sleep(Duration::from_secs(LEASE + 2)).await;
    cluster.nats.restart().await;
    let (longest, again) = cluster.feed(&mut ledger, via, Duration::from_secs(4)).await;
    cluster.feed(&mut ledger, owner, Duration::from_secs(1)).await;
    // Nodes that come back much later than others may lose it, and lose nothing else.
    let kept = if cluster.owner_by(via, "local").await == owner { "stayed" } else { "changed" };

    let head = ledger.check_log(cluster.node(via).url()).await;
    follower.saw_everything_to(head).await;
    let stored = ledger.check_history(cluster.node(via).url()).await;
    eprintln!(
        "NATS away for {} s: acknowledged {} samples, stored {stored}, events {head}, gaps 0, first batch after it {longest:.1?}, \
         batches sent again {again}, the owner {kept}",
        LEASE + 2,
        ledger.acknowledged()
    );
}
