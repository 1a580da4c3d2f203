//! Another owner begins an epoch, and followers through other nodes go on.

use serde_json::{Value, json};

use crate::support::cluster::TestCluster;
use crate::support::positions::{CHANNELS, Position, Resumed, position, resume};
use crate::support::{Socket, eventually};

const START: i64 = 1_767_225_600_000;

/// Sends samples through a node, one event each, until `count` are acknowledged. Returns the
/// positions.
async fn write(cluster: &TestCluster, node: usize, count: usize, from: i64) -> Vec<Position> {
    let mut written = Vec::new();
    for i in 0..count as i64 {
        let url = cluster.node(node).workspace_url("/kpis/ingest");
        let row = json!({"samples": [{"kpi": "a", "timestamp": START + (from + i) * 1_000, "value": 1.0}]});
        let answer: Value = eventually("a sample is acknowledged", async || {
            let answer = cluster.http().post(&url).json(&row).send().await.ok()?;
            (answer.status() == 200).then_some(answer.json().await.ok()?)
        })
        .await;
        written.push(position(&answer));
    }
    written
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn follower_of_a_mirror_goes_on_in_the_epoch_of_the_next_owner() {
    let mut cluster = TestCluster::start(3).await;
    let first = write(&cluster, 0, 5, 0).await;
    let (owner, via, mirror) = cluster.roles().await;
    let events = cluster.node(mirror).workspace_url("/events");
    let mut follower = Socket::connect(&events.replacen("http", "ws", 1)).await;
    follower.send(json!({"type": "subscribe", "since": first[0].1, "epoch": first[0].0})).await;
    assert_eq!(follower.json().await["recovered"], true);
    let mut seen = vec![first[0].clone()];
    for _ in 1..5 {
        seen.push(position(&follower.json().await));
    }
    assert_eq!(seen, first);

    cluster.take(owner).terminate();
    // The workspace restarts on another node. A sample that was sent to both is one event or two.
    let second = write(&cluster, via, 5, 5).await;
    assert_ne!(second[4].0, first[0].0, "the next owner began an epoch");
    let last = second[4].1;
    while seen.last().unwrap().1 < last {
        seen.push(position(&follower.json().await));
    }
    assert_eq!(seen.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(), (first[0].1..=last).collect::<Vec<_>>());
    for written in first.iter().chain(&second) {
        assert!(seen.contains(written), "the connection names the epoch of each event: {written:?} in {seen:?}");
    }
    for node in [via, mirror] {
        for channel in CHANNELS {
            let url = cluster.node(node).workspace_url("/events");
            let resumed = resume(channel, &url, &first[1], last).await;
            assert_eq!(resumed, Resumed::Events(seen[2..].to_vec()), "{channel:?} through node {node}");
        }
    }
}
