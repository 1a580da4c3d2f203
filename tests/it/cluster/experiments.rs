//! An experiment outlives its node. It is controlled through nodes that do not own the workspace.

use serde_json::{Value, json};

use crate::support::cluster::TestCluster;
use crate::support::{Socket, eventually, noise};

const START: i64 = 1_767_225_600_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn experiment_continues_on_the_next_owner() {
    let mut cluster = TestCluster::start(3).await;
    let rows = |samples: &[(i64, f64)]| {
        let row = |(at, value): &(i64, f64)| json!({"kpi": "shop", "timestamp": at, "value": value});
        json!({"samples": samples.iter().map(row).collect::<Vec<_>>()})
    };
    let calm = noise(START, 400, 100.0);
    let url = cluster.node(0).workspace_url("/kpis/ingest");
    assert_eq!(cluster.http().post(url).json(&rows(&calm[..300])).send().await.unwrap().status(), 200);
    let (owner, other, third) = cluster.roles().await;
    let mut follower = Socket::connect(&cluster.node(third).workspace_url("/events").replace("http://", "ws://")).await;
    follower.send(json!({"type": "subscribe"})).await;
    follower.until("subscribed").await;

    let entry = json!({"detector": "season-reach-1", "options": {"sensitivity": 0.5}});
    let url = cluster.node(other).workspace_url("/detectors/calm");
    assert_eq!(cluster.http().put(url).json(&entry).send().await.unwrap().status(), 200);
    let policy = json!({"limits": {"alerts_per_10k": 10_000, "cost_ratio": 10_000, "p99_us": 1_000_000},
        "shares": [100], "stage_seconds": 7_776_000});
    let begin = json!({"name": "try", "candidate": "calm", "policy": policy});
    let url = cluster.node(other).workspace_url("/experiments");
    let answer = cluster.http().post(url).json(&begin).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    let changed = follower.until("detector.changed").await;
    assert_eq!(changed["data"], json!({"live": "default", "shadow": "calm@1"}), "the owner applies it");

    cluster.take(owner).kill();
    let promote = async |cluster: &TestCluster| {
        let url = cluster.node(other).workspace_url("/experiments/try/promote?force=true");
        eventually("the promotion is taken", async || {
            let answer = cluster.http().post(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    };
    promote(&cluster).await;
    let changed = follower.until("detector.changed").await;
    assert_eq!(changed["data"], json!({"live": "calm@1", "shadow": "default"}), "the next owner continues it");
    let url = cluster.node(other).workspace_url("/kpis/ingest");
    assert_eq!(cluster.http().post(url).json(&rows(&calm[300..])).send().await.unwrap().status(), 200);
    let shown: Value = cluster.node(third).get("/experiments/try").await;
    assert_eq!((&shown["stage"], &shown["percent"]), (&json!("canary"), &json!(100.0)), "{shown}");
    promote(&cluster).await;
    let changed = follower.until("detector.changed").await;
    assert_eq!(changed["data"], json!({"live": "calm@1", "shadow": null}));
    let detectors: Value = cluster.node(third).get("/detectors").await;
    assert_eq!(detectors["live"], "calm@1");
}
