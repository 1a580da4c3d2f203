//! Every node serves every request, no matter which node owns the workspace.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::cluster::TestCluster;
use crate::support::{Socket, eventually, noise};

const START: i64 = 1_767_225_600_000;

async fn post(cluster: &TestCluster, node: usize, body: &Value) -> (u16, Value) {
    let url = cluster.node(node).workspace_url("/kpis/ingest");
    let answer = cluster.http().post(url).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn samples(kpi: &str, samples: &[(i64, f64)]) -> Value {
    let row = |(at, value): &(i64, f64)| json!({"kpi": kpi, "timestamp": at, "value": value});
    json!({"samples": samples.iter().map(row).collect::<Vec<_>>()})
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn workspace_can_be_used_through_any_node() {
    let cluster = TestCluster::start(3).await;
    let calm = noise(START, 300, 100.0);
    let (status, answer) = post(&cluster, 0, &samples("shop", &calm)).await;
    assert_eq!((status, answer["accepted"].as_u64()), (200, Some(300)), "{answer}");
    let (owner, other, third) = cluster.roles().await;

    // Row errors come back from the owner with the rows of the request.
    let bad = json!({"samples": [{"kpi": "shop", "timestamp": START + 300_000, "value": 100.0},
        {"kpi": "shop", "timestamp": START + 301_000, "value": "x"}, {"kpi": "shop", "timestamp": -5, "value": 1.0}]});
    let (status, answer) = post(&cluster, other, &bad).await;
    let rows: Vec<_> = answer["rejected"].as_array().unwrap().iter().map(|row| row["row"].as_u64().unwrap()).collect();
    assert_eq!((status, answer["accepted"].as_u64(), rows), (200, Some(1), vec![1, 2]), "{answer}");

    // A spike sent through one node is an anomaly on another, and is acknowledged through a third.
    let url = cluster.node(third).workspace_url("/events").replace("http://", "ws://");
    let mut follower = Socket::connect(&url).await;
    follower.send(json!({"type": "subscribe"})).await;
    let epoch = follower.until("subscribed").await["epoch"].clone();
    let spike: Vec<_> = (0..5).map(|i| (START + 302_000 + i * 1_000, 900.0)).collect();
    post(&cluster, other, &samples("shop", &spike)).await;
    let opened = follower.until("anomaly.opened").await;
    assert_eq!(opened["epoch"], epoch);
    let id = opened["data"]["id"].as_str().unwrap().to_owned();
    let acknowledge = cluster.node(other).workspace_url(&format!("/anomalies/{id}/acknowledge"));
    let answer = cluster.http().post(acknowledge).json(&json!({"note": "seen"})).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(follower.until("anomaly.acknowledged").await["data"]["id"], id.as_str());

    for node in [owner, other, third] {
        let program = cluster.node(node);
        eventually("live view and history agree on every node", async || {
            let kpis = program.get("/kpis").await;
            let raw = program.get(&format!("/kpis/shop/samples?from={START}&to={}", START + 400_000)).await;
            let anomaly = program.get(&format!("/anomalies/{id}")).await;
            let complete = kpis["kpis"][0]["kpi"] == "shop"
                && kpis["epoch"] == epoch
                && raw["series"][0]["samples"].as_array()?.len() == 306
                && anomaly["acknowledged"]["note"] == "seen";
            complete.then_some(())
        })
        .await;
    }

    // Settings changed through one node are those of all; a stale revision is refused through any.
    let mix = |node: usize| cluster.node(node).workspace_url("/mixes/default");
    let change = cluster.http().patch(mix(other)).json(&json!({"voices": 2})).send().await.unwrap();
    assert_eq!(change.status(), 200, "{}", change.text().await.unwrap());
    let seen: Value = reqwest::get(mix(owner)).await.unwrap().json().await.unwrap();
    assert_eq!(seen["voices"], 2);
    let stale = cluster.http().patch(mix(third)).header("if-match", "\"0\"").json(&json!({"voices": 1}));
    assert_eq!(stale.send().await.unwrap().status(), 412);

    // A workspace that does not exist on any node.
    let missing = cluster.node(other).url().to_owned() + "/api/v1/workspaces/nowhere/kpis";
    assert_eq!(reqwest::get(missing).await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn a_deleted_kpi_may_state_its_unit_again_through_any_node() {
    let cluster = TestCluster::start(2).await;
    let row = |second: i64| json!({"samples": [{"kpi": "size", "timestamp": START + second * 1_000, "value": 1, "unit": "By"}]});
    let known = async |node: usize| {
        let units = cluster.node(node).get("/units").await;
        units["kpis"]["size"]["unit"].as_str().map(str::to_owned)
    };
    // The row is known on both nodes.
    for node in [0, 1] {
        assert_eq!(post(&cluster, node, &row(node as i64)).await.0, 200);
        eventually("the unit is kept", async || known(node).await).await;
    }
    let url = cluster.node(0).workspace_url("/kpis/size");
    assert!(cluster.http().delete(url).send().await.unwrap().status().is_success());
    let second = std::cell::Cell::new(10);
    let unit = eventually("the node that did not delete keeps the unit", || {
        second.set(second.get() + 1);
        let row = row(second.get());
        let (cluster, known) = (&cluster, &known);
        async move {
            assert_eq!(post(cluster, 1, &row).await.0, 200);
            known(0).await
        }
    });
    assert_eq!(unit.await, "By");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS and Cassandra"]
async fn sound_reaches_listeners_of_other_nodes() {
    let cluster = TestCluster::start(3).await;
    post(&cluster, 0, &samples("shop", &noise(START, 300, 100.0))).await;
    let (owner, other, third) = cluster.roles().await;
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).unwrap();
    for node in [other, third, other] {
        let url = cluster.node(node).workspace_url("/mixes/default/live").replace("http://", "ws://");
        let mut listener = Socket::connect(&url).await;
        assert_eq!(listener.until("config").await["codec"], "opus");
        let (mut last, mut energy) = (None, 0.0);
        for _ in 0..100 {
            let Some(Message::Binary(packet)) = listener.next().await else { continue };
            let number = u64::from_be_bytes(packet[..8].try_into().unwrap());
            assert!(last.is_none_or(|last| number > last), "packets come in order: {number} after {last:?}");
            last = Some(number);
            let mut pcm = [0.0_f32; 2 * 960];
            assert_eq!(decoder.decode_float(&packet[8..], &mut pcm, false).unwrap(), 960);
            energy += pcm.iter().map(|sample| sample * sample).sum::<f32>();
        }
        assert!(energy > 0.0, "there is sound");
    }
    let mix = cluster.node(owner).workspace_url("/mixes/default");
    eventually("the owner stops rendering without listeners", async || {
        let view: Value = reqwest::get(&mix).await.unwrap().json().await.unwrap();
        (view["running"] == false).then_some(())
    })
    .await;
}
