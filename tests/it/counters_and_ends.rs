//! Counters and ended series in the whole server, also after restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use earcon::actors::context::Faults;
use earcon::actors::supervision::RestartPolicy;
use earcon::app::Overrides;
use earcon_model::{Labels, Reading, Sample, SeriesBatch};
use serde_json::{Value, json};

use crate::support::{Server, eventually, noise};

const START: i64 = 1_767_225_600_000;
/// A total that triggers the injected fault once.
const POISON: f64 = 666.0;

fn totals(rows: &[(i64, f64)]) -> SeriesBatch {
    let sample = |(second, value): &(i64, f64)| Sample { timestamp_ms: START + second * 1_000, value: *value };
    let rows = (0..).zip(rows.iter().map(sample));
    SeriesBatch { reading: Reading::Counter, ..SeriesBatch::gauge(Labels::none(), rows) }
}

async fn rates(server: &Server, count: usize) -> Vec<(i64, f64)> {
    eventually("the rates are in the history", async || {
        let (_, answer) = server.get(&format!("/kpis/requests/samples?from={START}&to={}", START + 100_000)).await;
        let rows = answer["series"][0]["samples"].as_array()?;
        let rates = rows.iter().map(|row| ((row[0].as_i64().unwrap() - START) / 1_000, row[1].as_f64().unwrap()));
        (rows.len() >= count).then(|| rates.collect())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn counter_continues_after_a_restart_and_a_failure() {
    let armed = Arc::new(AtomicBool::new(true));
    let before_scoring: earcon::actors::context::BeforeScoring = Arc::new(move |_, batches| {
        let poisoned = batches.iter().flat_map(|series| &series.rows).any(|(_, sample)| sample.value == POISON);
        if poisoned && armed.swap(false, Ordering::SeqCst) {
            panic!("injected");
        }
    });
    let restart = RestartPolicy { backoff: Duration::from_millis(1), ..RestartPolicy::default() };
    let overrides = Overrides {
        faults: Faults { before_scoring: Some(before_scoring), ..Faults::default() },
        restart,
        ..Default::default()
    };
    let server = Server::start_with(&[], overrides).await;
    let first = server.take("requests", totals(&[(0, 100.0)])).await;
    assert_eq!((first.accepted, first.late, first.failed), (1, 0, 0));
    assert!(first.seq > 0, "an acknowledged sample is in the log");

    // Recovery from the log, which holds only the first total.
    let failed = server.take("requests", totals(&[(10, POISON)])).await;
    assert_eq!(failed.failed, 1);
    eventually("the stream takes samples again", async || {
        let receipt = server.take("requests", totals(&[(10, 150.0)])).await;
        (receipt.accepted == 1).then_some(())
    })
    .await;

    // Recovery from the snapshot of an orderly shutdown.
    let data = server.shut_down().await;
    let server = Server::start_in(data, &[], Overrides::default()).await;
    let again = server.take("requests", totals(&[(0, 100.0), (10, 150.0)])).await;
    assert_eq!((again.accepted, again.late), (2, 2), "sending again is harmless");
    server.take("requests", totals(&[(20, 180.0), (30, 30.0)])).await;
    assert_eq!(rates(&server, 3).await, [(10, 5.0), (20, 3.0), (30, 3.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_series_is_shown_as_ended_and_raises_no_stall() {
    let settings = [("streams.stalled_after_seconds", json!(1))];
    let server = Server::start_with(&settings, Overrides::default()).await;
    server.post("pod", &noise(START, 60, 10.0)).await;
    let mut socket = server.follow().await;
    let filter = json!({"kpis": ["pod"]});
    socket.send(json!({"type": "subscribe", "since": "live", "filter": filter})).await;
    socket.until("subscribed").await;
    let end = SeriesBatch { ended_at_ms: Some(START + 60_000), ..SeriesBatch::gauge(Labels::none(), None) };
    // The series may have stalled by now. The end is recorded in either case.
    let receipt = server.take("pod", end.clone()).await;
    assert_eq!((receipt.accepted, receipt.failed), (0, 0));
    assert!(receipt.seq > 0);
    let ended = socket.until("series.ended").await;
    assert_eq!(ended["data"], json!({"labels": {}, "timestamp": START + 60_000}));
    let state = |answer: &Value| answer["series"][0]["state"].clone();
    assert_eq!(state(&server.get("/kpis/pod").await.1), "ended");

    let data = server.shut_down().await;
    let server = Server::start_in(data, &settings, Overrides::default()).await;
    assert_eq!(state(&server.get("/kpis/pod").await.1), "ended");
    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": "live"})).await;
    socket.until("subscribed").await;
    server.post("pod", &[(START + 90_000, 10.0)]).await;
    let back = socket.json().await;
    assert_eq!((&back["type"], &back["data"]["series"][0]["state"]), (&json!("samples"), &json!("normal")));

    // The end of a series must not create an unknown KPI.
    assert_eq!(server.take("unknown", end).await.seq, 0);
    assert_eq!(server.get("/kpis/unknown").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn counter_begins_anew_behind_its_end_also_within_one_request() {
    let server = Server::start_with(&[], Overrides::default()).await;
    let row = |second: i64, value: f64| json!({"kpi": "requests", "timestamp": START + second * 1_000, "value": value, "counter": true});
    let end = json!({"kpi": "requests", "timestamp": START + 1_500, "ended": true, "counter": true});
    let last = json!({"kpi": "requests", "timestamp": START + 6_000, "value": 9.0, "counter": true, "ended": true});
    let rows = [row(0, 10.0), row(1, 20.0), end, row(2, 100.0), row(3, 110.0), last, row(7, 500.0), row(8, 501.0)];
    let request = server.http().post(server.workspace_url("/kpis/ingest")).json(&json!({"samples": rows}));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(7), &json!([])), "{answer}");
    let rates = rates(&server, 4).await;
    assert_eq!(rates.iter().map(|(second, _)| *second).collect::<Vec<_>>(), [1, 3, 6, 8], "{rates:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counter_sent_as_measurements_is_named_until_a_rule_reads_it_as_one() {
    let server = Server::start().await;
    let total = |i: i64| (if i < 280 { 1e9 + 40.0 * i as f64 } else { 40.0 * (i - 279) as f64 }) + (i % 3) as f64;
    let rows: Vec<(i64, f64)> = (0..300).map(|i| (START + i * 60_000, total(i))).collect();
    server.post("jobs", &rows[..270]).await;
    // After the sample of this minute.
    let looks_like = async |server: &Server, minute: i64| {
        let known = async || {
            let series = server.get("/kpis/jobs").await.1["series"][0].clone();
            (series["timestamp"] == START + minute * 60_000).then(|| series["looks_like"].clone())
        };
        eventually("the newest sample is shown", known).await
    };
    assert_eq!(looks_like(&server, 269).await, Value::Null, "nothing tells it from a trend");
    server.post("jobs", &rows[270..]).await;
    assert_eq!(looks_like(&server, 299).await, "counter");
    let server = Server::start_in(server.shut_down().await, &[], Overrides::default()).await;
    assert_eq!(looks_like(&server, 299).await, "counter");

    let rules = json!({"rules": [{"name": "jobs", "reading": "counter"}]});
    assert_eq!(server.send(reqwest::Method::PUT, "/ingest/rules", rules).await.0, 200);
    let answer = server.post("jobs", &[(START + 300 * 60_000, total(300)), (START + 301 * 60_000, total(301))]).await;
    assert!(answer["notes"][0].as_str().unwrap().contains("read as totals of a counter"), "{answer}");
    assert_eq!(looks_like(&server, 301).await, Value::Null);
}
