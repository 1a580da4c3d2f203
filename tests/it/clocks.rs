//! A wall clock that is wrong for a while.

use std::sync::Arc;
use std::time::Duration;

use earcon::app::Overrides;
use earcon_model::ManualClock;
use serde_json::json;

use crate::support::{Server, eventually};

const NOW: i64 = 1_767_225_600_000;
const DAY: i64 = 86_400_000;

fn at(now_ms: i64) -> (Arc<ManualClock>, Overrides) {
    let clock = Arc::new(ManualClock::at(now_ms));
    (clock.clone(), Overrides { clock, ..Overrides::default() })
}

/// Sends samples without timestamps, one a second by the server's clock. Returns how many were
/// late.
async fn send(server: &Server, clock: &ManualClock, samples: usize) -> u64 {
    let mut late = 0;
    for value in 0..samples {
        clock.advance(1_000);
        let (status, answer) = server.ingest(&json!({"samples": [{"kpi": "a", "value": value % 7}]})).await;
        assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
        late += answer["late"].as_u64().unwrap();
    }
    late
}

#[tokio::test(flavor = "multi_thread")]
async fn series_go_on_after_a_clock_that_was_ahead_is_set_back() {
    let (clock, overrides) = at(NOW + DAY);
    let server = Server::start_with(&[], overrides).await;
    assert_eq!(send(&server, &clock, 40).await, 0);
    clock.advance(-DAY);
    assert_eq!(send(&server, &clock, 3).await, 0, "no sample is late");
    let (_, kpi) = server.get("/kpis/a").await;
    let series = &kpi["series"][0];
    assert!(series["score"].is_number() && series["timestamp"].as_i64() < Some(NOW + DAY), "{kpi}");
    let url = server.url("/readyz");
    let ready = eventually("the jump is reported", async || {
        let text = server.http().get(&url).send().await.ok()?.text().await.ok()?;
        text.contains("set back").then_some(text)
    });
    assert!(ready.await.starts_with("ready\n"));
    assert!(server.metric("earcon_clock_jumps_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_a_clock_behind_takes_samples_and_loses_no_scores() {
    let (clock, overrides) = at(NOW);
    let server = Server::start_with(&[], overrides).await;
    assert_eq!(send(&server, &clock, 40).await, 0);
    let data = server.shut_down().await;
    let (clock, overrides) = at(NOW - DAY);
    let server = Server::start_in(data, &[], overrides).await;
    assert_eq!(send(&server, &clock, 3).await, 0);
    let data = server.shut_down().await;
    // The clock is right again.
    let (clock, overrides) = at(NOW + 100_000);
    let server = Server::start_in(data, &[], overrides).await;
    assert_eq!(send(&server, &clock, 3).await, 0);
    let (_, kpi) = server.get("/kpis/a").await;
    assert!(kpi["series"][0]["score"].is_number(), "{kpi}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_ahead_of_the_clock_is_refused_with_all_numbers() {
    let (_, overrides) = at(NOW);
    let server = Server::start_with(&[("ingest.max_ahead_seconds", json!(60))], overrides).await;
    let row = |ahead: i64| json!({"kpi": "a", "timestamp": NOW + ahead, "value": 1});
    let (status, answer) = server.ingest(&json!({"samples": [row(60_000), row(60_001)]})).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
    let error = answer["rejected"][0]["error"].as_str().unwrap();
    for part in ["1 min ahead", "more than the 1 min that are allowed", &earcon_model::rfc3339(NOW)] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_behind_one_that_is_ahead_are_late_and_the_answer_says_so() {
    let (clock, overrides) = at(NOW);
    let server = Server::start_with(&[], overrides).await;
    let row = |ahead: i64| json!({"kpi": "a", "labels": {"r": "eu"}, "timestamp": NOW + ahead, "value": 1});
    assert_eq!(server.ingest(&json!({"samples": [row(60_000)]})).await.1["late"], 0);
    let (_, answer) = server.ingest(&json!({"samples": [row(0), row(1_000)]})).await;
    let note = answer["notes"][0].as_str().unwrap();
    assert_eq!((&answer["accepted"], &answer["late"]), (&json!(2), &json!(2)), "{answer}");
    assert!(
        note.starts_with("2 samples are late") && note.contains("a{r:eu}") && note.contains("1 min ahead"),
        "{note}"
    );
    clock.advance(61_000);
    let (_, answer) = server.ingest(&json!({"samples": [row(61_000)]})).await;
    assert_eq!((&answer["late"], answer.get("notes")), (&json!(0), None), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steady_clock_is_no_news() {
    let server = Server::start().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let ready = server.http().get(server.url("/readyz")).send().await.unwrap().text().await.unwrap();
    assert_eq!(ready, "ready\n");
}
