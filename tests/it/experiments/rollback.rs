//! Candidates that are rolled back automatically.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use earcon::actors::context::{BeforeShadow, Faults};
use earcon::app::Overrides;
use reqwest::Method;
use serde_json::{Value, json};

use super::{KPIS, START, body, changes, in_time, patient};
use crate::support::Server;

async fn put(server: &Server, name: &str, options: Value) {
    let entry = json!({"detector": "season-reach-1", "options": options});
    let (status, answer) = server.send(Method::PUT, &format!("/detectors/{name}"), entry).await;
    assert_eq!(status, 200, "{answer}");
}

async fn begin(server: &Server, candidate: &str, policy: Value) {
    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": "live"})).await;
    socket.until("subscribed").await;
    let wanted = json!({"name": "try", "candidate": candidate, "policy": policy});
    let (status, answer) = server.send(Method::POST, "/experiments", wanted).await;
    assert_eq!((status, &answer["stage"]), (201, &json!("shadow")), "{answer}");
    changes(&mut socket, KPIS.len()).await;
}

async fn feed(server: &Server, from: usize, to: usize) {
    let (status, answer) = server.ingest(&body(from, to)).await;
    assert_eq!(status, 200, "{answer}");
}

async fn rolled_back(server: &Server) -> Value {
    in_time("the candidate is rolled back", async || {
        let (_, shown) = server.get("/experiments/try").await;
        (shown["stage"] == "rolled_back").then_some(shown)
    })
    .await
}

fn reason(shown: &Value) -> String {
    shown["steps"].as_array().unwrap().last().unwrap()["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn candidate_that_alerts_too_often_is_rolled_back() {
    let server = Server::start().await;
    feed(&server, 0, 200).await;
    put(&server, "nervous", json!({"sensitivity": 4, "open_score": 0.03, "close_score": 0.025, "calm_samples": 1}))
        .await;
    let mut policy = patient();
    policy["limits"]["alerts_per_10k"] = json!(5);
    begin(&server, "nervous@1", policy).await;
    // In the canary the candidate is live for every KPI, so the rollback must change every KPI.
    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": "live"})).await;
    socket.until("subscribed").await;
    let (status, answer) = server.send(Method::POST, "/experiments/try/promote", json!({})).await;
    assert_eq!((status, &answer["type"]), (409, &json!("/problems/not-now")), "too early: {answer}");
    let (status, answer) = server.send(Method::POST, "/experiments/try/promote?force=true", json!({})).await;
    assert_eq!((status, &answer["percent"]), (200, &json!(100.0)), "{answer}");
    changes(&mut socket, KPIS.len()).await;
    feed(&server, 200, 1_700).await;

    let shown = rolled_back(&server).await;
    assert!(reason(&shown).contains("per 10,000 samples"), "{shown}");
    assert_eq!(shown["steps"].as_array().unwrap().last().unwrap()["by"], "earcon");
    let candidate = &shown["total"]["candidate"];
    assert!(candidate["alerts"].as_u64() > shown["total"]["baseline"]["alerts"].as_u64(), "{shown}");
    for change in changes(&mut socket, KPIS.len()).await {
        assert_eq!(change, json!({"live": "default", "shadow": null}));
    }
    let (_, detectors) = server.get("/detectors").await;
    assert_eq!(detectors["live"], "default");
    assert!(server.metric("earcon_experiment_rollbacks_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_anomalies_are_counted_and_not_published() {
    let server = Server::start().await;
    feed(&server, 0, 200).await;
    put(&server, "nervous", json!({"sensitivity": 4})).await;
    begin(&server, "nervous@1", patient()).await;
    feed(&server, 200, 1_700).await;
    let samples = 1_500 * KPIS.len() as u64;
    let shown = in_time("the shadow has reported", async || {
        let (_, shown) = server.get("/experiments/try").await;
        (shown["total"]["candidate"]["samples"] == samples).then_some(shown)
    })
    .await;
    assert!(shown["total"]["candidate"]["alerts"].as_u64() > Some(0), "{shown}");
    assert_eq!(shown["total"]["baseline"]["samples"], samples);
    assert!(shown["total"]["candidate"]["shadow_ns"].as_f64() > Some(0.0));
    let range = format!("from={START}&to={}", START + 1_700_000);
    let listed = in_time("anomalies of the live detector are listed", async || {
        let (_, answer) = server.get(&format!("/anomalies?{range}")).await;
        answer["anomalies"].as_array().filter(|all| !all.is_empty()).cloned()
    })
    .await;
    assert!(listed.iter().all(|anomaly| !anomaly["detector"].as_str().unwrap().contains("nervous")), "{listed:?}");

    let (status, answer) = server.send(Method::POST, "/experiments/try/stop", json!({})).await;
    assert_eq!((status, &answer["stage"]), (200, &json!("stopped")), "{answer}");
    let (status, _) = server.send(Method::POST, "/experiments/try/stop", json!({})).await;
    assert_eq!(status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_candidate_is_rolled_back() {
    let before_shadow: BeforeShadow = Arc::new(|_| std::thread::sleep(Duration::from_millis(20)));
    let faults = Faults { before_shadow: Some(before_shadow), ..Faults::default() };
    let server = Server::start_with(&[], Overrides { faults, ..Overrides::default() }).await;
    feed(&server, 0, 200).await;
    put(&server, "slow", json!({"sensitivity": 0.5})).await;
    let mut policy = patient();
    policy["limits"]["cost_ratio"] = json!(8);
    begin(&server, "slow", policy).await;
    for from in (200..2_700).step_by(50) {
        feed(&server, from, from + 50).await;
    }
    let shown = rolled_back(&server).await;
    assert!(reason(&shown).contains("times what the live detector takes"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn panicking_candidate_fails_alone_and_is_rolled_back() {
    let panics = Arc::new(AtomicBool::new(false));
    let armed = panics.clone();
    let before_shadow: BeforeShadow = Arc::new(move |_| assert!(!armed.load(Ordering::SeqCst), "injected"));
    let faults = Faults { before_shadow: Some(before_shadow), ..Faults::default() };
    let server = Server::start_with(&[], Overrides { faults, ..Overrides::default() }).await;
    feed(&server, 0, 200).await;
    put(&server, "fragile", json!({"sensitivity": 0.5})).await;
    begin(&server, "fragile", patient()).await;
    feed(&server, 200, 300).await;
    panics.store(true, Ordering::SeqCst);
    feed(&server, 300, 400).await;
    let shown = rolled_back(&server).await;
    assert!(reason(&shown).contains("injected"), "{shown}");
    feed(&server, 400, 500).await;
    let (_, kpi) = server.get("/kpis/a.x").await;
    assert_eq!(kpi["state"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_experiment_is_refused_with_every_problem() {
    let server = Server::start().await;
    feed(&server, 0, 10).await;
    let bad = json!({"detector": "season-reach-1", "options": {"sensitivity": 9, "colour": 1}});
    let (status, answer) = server.send(Method::PUT, "/detectors/calm", bad).await;
    assert_eq!((status, answer["problems"].as_array().map(Vec::len)), (400, Some(2)), "{answer}");
    put(&server, "calm", json!({})).await;
    put(&server, "calm", json!({})).await;
    let (_, detectors) = server.get("/detectors").await;
    assert_eq!(detectors["entries"].as_array().map(Vec::len), Some(1), "nothing new is no revision: {detectors}");
    let policy = json!({"shares": [50], "limits": {"p99_us": 0}});
    let bad = json!({"name": "Try", "candidate": "calm", "policy": policy});
    let (status, answer) = server.send(Method::POST, "/experiments", bad).await;
    assert_eq!((status, answer["problems"].as_array().map(Vec::len)), (400, Some(3)), "{answer}");
    let (status, _) = server.send(Method::POST, "/experiments", json!({"name": "try", "candidate": "calm@7"})).await;
    assert_eq!(status, 404);
    begin(&server, "calm@1", patient()).await;
    let second = json!({"name": "second", "candidate": "calm"});
    let (status, answer) = server.send(Method::POST, "/experiments", second).await;
    assert_eq!(status, 409, "one at a time: {answer}");
    let (status, _) = server.get("/experiments/other").await;
    assert_eq!(status, 404);
}
