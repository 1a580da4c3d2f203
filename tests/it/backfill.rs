//! Backfill: history with old timestamps trains detectors, is stored and raises no alert.

use serde_json::{Value, json};

use crate::support::{Server, eventually, noise};

const START: i64 = 1_767_225_600_000;

fn rows(samples: &[(i64, f64)]) -> Value {
    let row = |(at, value): &(i64, f64)| json!({"kpi": "sales", "timestamp": at, "value": value});
    json!({"samples": samples.iter().map(row).collect::<Vec<_>>()})
}

#[tokio::test(flavor = "multi_thread")]
async fn backfill_is_scored_and_stored_and_opens_no_anomaly() {
    let server = Server::start_with(&[("streams.stalled_after_seconds", json!(1))], Default::default()).await;
    let mut history = noise(START, 400, 50.0);
    history[350].1 = 900.0;
    server.post("other", &[(START, 1.0)]).await;
    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": "live"})).await;
    socket.until("subscribed").await;

    let (status, answer) = server.send(reqwest::Method::POST, "/kpis/ingest?backfill=true", rows(&history)).await;
    assert_eq!((status, &answer["accepted"], &answer["late"]), (200, &json!(400), &json!(0)), "{answer}");
    let event = socket.json().await;
    assert_eq!(event["type"], "samples.backfilled");
    let series = &event["data"]["series"][0];
    assert_eq!((&series["samples"], &series["state"]), (&json!(400), &json!("ended")));
    assert_eq!((&series["from"], &series["to"]), (&json!(START), &json!(START + 399_000)));

    let range = format!("from={START}&to={}", START + 400_000);
    let kept = eventually("the history is kept", async || {
        let (_, answer) = server.get(&format!("/kpis/sales/samples?{range}")).await;
        answer["series"][0]["samples"].as_array().filter(|rows| rows.len() == 400).cloned()
    })
    .await;
    assert!(kept[350][2].as_f64().unwrap() >= 0.5, "scored: live, this would have been an anomaly");
    let (_, anomalies) = server.get(&format!("/anomalies?{range}")).await;
    assert_eq!(anomalies["anomalies"], json!([]));

    // The backfill has trained the detector. A repeated backfill changes nothing.
    let (_, again) = server.send(reqwest::Method::POST, "/kpis/ingest?backfill=true", rows(&history)).await;
    assert_eq!((&again["accepted"], &again["late"]), (&json!(400), &json!(400)));
    server.post("sales", &[(START + 400_000, 50.0)]).await;
    let (_, kpi) = server.get("/kpis/sales").await;
    assert_eq!((&kpi["series"][0]["state"], &kpi["series"][0]["late"]), (&json!("normal"), &json!(0)));
    assert!(kpi["series"][0]["score"].is_number());

    let (status, _) = server.send(reqwest::Method::POST, "/kpis/ingest?backfill=maybe", rows(&history)).await;
    assert_eq!(status, 400);
}
