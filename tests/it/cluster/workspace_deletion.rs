//! A workspace is deleted through any node, whatever fails meanwhile. Nothing of it is left, no
//! request brings it back, and the next workspace of its name is empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::cluster::{TestCluster, log_streams};
use crate::support::cql::{StallingProxy, test_database};
use crate::support::{Socket, eventually};

const START: i64 = 1_767_225_600_000;
/// The tables with a column `workspace`.
const TABLES: [&str; 14] = [
    "meta",
    "workspaces",
    "snapshots",
    "snapshot_chunks",
    "history_heads",
    "series",
    "series_days",
    "samples",
    "rollup_minutes",
    "rollup_hours",
    "anomalies",
    "anomaly_times",
    "anomaly_days",
    "open_anomalies",
];

fn shop(cluster: &TestCluster, node: usize, path: &str) -> String {
    format!("{}/api/v1/workspaces/shop{path}", cluster.node(node).url())
}

async fn get(cluster: &TestCluster, node: usize, path: &str) -> (u16, Value) {
    let answer = cluster.http().get(shop(cluster, node, path)).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn create(cluster: &TestCluster, node: usize) {
    let created = cluster.http().put(shop(cluster, node, "")).send().await.unwrap().status();
    assert_eq!(created, 201);
}

async fn ingest(cluster: &TestCluster, node: usize, rows: &[Value]) -> Value {
    let request = cluster.http().post(shop(cluster, node, "/kpis/ingest")).json(&json!({"samples": rows}));
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Samples of two KPIs with a unit, in steps of ten minutes, the last of which are anomalous.
fn rows() -> Vec<Value> {
    let value = |i: i64| if i >= 395 { 900.0 } else { 50.0 + (i % 7) as f64 };
    let row =
        |kpi: &str, i: i64| json!({"kpi": kpi, "timestamp": START + i * 600_000, "value": value(i), "unit": "EUR"});
    (0..400).flat_map(|i| [row("orders", i), row("visits", i)]).collect()
}

async fn count(cluster: &TestCluster, node: usize, kpi: &str) -> usize {
    let (_, answer) = get(cluster, node, &format!("/kpis/{kpi}/samples?from=0&to=9999999999999")).await;
    let series = answer["series"].as_array().cloned().unwrap_or_default();
    series.iter().map(|series| series["samples"].as_array().unwrap().len()).sum()
}

/// Fills a new workspace, and waits until every node shows all of it.
async fn fill(cluster: &TestCluster) {
    create(cluster, 0).await;
    assert_eq!(ingest(cluster, 0, &rows()).await["accepted"], 800);
    for node in cluster.running() {
        eventually("the node shows the samples", async || (count(cluster, node, "orders").await == 400).then_some(()))
            .await;
    }
}

async fn follow(cluster: &TestCluster, node: usize) -> (Socket, Value) {
    let mut follower = Socket::connect(&shop(cluster, node, "/events").replace("http://", "ws://")).await;
    follower.send(json!({"type": "subscribe"})).await;
    let subscribed = follower.until("subscribed").await;
    (follower, subscribed)
}

/// The tables that hold rows of a generation of the workspace.
async fn tables_with(cluster: &TestCluster, key: &str) -> Vec<&'static str> {
    let session = cluster.cql_session().await;
    let mut holding = Vec::new();
    for table in TABLES {
        let text = format!("SELECT workspace FROM {}.{table}", cluster.keyspace());
        let rows = session.query_unpaged(text, ()).await.unwrap().into_rows_result().unwrap();
        if rows.rows::<(String,)>().unwrap().any(|row| row.unwrap().0 == key) {
            holding.push(table);
        }
    }
    holding
}

/// The key of the only workspace `shop` that has a log.
async fn key(cluster: &TestCluster) -> String {
    let client = cluster.nats[0].client().await;
    let streams = log_streams(&async_nats::jetstream::new(client.0.clone()), "shop").await;
    assert_eq!(streams.len(), 1, "{streams:?}");
    streams[0].trim_start_matches("earcon_log_default=").to_owned()
}

async fn assert_gone(cluster: &TestCluster, node: usize) {
    eventually("the node knows no workspace", async || (get(cluster, node, "/kpis").await.0 == 404).then_some(()))
        .await;
    let listed = cluster.http().get(format!("{}/api/v1/workspaces", cluster.node(node).url())).send().await.unwrap();
    let listed: Value = listed.json().await.unwrap();
    assert!(!listed["workspaces"].as_array().unwrap().contains(&json!({"id": "shop"})), "{listed}");
    let request = cluster.http().post(shop(cluster, node, "/kpis/ingest")).json(&json!({"samples": rows()[..1]}));
    assert_eq!(request.send().await.unwrap().status(), 404, "samples do not bring it back");
}

async fn assert_empty(cluster: &TestCluster, node: usize) {
    eventually("the node shows a new workspace", async || (get(cluster, node, "/kpis").await.0 == 200).then_some(()))
        .await;
    assert_eq!(get(cluster, node, "/kpis").await.1["kpis"], json!([]));
    assert_eq!(get(cluster, node, "/mutes").await.1["mutes"], json!([]));
    assert_eq!(get(cluster, node, "/units").await.1["kpis"], json!({}));
    assert_eq!(get(cluster, node, "/anomalies").await.1["anomalies"], json!([]));
    assert_eq!((count(cluster, node, "orders").await, count(cluster, node, "visits").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn workspace_deleted_through_another_node_is_gone_everywhere_and_its_name_begins_again() {
    let mut cluster = TestCluster::start(3).await;
    fill(&cluster).await;
    let mute = json!({"name": "one", "kpis": ["orders"], "from": START, "until": START + 30_000_000_000_i64});
    let muted = cluster.http().post(shop(&cluster, 1, "/mutes")).json(&mute).send().await.unwrap();
    assert_eq!(muted.status(), 201);
    let mut followers = Vec::new();
    for node in 0..3 {
        // Each node keeps what it has read for a while.
        eventually("the node shows the mute", async || {
            (get(&cluster, node, "/mutes").await.1["mutes"].as_array()?.len() == 1).then_some(())
        })
        .await;
        followers.push(follow(&cluster, node).await);
    }
    let old = key(&cluster).await;
    let held = eventually("snapshots are stored", async || {
        let held = tables_with(&cluster, &old).await;
        held.contains(&"snapshots").then_some(held)
    })
    .await;
    assert!(held.contains(&"samples") && held.contains(&"anomalies") && held.contains(&"meta"), "{held:?}");

    // Senders on every node go on meanwhile.
    let owner = cluster.owner_by(0, "shop").await;
    let via = (owner + 1) % 3;
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..3)
        .map(|node| {
            let (http, url, stop) = (cluster.http().clone(), shop(&cluster, node, "/kpis/ingest"), stop.clone());
            tokio::spawn(async move {
                let mut last = 0;
                while !stop.load(Ordering::SeqCst) {
                    let body = json!({"samples": [{"kpi": "orders", "value": 1.0}]});
                    last = http.post(&url).json(&body).send().await.map_or(0, |answer| answer.status().as_u16());
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                last
            })
        })
        .collect();
    let unconfirmed = cluster.http().delete(shop(&cluster, via, "")).send().await.unwrap().status();
    assert_eq!(unconfirmed, 400);
    let deleted = cluster.http().delete(shop(&cluster, via, "?confirm=shop")).send().await.unwrap();
    assert_eq!(deleted.status(), 204, "{}", deleted.text().await.unwrap());
    for node in 0..3 {
        eventually("the node knows no workspace", async || (get(&cluster, node, "/kpis").await.0 == 404).then_some(()))
            .await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::SeqCst);
    for sender in senders {
        assert_eq!(sender.await.unwrap(), 404);
    }
    let positions: Vec<Value> = followers.iter().map(|(_, subscribed)| subscribed.clone()).collect();
    for (mut follower, _) in followers {
        assert_eq!(follower.closing().await, Some((1000, "the workspace was deleted".to_owned())));
    }
    for node in 0..3 {
        assert_gone(&cluster, node).await;
    }
    assert_eq!(tables_with(&cluster, &old).await, Vec::<&str>::new());
    let client = cluster.nats[0].client().await;
    let streams = log_streams(&async_nats::jetstream::new(client.0.clone()), "shop").await;
    assert_eq!(streams, Vec::<String>::new());
    let again = cluster.http().delete(shop(&cluster, owner, "?confirm=shop")).send().await.unwrap();
    assert_eq!(again.status(), 404);

    create(&cluster, owner).await;
    for node in 0..3 {
        assert_empty(&cluster, node).await;
    }
    let row = json!({"kpi": "orders", "timestamp": START, "value": 1.0});
    assert_eq!(ingest(&cluster, via, &[row]).await["seq"], 1, "the log begins again");
    assert_ne!(key(&cluster).await, old);
    let url = shop(&cluster, via, "/events").replace("http://", "ws://");
    let mut follower = Socket::connect(&url).await;
    let (since, epoch) = (&positions[0]["seq"], &positions[0]["epoch"]);
    follower.send(json!({"type": "subscribe", "since": since, "epoch": epoch})).await;
    assert_eq!(follower.json().await["recovered"], false);

    let owner = cluster.owner_by(via, "shop").await;
    cluster.take(owner).kill();
    let left = cluster.running();
    assert_ne!(cluster.owner_by(left[0], "shop").await, owner);
    for node in left {
        eventually("the new sample is all there is", async || {
            let kpis = get(&cluster, node, "/kpis").await.1;
            let names: Vec<&Value> = kpis["kpis"].as_array()?.iter().map(|kpi| &kpi["kpi"]).collect();
            (names == [&json!("orders")] && count(&cluster, node, "orders").await == 1).then_some(())
        })
        .await;
    }
    assert_eq!(tables_with(&cluster, &old).await, Vec::<&str>::new(), "the old workspace stays deleted");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn deletion_goes_on_on_another_node_if_the_owner_is_killed_in_the_middle() {
    let proxy = StallingProxy::to(test_database()).await;
    let mut cluster = TestCluster::start_on(3, proxy.address()).await;
    fill(&cluster).await;
    let owner = cluster.owner_by(0, "shop").await;
    let (via, other) = ((owner + 1) % 3, (owner + 2) % 3);
    let old = key(&cluster).await;

    // The owner closes the workspace, and waits for the database to delete the first rows.
    proxy.stall();
    let request = cluster.http().delete(shop(&cluster, via, "?confirm=shop")).send();
    let deleting = tokio::spawn(request);
    for node in [owner, other] {
        eventually("the node knows that it goes", async || (get(&cluster, node, "/kpis").await.0 == 404).then_some(()))
            .await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    cluster.take(owner).kill();
    let early = cluster.http().put(shop(&cluster, other, "")).send();
    let early = tokio::time::timeout(Duration::from_secs(1), early).await;
    assert!(early.is_err(), "the name is not free before the deletion has ended");
    proxy.resume();
    let deleted = deleting.await.unwrap().unwrap();
    assert!([204, 202].contains(&deleted.status().as_u16()), "{}", deleted.text().await.unwrap());

    eventually("the name is free again", async || {
        let created = cluster.http().put(shop(&cluster, other, "")).send().await.ok()?;
        created.status().is_success().then_some(())
    })
    .await;
    for node in [via, other] {
        assert_empty(&cluster, node).await;
    }
    assert_eq!(tables_with(&cluster, &old).await, Vec::<&str>::new());
    assert_ne!(key(&cluster).await, old);
    let row = json!({"kpi": "orders", "timestamp": START, "value": 1.0});
    assert_eq!(ingest(&cluster, via, &[row]).await["seq"], 1);

    // The killed node comes back. It deletes nothing, and sees the new workspace only.
    let back = cluster.add();
    cluster.settled(3).await;
    eventually("it shows the new sample only", async || {
        // History answers at once; the list of KPIs waits for the owner, which may be changing.
        let kpis = get(&cluster, back, "/kpis").await.1;
        (kpis["kpis"].as_array()?.len() == 1 && count(&cluster, back, "orders").await == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn owner_that_was_frozen_during_the_deletion_brings_nothing_back() {
    let cluster = TestCluster::start(3).await;
    fill(&cluster).await;
    let owner = cluster.owner_by(0, "shop").await;
    let (via, other) = ((owner + 1) % 3, (owner + 2) % 3);
    let old = key(&cluster).await;
    cluster.node(owner).pause();
    let deleted = cluster.http().delete(shop(&cluster, via, "?confirm=shop")).send().await.unwrap();
    assert_eq!(deleted.status(), 204, "another node deletes it after the lease");
    create(&cluster, other).await;
    let row = json!({"kpi": "orders", "timestamp": START, "value": 1.0});
    assert_eq!(ingest(&cluster, via, &[row]).await["seq"], 1);

    cluster.node(owner).wake();
    cluster.settled(3).await;
    for node in [owner, via, other] {
        eventually("the node shows the new sample only", async || {
            let kpis = get(&cluster, node, "/kpis").await.1;
            (kpis["kpis"].as_array()?.len() == 1 && count(&cluster, node, "orders").await == 1).then_some(())
        })
        .await;
    }
    assert_ne!(key(&cluster).await, old, "the log of the old workspace is gone");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn unit_stated_at_one_node_is_shown_at_the_others_and_survives_a_takeover() {
    let mut cluster = TestCluster::start(3).await;
    fill(&cluster).await;
    let owner = cluster.owner_by(0, "shop").await;
    let (one, other) = ((owner + 1) % 3, (owner + 2) % 3);
    let stated = json!({"unit": "CHF", "description": "Turnover"});
    let url = shop(&cluster, one, "/kpis/orders/settings");
    let put = cluster.http().put(url).json(&stated).send().await.unwrap();
    assert!(put.status().is_success(), "{}", put.text().await.unwrap());
    let shown = async |cluster: &TestCluster, node: usize| {
        let kpis = get(cluster, node, "/kpis").await.1;
        let of =
            |name: &str| kpis["kpis"].as_array().and_then(|all| all.iter().find(|kpi| kpi["kpi"] == name)).cloned();
        let (orders, visits) = (of("orders")?, of("visits")?);
        let right = orders["unit"] == "CHF" && orders["description"] == "Turnover" && visits["unit"] == "EUR";
        right.then_some(())
    };
    for node in [owner, one, other] {
        eventually("the node shows what a person stated", async || shown(&cluster, node).await).await;
    }
    cluster.take(owner).kill();
    assert_ne!(cluster.owner_by(one, "shop").await, owner);
    // What senders state does not replace it, on the new owner either.
    ingest(&cluster, other, &[json!({"kpi": "orders", "value": 1.0, "unit": "EUR"})]).await;
    for node in [one, other] {
        eventually("the node still shows it", async || shown(&cluster, node).await).await;
    }
}
