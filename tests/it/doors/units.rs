//! Units and descriptions of KPIs, and counters and ends that senders state in Earcon's own JSON.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, eventually};

const START: i64 = 1_767_225_600_000;

async fn settings(server: &Server, kpi: &str) -> Value {
    server.get(&format!("/kpis/{kpi}/settings")).await.1
}

/// The unit of a KPI as soon as one is known.
async fn unit(server: &Server, kpi: &str) -> String {
    let known = async || settings(server, kpi).await["unit"].as_str().map(str::to_owned);
    eventually("the unit is kept", known).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_protocol_states_units_and_a_restart_keeps_them() {
    let server = Server::start().await;
    let rows = json!({"samples": [
        {"kpi": "latency", "value": 12, "unit": "ms", "description": "Time to answer"},
        {"kpi": "sent", "value": 12, "unit": "By", "counter": true},
        {"kpi": "ghost", "value": 12, "unit": "ms", "timestamp": 4_102_444_800_000_i64}]});
    assert_eq!(server.ingest(&rows).await.0, 200);
    assert_eq!((unit(&server, "latency").await, unit(&server, "sent").await), ("ms".into(), "By/s".into()));
    let write = server.http().post(server.url("/write")).body("room,unit=Cel v=21");
    assert_eq!(write.send().await.unwrap().status(), 204);
    assert_eq!(unit(&server, "room.v").await, "Cel");
    let points = json!([{"asDouble": 3.0, "timeUnixNano": (START * 1_000_000).to_string()}]);
    let metrics =
        json!([{"name": "pool", "unit": "{connection}", "description": "Open", "gauge": {"dataPoints": points}}]);
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]});
    assert_eq!(server.http().post(server.url("/v1/metrics")).json(&body).send().await.unwrap().status(), 200);
    assert_eq!(unit(&server, "pool").await, "{connection}");

    let server = Server::start_in(server.shut_down().await, &[], Default::default()).await;
    let (status, units) = server.get("/units").await;
    assert_eq!(status, 200);
    let stated = |unit: &str, symbol: &str, description: Value| json!({"unit": unit, "symbol": symbol, "description": description, "stated_by": "sender"});
    let expected = json!({
        "latency": stated("ms", "ms", json!("Time to answer")), "sent": stated("By/s", "B/s", Value::Null),
        "room.v": stated("Cel", "°C", Value::Null), "pool": stated("{connection}", "connection", json!("Open"))});
    assert_eq!(units["kpis"], expected, "a refused sample states nothing");
    let (_, kpis) = server.get("/kpis").await;
    let latency = kpis["kpis"].as_array().unwrap().iter().find(|kpi| kpi["kpi"] == "latency").unwrap();
    assert_eq!((&latency["unit"], &latency["description"]), (&json!("ms"), &json!("Time to answer")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_replaces_what_senders_state() {
    let server = Server::start().await;
    server.ingest(&json!({"samples": [{"kpi": "a", "value": 1, "unit": "ms"}]})).await;
    assert_eq!(unit(&server, "a").await, "ms");
    let put = async |kpi: &str, body: Value| server.send(Method::PUT, &format!("/kpis/{kpi}/settings"), body).await;
    assert_eq!(put("none", json!({"unit": "s"})).await.0, 404);
    assert_eq!(put("a", json!({"unit": "x".repeat(33)})).await.0, 400);
    assert_eq!(put("a", json!({"units": "s"})).await.0, 400);
    let (status, answer) = put("a", json!({"unit": "s", "description": "By hand"})).await;
    let expected = json!({"unit": "s", "symbol": "s", "description": "By hand", "stated_by": "person"});
    assert_eq!((status, &answer), (200, &expected));
    server.ingest(&json!({"samples": [{"kpi": "a", "value": 1, "unit": "h"}]})).await;
    assert_eq!(settings(&server, "a").await, expected);
    assert_eq!(put("a", json!({})).await.1["unit"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentence_of_an_anomaly_has_the_unit() {
    let server = Server::start().await;
    let row = |i: i64, value: f64| json!({"kpi": "load", "timestamp": START + i * 1_000, "value": value, "unit": "{request}"});
    let noise = |i: i64| 100.0 + ((i * 7_919) % 13) as f64 / 10.0;
    let rows: Vec<_> = (0..400).map(|i| row(i, noise(i))).collect();
    assert_eq!(server.ingest(&json!({"samples": rows})).await.0, 200);
    assert_eq!(unit(&server, "load").await, "{request}");
    let far: Vec<_> = (400..410).map(|i| row(i, 9_000.0)).collect();
    assert_eq!(server.ingest(&json!({"samples": far})).await.0, 200);
    let found = async || {
        let (_, answer) = server.get(&format!("/anomalies?from={START}&to={}", START + 1_000_000)).await;
        answer["anomalies"][0]["sentence"].as_str().map(str::to_owned)
    };
    let sentence = eventually("an anomaly", found).await;
    assert!(sentence.contains("9000 request where"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn native_rows_count_and_end_their_series() {
    let server = Server::start().await;
    let row = |second: i64, value: f64| json!({"kpi": "jobs", "timestamp": START + second * 1_000, "value": value, "counter": true});
    let rows = [row(0, 10.0), row(10, 30.0), row(20, 5.0)];
    assert_eq!(server.ingest(&json!({"samples": rows})).await.0, 200);
    let (_, answer) = server.get(&format!("/kpis/jobs/samples?from={START}&to={}", START + 100_000)).await;
    let rates: Vec<_> = answer["series"][0]["samples"].as_array().unwrap().iter().map(|row| row[1].clone()).collect();
    assert_eq!(rates, [json!(2.0), json!(0.5)]);
    let end = json!({"samples": [{"kpi": "jobs", "timestamp": START + 30_000, "ended": true}]});
    assert_eq!(server.ingest(&end).await.0, 200);
    assert_eq!(server.get("/kpis/jobs").await.1["series"][0]["state"], "ended");
    let (status, answer) = server.ingest(&json!({"samples": [{"kpi": "jobs", "timestamp": START}]})).await;
    assert!(status == 400 && answer["rejected"][0]["error"].as_str().unwrap().contains("value"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn collectd_sends_its_json_to_a_path_of_its_own() {
    let server = Server::start().await;
    let list = |seconds: f64, value: f64| {
        json!([{"values": [value], "dstypes": ["counter"], "dsnames": ["value"], "time": seconds, "interval": 10,
            "host": "a", "plugin": "cpu", "plugin_instance": "0", "type": "cpu", "type_instance": "idle"}])
    };
    let post = async |path: &str, body: Value| server.http().post(server.url(path)).json(&body).send().await.unwrap();
    let seconds = (START / 1_000) as f64;
    assert_eq!(post("/collectd/write", list(seconds, 100.0)).await.status(), 204);
    let there = "/api/v1/workspaces/local/collectd/write";
    assert_eq!(post(there, list(seconds + 10.0, 150.0)).await.status(), 204);
    let (_, answer) = server.get(&format!("/kpis/cpu/samples?from={START}&to={}", START + 100_000)).await;
    let series = &answer["series"][0];
    assert_eq!(series["labels"], json!({"host": "a", "plugin_instance": "0", "type_instance": "idle"}));
    assert_eq!(series["samples"][0][1], json!(5.0), "{answer}");
    let refused = post("/collectd/write", json!([{"values": [1]}])).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("value list 0"));
    assert_eq!(post("/collectd/write", json!({})).await.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_band_of_a_percentage_ends_at_100_from_the_first_sample_on() {
    let server = Server::start().await;
    let row = |kpi: &str, i: i64, unit: Value| json!({"kpi": kpi, "value": 85.0 + ((i * 7) % 11) as f64, "timestamp": START + i * 60_000, "unit": unit});
    let rows = |kpi: &str, unit: Value| (0..60).map(|i| row(kpi, i, unit.clone())).collect::<Vec<_>>();
    let samples = [rows("load", json!("%")), rows("users", json!("ms"))].concat();
    assert_eq!(server.ingest(&json!({"samples": samples})).await.0, 200);
    let upper = async |kpi: &str| {
        let known = async || server.get(&format!("/kpis/{kpi}")).await.1["series"][0]["upper"].as_f64();
        eventually("the band is shown", known).await
    };
    assert_eq!(upper("load").await, 100.0);
    assert!(upper("users").await > 100.0, "the same values in another unit");
}
