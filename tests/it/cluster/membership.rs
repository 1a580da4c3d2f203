//! Nodes that join and leave in order: workspaces move, and senders and followers do not notice.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::watcher::Watcher;
use crate::support::cluster::TestCluster;
use crate::support::{Ledger, eventually};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn owner_shutdown_hands_over_without_a_refusal() {
    let mut cluster = TestCluster::start(3).await;
    let mut ledger = Ledger::default();
    cluster.feed(&mut ledger, 0, Duration::from_secs(2)).await;
    let (owner, via, watcher) = cluster.roles().await;
    let follower = Watcher::on(&cluster, watcher).await;

    let leaving = cluster.take(owner);
    let gone = tokio::task::spawn_blocking(move || leaving.terminate());
    let (longest, again) = cluster.feed(&mut ledger, via, Duration::from_secs(5)).await;
    gone.await.unwrap();
    assert_eq!(again, 0, "no batch is refused while the workspace moves");
    assert_ne!(cluster.owner_by(via, "local").await, owner);

    let head = ledger.assert_log(cluster.node(via).url()).await;
    follower.assert_saw_everything_to(head).await;
    let stored = ledger.assert_history(cluster.node(via).url()).await;
    eprintln!(
        "hand-over: acknowledged {} samples, stored {stored}, events {head}, gaps 0, refused 0, longest wait {longest:.2?}",
        ledger.acknowledged()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn new_node_receives_its_share_of_workspaces() {
    let mut cluster = TestCluster::start(2).await;
    let names: Vec<String> = (0..8).map(|i| format!("w{i}")).collect();
    for (i, name) in names.iter().enumerate() {
        let workspace = format!("{}/api/v1/workspaces/{name}", cluster.node(i % 2).url());
        let made = cluster.http().put(&workspace).send().await.unwrap();
        assert_eq!(made.status(), 201, "{}", made.text().await.unwrap());
        // The other node takes its samples at once.
        let url = format!("{}/api/v1/workspaces/{name}/kpis/ingest", cluster.node((i + 1) % 2).url());
        let sample = json!({"samples": [{"kpi": "a", "timestamp": 1_767_225_600_000_i64, "value": i}]});
        let answer = cluster.http().post(url).json(&sample).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }
    let loads = async |asked: usize| {
        let status = cluster.status(asked).await.unwrap();
        let mut loads: BTreeMap<String, usize> = BTreeMap::new();
        for place in status["workspaces"].as_array().unwrap() {
            *loads.entry(place["owner"].as_str().unwrap_or("none").to_owned()).or_default() += 1;
        }
        loads
    };
    let before = loads(0).await;
    assert!(before.values().all(|load| *load <= 6), "{before:?}");

    let joined = cluster.add();
    cluster.settled(3).await;
    let loads = async |asked: usize| {
        let status = cluster.status(asked).await.unwrap();
        let owned = |place: &&serde_json::Value| place["owner"] == format!("n{joined}") && place["seq"].is_u64();
        status["workspaces"].as_array().unwrap().iter().filter(owned).count()
    };
    // Three quarters of the average of 9 / 3, rounded down; `local` is one of them.
    eventually("the new node has its share", async || (loads(joined).await >= 2).then_some(())).await;

    // Every node serves every workspace.
    for name in &names {
        for node in 0..3 {
            let url = format!("{}/api/v1/workspaces/{name}/kpis", cluster.node(node).url());
            eventually("the workspace is served", async || {
                let answer = reqwest::get(&url).await.ok()?;
                let kpis: serde_json::Value = answer.json().await.ok()?;
                (kpis["kpis"][0]["kpi"] == "a").then_some(())
            })
            .await;
        }
    }
    let output = Command::new(env!("CARGO_BIN_EXE_earcon"))
        .args(["cluster", "status", "--url", cluster.node(joined).url()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(names.iter().all(|name| text.contains(name.as_str())) && text.contains("alive"), "{text}");
}
