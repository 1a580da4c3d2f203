//! Frozen processes: SIGSTOP stands for a stuck disk or hypervisor. Each test freezes one kind of
//! process, asserts that batches are acknowledged while it is frozen, and prints its figures.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::cluster::{LEASE, TestCluster, log_streams};
use crate::support::{Ledger, eventually};

/// How long batches are sent to each server that is frozen in turn.
const FEED: Duration = Duration::from_secs(2);
/// An outage of this length must show in `/readyz`.
const MUST_TELL: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn frozen_nats_server_delays_batches_and_readiness_tells() {
    let cluster = TestCluster::start_replicated(3).await;
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, FEED).await;
    let mut untold = Vec::new();
    for number in 0..cluster.nats.len() {
        // Each of the servers leads some streams and serves some connections.
        let leads = cluster.log_leader("local").await == format!("nats-{number}");
        let (owner, via, _) = cluster.roles().await;
        let readiness = Readiness::watch(&cluster, &cluster.running());
        cluster.nats[number].pause();
        let (waited, again) = cluster.feed(&mut ledger, via, FEED).await;
        let (waited_at_owner, again_at_owner) = cluster.feed(&mut ledger, owner, FEED).await;
        cluster.nats[number].wake();
        let told = readiness.stop().await;
        let longest = waited.max(waited_at_owner);
        eprintln!(
            "frozen nats-{number} (leads the log: {leads}): acknowledged again after {waited:.1?} through another node \
             (sent again {again}), {waited_at_owner:.1?} at the owner (sent again {again_at_owner}), readyz {}",
            told.text()
        );
        if longest > MUST_TELL && told.first.is_none() {
            untold.push(number);
        }
        cluster.all_ready().await;
        cluster.settled(3).await;
        cluster.nats[number].healthy().await;
    }
    assert_nothing_is_lost(&cluster, &ledger, "frozen NATS servers").await;
    assert!(untold.is_empty(), "no node said that it was not ready while nats-{untold:?} was frozen");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn frozen_node_delays_batches_only_until_the_takeover() {
    let cluster = TestCluster::start_replicated(3).await;
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, FEED).await;
    let (owner, via, other) = cluster.roles().await;

    cluster.node(owner).pause();
    let frozen = Instant::now();
    let (at_first, again) = cluster.feed(&mut ledger, via, Duration::from_secs(LEASE + 2)).await;
    assert_ne!(cluster.owner_by(via, "local").await, owner, "another node has taken over");
    // The frozen node is still connected to NATS. No request may go to it any more.
    let (mut later, mut again_later) = (Duration::ZERO, 0);
    for survivor in [via, other] {
        let (longest, again) = cluster.feed(&mut ledger, survivor, FEED).await;
        later = later.max(longest);
        again_later += again;
    }
    let kept = frozen.elapsed();
    cluster.node(owner).wake();
    cluster.settled(3).await;
    cluster.all_ready().await;
    cluster.feed(&mut ledger, owner, FEED).await;
    eprintln!(
        "frozen node n{owner} for {kept:.1?} (lease {LEASE} s): longest wait until the takeover {at_first:.1?}, batches \
         sent again {again}; after it {later:.1?}, sent again {again_later}"
    );
    assert_eq!(again, 0, "a batch that was forwarded to the frozen node waits for the next owner");
    assert_eq!(again_later, 0, "after the takeover no batch is refused");
    assert_nothing_is_lost(&cluster, &ledger, "a frozen node").await;
}

async fn assert_nothing_is_lost(cluster: &TestCluster, ledger: &Ledger, what: &str) {
    // A node that follows the log of another catches up after a freeze.
    eventually("the node has caught up", async || {
        let seen = cluster.node(0).get("/kpis").await["seq"].as_u64()?;
        (seen >= ledger.newest).then_some(())
    })
    .await;
    // The owner's log: a node that follows may end a connection for it to be resumed.
    let (owner, _, _) = cluster.roles().await;
    let url = cluster.node(owner).url();
    let head = ledger.assert_log(url).await;
    let stored = ledger.assert_history(url).await;
    assert_eq!(stored, ledger.acknowledged(), "every acknowledged sample is stored, and no other");
    eprintln!("{what}: acknowledged {} samples = stored {stored}, events {head}", ledger.acknowledged());
}

/// Asks nodes for their readiness until it is stopped.
struct Readiness {
    stop: watch::Sender<bool>,
    task: JoinHandle<Told>,
}

/// The first answer that says "not ready".
#[derive(Default)]
struct Told {
    first: Option<(Duration, String)>,
}

impl Told {
    fn text(&self) -> String {
        match &self.first {
            Some((after, reason)) => format!("503 after {after:.1?}: {}", reason.trim()),
            None => "stayed 200".to_owned(),
        }
    }
}

impl Readiness {
    fn watch(cluster: &TestCluster, nodes: &[usize]) -> Self {
        let urls: Vec<String> = nodes.iter().map(|node| format!("{}/readyz", cluster.node(*node).url())).collect();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let began = Instant::now();
            while !*stopped.borrow() {
                for url in &urls {
                    let Ok(answer) = reqwest::get(url).await else { continue };
                    if answer.status() == 503 {
                        let reason = answer.text().await.unwrap_or_default();
                        return Told { first: Some((began.elapsed(), reason)) };
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Told::default()
        });
        Self { stop, task }
    }

    async fn stop(self) -> Told {
        let _ended = self.stop.send(true).is_err();
        self.task.await.expect("the task ends")
    }
}

impl TestCluster {
    /// Waits until every node is ready.
    pub(super) async fn all_ready(&self) {
        for number in self.running() {
            let url = format!("{}/readyz", self.node(number).url());
            eventually("the node is ready", async || {
                let answer = self.http().get(&url).send().await.ok()?;
                (answer.status() == 200).then_some(())
            })
            .await;
        }
    }

    /// The NATS server that leads the log of a workspace.
    async fn log_leader(&self, workspace: &str) -> String {
        let servers: Vec<String> = self.nats.iter().map(|server| server.url()).collect();
        let client = async_nats::connect(servers).await.expect("a server takes the client");
        let context = async_nats::jetstream::new(client);
        eventually("the stream has a leader", async || {
            let stream = log_streams(&context, workspace).await.pop()?;
            context.get_stream(stream).await.ok()?.cached_info().cluster.as_ref()?.leader.clone()
        })
        .await
    }
}
