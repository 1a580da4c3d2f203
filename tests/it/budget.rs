//! The memory of KPIs and series is bounded; known ones are always loaded.

use serde_json::{Value, json};

use crate::support::Server;

const START: i64 = 1_767_225_600_000;

fn series(numbers: std::ops::Range<usize>) -> Value {
    let row = |n: usize| json!({"kpi": "load", "labels": {"host": format!("h{n}")}, "timestamp": START, "value": 1});
    json!({"samples": numbers.map(row).collect::<Vec<_>>()})
}

#[tokio::test(flavor = "multi_thread")]
async fn new_series_are_refused_without_memory_and_known_ones_go_on() {
    let small = [("limits.memory", json!("1 MB")), ("limits.workspace_percent", json!(50))];
    let server = Server::start_with(&small, Default::default()).await;
    let (status, answer) = server.ingest(&series(0..200)).await;
    let accepted = answer["accepted"].as_u64().unwrap();
    assert!(status == 200 && (50..150).contains(&accepted), "{answer}");
    let error = answer["rejected"][0]["error"].as_str().unwrap();
    for part in ["workspace \"local\"", "of 0.5 MB", "limits.workspace_percent", "delete"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let (_, answer) = server.ingest(&series(0..10)).await;
    assert_eq!(answer["accepted"], 10, "known series go on: {answer}");
    let new_kpi = json!({"samples": [{"kpi": "more", "timestamp": START, "value": 1}]});
    let (status, answer) = server.ingest(&new_kpi).await;
    assert!(status == 400 && answer.to_string().contains("there is no memory"), "{answer}");
    assert_eq!(server.get("/kpis/more").await.0, 404, "it leaves nothing behind");

    // Another workspace has room: the share of one is not all.
    assert_eq!(server.http().put(server.url("/api/v1/workspaces/shop")).send().await.unwrap().status(), 201);
    let url = server.url("/api/v1/workspaces/shop/kpis/ingest");
    assert_eq!(server.http().post(url).json(&series(0..10)).send().await.unwrap().status(), 200);
    assert!(server.metric("earcon_series_refused_total").await >= (200 - accepted) as f64);
    assert!(server.metric("earcon_series_memory_bytes").await > 0.0);

    // A lower budget loads all that is known.
    let data = server.shut_down().await;
    let less = [("limits.memory", json!("1 MB")), ("limits.workspace_percent", json!(1))];
    let server = Server::start_in(data, &less, Default::default()).await;
    let (_, kpi) = server.get("/kpis/load").await;
    assert_eq!(kpi["series"].as_array().unwrap().len() as u64, accepted);
    let (_, answer) = server.ingest(&series(0..10)).await;
    assert_eq!(answer["accepted"], 10, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_every_limit_of_series_and_kpis_are_counted() {
    let limits = [("streams.max_series", json!(20)), ("streams.max_kpis", json!(1))];
    let server = Server::start_with(&limits, Default::default()).await;
    let before = server.metric("earcon_series_refused_total").await;
    let (_, answer) = server.ingest(&series(0..50)).await;
    assert_eq!((&answer["accepted"], &answer["rejected_total"]), (&json!(20), &json!(30)), "{answer}");
    let after = server.metric("earcon_series_refused_total").await;
    assert!(after - before >= 30.0, "series: {before} {after}");
    let other = json!({"samples": [{"kpi": "more", "value": 1}, {"kpi": "more", "value": 2}]});
    assert_eq!(server.ingest(&other).await.0, 400);
    assert!(server.metric("earcon_series_refused_total").await - after >= 2.0, "KPIs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_kpi_whose_samples_are_all_refused_leaves_nothing() {
    let clock = std::sync::Arc::new(earcon_model::ManualClock::at(START));
    let (late, armed) = (clock.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true)));
    // The samples are good when they come in, and too old when they are scored.
    let before_scoring: earcon::actors::context::BeforeScoring = std::sync::Arc::new(move |_, _| {
        if armed.swap(false, std::sync::atomic::Ordering::SeqCst) {
            late.advance(100 * 86_400_000);
        }
    });
    let faults = earcon::actors::context::Faults { before_scoring: Some(before_scoring), ..Default::default() };
    let overrides = earcon::app::Overrides { clock: clock.clone(), faults, ..Default::default() };
    let server =
        Server::start_with(&[("streams.max_kpis", json!(1)), ("storage.history_days", json!(90))], overrides).await;
    let refused = json!({"samples": [{"kpi": "ghost", "timestamp": START, "value": 1}]});
    let (status, answer) = server.ingest(&refused).await;
    assert!(status == 400 && answer["too_old"]["count"] == 1, "{answer}");
    crate::support::eventually("its memory is free", async || {
        (server.metric("earcon_series_memory_bytes").await == 0.0).then_some(())
    })
    .await;
    assert_eq!(server.get("/kpis/ghost").await.0, 404);
    let good = |kpi: &str| json!({"samples": [{"kpi": kpi, "value": 1}]});
    assert_eq!(server.ingest(&good("good")).await.0, 200, "it takes no place of the limit");
    assert_eq!(server.ingest(&good("ghost")).await.0, 400, "there is room for one");
}
