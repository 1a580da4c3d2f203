//! Failed streams are restarted alone or parked. Other streams are not affected.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use earcon::actors::context::Faults;
use earcon::actors::supervision::RestartPolicy;
use earcon::app::Overrides;
use serde_json::{Value, json};

use crate::support::{Server, eventually, noise};

const START: i64 = 1_767_225_600_000;
/// A value that triggers the injected fault.
const POISON: f64 = 666.0;

fn panics_on_poison(times: usize) -> Overrides {
    let left = Arc::new(AtomicUsize::new(times));
    let before_scoring: earcon::actors::context::BeforeScoring = Arc::new(move |_, batches| {
        let poisoned = batches.iter().flat_map(|series| &series.rows).any(|(_, sample)| sample.value == POISON);
        if poisoned && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            panic!("injected");
        }
    });
    let restart = RestartPolicy { max_failures: 3, backoff: Duration::from_millis(1), ..RestartPolicy::default() };
    Overrides {
        faults: Faults { before_scoring: Some(before_scoring), ..Faults::default() },
        restart,
        ..Overrides::default()
    }
}

fn sample(kpi: &str, at: i64, value: f64) -> Value {
    json!({"samples": [{"kpi": kpi, "timestamp": at, "value": value}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn panicking_stream_restarts_alone_and_keeps_its_state() {
    let server = Server::start_with(&[], panics_on_poison(1)).await;
    server.post("sick", &noise(START, 200, 10.0)).await;
    server.post("well", &noise(START, 200, 10.0)).await;
    let (_, before) = server.get("/kpis/sick").await;

    let (status, answer) = server.ingest(&sample("sick", START + 200_000, POISON)).await;
    assert_eq!((status, answer["type"].as_str()), (503, Some("/problems/unavailable")), "{answer}");
    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": "live"})).await;
    socket.until("subscribed").await;
    server.post("well", &[(START + 200_000, 10.0)]).await;
    assert_eq!(socket.json().await["kpi"], "well", "the connection and the other KPI noticed nothing");

    eventually("the stream accepts samples again", async || {
        let (status, answer) = server.ingest(&sample("sick", START + 201_000, 10.0)).await;
        (status == 200 && answer["accepted"] == 1).then_some(())
    })
    .await;
    let (_, after) = server.get("/kpis/sick").await;
    assert_eq!(after["series"][0]["state"], before["series"][0]["state"], "still warm: the state was recovered");
    assert!(after["series"][0]["score"].is_number());
    assert!(server.metric("earcon_stream_restarts_total").await >= 1.0);
}

/// The recovered state equals that of a stream that never failed, bit by bit.
#[tokio::test(flavor = "multi_thread")]
async fn recovery_changes_no_score() {
    let failing = Server::start_with(&[], panics_on_poison(1)).await;
    let healthy = Server::start().await;
    let (head, tail) = (noise(START, 150, 10.0), noise(START + 150_000, 50, 12.0));
    for server in [&failing, &healthy] {
        server.post("kpi", &head).await;
    }
    assert_eq!(failing.ingest(&sample("kpi", START + 150_000, POISON)).await.0, 503);
    eventually("recovered", async || {
        let (status, _) = failing.ingest(&json!({"samples": [{"kpi": "kpi", "timestamp": START, "value": 1.0}]})).await;
        (status == 200).then_some(())
    })
    .await;
    for server in [&failing, &healthy] {
        server.post("kpi", &tail).await;
    }
    let newest = async |server: &Server| {
        let (_, kpi) = server.get("/kpis/kpi").await;
        let series = kpi["series"][0].clone();
        [series["score"].clone(), series["expected"].clone(), series["lower"].clone(), series["features"].clone()]
    };
    assert_eq!(newest(&failing).await, newest(&healthy).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_failures_park_a_kpi_until_it_is_resumed() {
    let server = Server::start_with(&[], panics_on_poison(4)).await;
    server.post("sick", &noise(START, 100, 10.0)).await;
    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": "live"})).await;
    socket.until("subscribed").await;
    let parked = eventually("the KPI is parked", async || {
        server.ingest(&sample("sick", START + 100_000, POISON)).await;
        let (_, kpi) = server.get("/kpis/sick").await;
        (kpi["state"] == "parked").then_some(kpi)
    })
    .await;
    assert!(parked["reason"].as_str().unwrap().contains("injected"), "{parked}");
    assert!(socket.until("kpi.parked").await["data"]["reason"].is_string());

    let (status, answer) = server.ingest(&sample("sick", START + 101_000, 10.0)).await;
    assert_eq!(status, 400);
    assert!(answer["rejected"][0]["error"].as_str().unwrap().contains("parked"), "{answer}");
    server.post("well", &[(START, 1.0)]).await;

    assert_eq!(server.send(reqwest::Method::POST, "/kpis/sick/resume", json!({})).await.0, 202);
    socket.until("kpi.resumed").await;
    eventually("the KPI accepts samples again", async || {
        let (status, _) = server.ingest(&sample("sick", START + 102_000, 10.0)).await;
        (status == 200).then_some(())
    })
    .await;
    let (_, kpi) = server.get("/kpis/sick").await;
    assert_eq!((kpi["state"].as_str(), kpi["series"][0]["state"].as_str()), (Some("running"), Some("normal")));
    assert_eq!(server.send(reqwest::Method::POST, "/kpis/sick/resume", json!({})).await.0, 404, "it is not parked");
}
