//! A deletion through one node holds on all nodes, and after a takeover.

use serde_json::{Value, json};

use crate::support::cluster::TestCluster;
use crate::support::eventually;

const START: i64 = 1_767_225_600_000;

async fn count(cluster: &TestCluster, node: usize, kpi: &str) -> usize {
    let path = format!("/kpis/{kpi}/samples?from=0&to=9999999999999");
    let answer = cluster.node(node).get(&path).await;
    let series = answer["series"].as_array().cloned().unwrap_or_default();
    series.iter().map(|series| series["samples"].as_array().unwrap().len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a NATS server and a CQL database"]
async fn deleted_data_stays_deleted_on_all_nodes_and_after_a_takeover() {
    let mut cluster = TestCluster::start(3).await;
    let ingest = cluster.node(0).workspace_url("/kpis/ingest");
    let row = |kpi: &str, i: i64| json!({"kpi": kpi, "timestamp": START + i * 1_000, "value": i % 7});
    let rows: Vec<Value> = (0..300).flat_map(|i| [row("whole", i), row("part", i)]).collect();
    let answer = cluster.http().post(ingest).json(&json!({"samples": rows})).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["accepted"], 600);
    let (owner, one, other) = cluster.roles().await;
    eventually("all nodes see the samples", async || {
        (count(&cluster, owner, "whole").await == 300 && count(&cluster, other, "part").await == 300).then_some(())
    })
    .await;
    let range = format!("/kpis/part/samples?from={START}&to={}", START + 100_000);
    for path in ["/kpis/whole", range.as_str()] {
        let answer = cluster.http().delete(cluster.node(one).workspace_url(path)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
    }
    for node in [owner, one, other] {
        eventually("the node answers without it", async || {
            (count(&cluster, node, "whole").await == 0 && count(&cluster, node, "part").await == 200).then_some(())
        })
        .await;
    }
    cluster.take(owner).kill();
    let next = cluster.owner_by(one, "local").await;
    assert_ne!(next, owner);
    for node in [one, other] {
        eventually("the other nodes still answer without it", async || {
            let kpis = cluster.node(node).get("/kpis").await;
            let names: Vec<&Value> = kpis["kpis"].as_array()?.iter().map(|kpi| &kpi["kpi"]).collect();
            (names == [&json!("part")] && count(&cluster, node, "part").await == 200).then_some(())
        })
        .await;
    }
}
