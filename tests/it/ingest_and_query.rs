//! Ingest bodies, valid and invalid, and queries of the history.

use serde_json::json;

use crate::support::{Server, eventually, noise};

const START: i64 = 1_767_225_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_named_and_good_rows_are_accepted() {
    let server = Server::start().await;
    let rows = json!({"samples": [
        {"kpi": "a", "timestamp": START, "value": 1.0},
        {"kpi": "a b", "timestamp": START, "value": 1.0},
        {"kpi": "a", "timestamp": START + 1_000, "value": "many"},
        {"kpi": "a", "timestamp": "2026-01-01T00:00:02Z", "value": 2.0, "labels": {"region": "eu"}},
        {"kpi": "a", "timestamp": 9_000_000_000_000_000i64, "value": 2.0},
    ]});
    let (status, answer) = server.ingest(&rows).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["accepted"], 2);
    let rows: Vec<_> = answer["rejected"].as_array().unwrap().iter().map(|row| row["row"].as_u64().unwrap()).collect();
    assert_eq!(rows, [1, 2, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_request_is_answered_with_a_typed_problem() {
    let server = Server::start().await;
    let post = |content_type: &'static str, body: &'static str| {
        let request = server.http().post(server.workspace_url("/kpis/ingest"));
        let request = request.header("content-type", content_type).body(body);
        async {
            let response = request.send().await.unwrap();
            let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
            let status = response.status().as_u16();
            let body: serde_json::Value = response.json().await.unwrap();
            assert_eq!(content_type, "application/problem+json");
            (status, body["type"].as_str().unwrap().to_owned())
        }
    };
    assert_eq!(post("application/json", "{").await, (400, "/problems/bad-request".into()));
    assert_eq!(post("application/json", r#"{"samples": []}"#).await, (400, "/problems/nothing-accepted".into()));
    assert_eq!(post("text/csv", "a,b").await, (415, "/problems/unsupported-media-type".into()));
    let bad_row = r#"{"kpi": "", "value": 1}"#;
    assert_eq!(post("application/x-ndjson", bad_row).await, (400, "/problems/nothing-accepted".into()));
    assert_eq!(server.get("/kpis").await.1["kpis"], json!([]), "nothing accepted makes no KPI");
    let missing = server.http().get(server.url("/api/v1/nonsense")).send().await.unwrap();
    assert_eq!(missing.status(), 404);
    let method = server.http().delete(server.url("/api/v1/workspaces")).send().await.unwrap();
    assert_eq!(method.status(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_over_the_limit_is_refused_as_a_whole() {
    let settings = [("ingest.max_in_flight_samples", json!(1000)), ("ingest.max_batch_samples", json!(1000))];
    let server = Server::start_with(&settings, Default::default()).await;
    let rows: Vec<_> = (0..1_001).map(|i| json!({"kpi": "a", "timestamp": START + i, "value": i})).collect();
    let (status, answer) = server.ingest(&json!({"samples": rows})).await;
    assert_eq!((status, answer["type"].as_str()), (413, Some("/problems/too-large")));
    assert_eq!(server.get("/kpis").await.1["kpis"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_answers_raw_rows_and_rollups() {
    let server = Server::start().await;
    let samples = noise(START, 300, 50.0);
    server.post("latency", &samples).await;
    let range = format!("from={START}&to={}", START + 300_000);
    let raw = eventually("all samples are in the history", async || {
        let (status, raw) = server.get(&format!("/kpis/latency/samples?{range}")).await;
        assert_eq!(status, 200, "{raw}");
        (raw["series"][0]["samples"].as_array().is_some_and(|rows| rows.len() == 300)).then_some(raw)
    })
    .await;
    assert_eq!(raw["columns"], json!(["timestamp", "value", "score", "expected", "lower", "upper"]));
    let rows = raw["series"][0]["samples"].as_array().unwrap();
    for (row, (timestamp, value)) in rows.iter().zip(&samples) {
        assert_eq!((row[0].as_i64(), row[1].as_f64()), (Some(*timestamp), Some(*value)));
    }
    assert!(rows[0][2].is_null() && rows[299][2].is_number(), "scored once it is warm");

    let (_, rolled) = server.get(&format!("/kpis/latency/samples?{range}&step=60000")).await;
    let rollups = rolled["series"][0]["samples"].as_array().unwrap();
    assert_eq!(rollups.len(), 5);
    let minute = &samples[60..120];
    let mean = minute.iter().map(|(_, value)| value).sum::<f64>() / 60.0;
    assert_eq!(rollups[1][0], START + 60_000);
    assert_eq!(rollups[1][1], 60);
    assert!((rollups[1][4].as_f64().unwrap() - mean).abs() < 1e-9);
    assert_eq!(rollups[1][5].as_f64(), Some(minute[59].1));

    assert_eq!(server.get("/kpis/latency/samples?from=5&to=5").await.0, 400);
    assert_eq!(server.get("/kpis/latency/samples?from=0&step=1000").await.0, 400, "too many rows");
    assert_eq!(server.get("/kpis/unknown/samples").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_samples_are_stored_but_not_scored() {
    let server = Server::start().await;
    server.post("a", &[(START, 1.0), (START + 2_000, 3.0)]).await;
    server.post("a", &[(START + 1_000, 2.0), (START, 1.5)]).await;
    let range = format!("from={START}&to={}", START + 5_000);
    let rows = eventually("the late samples are in the history", async || {
        let (_, raw) = server.get(&format!("/kpis/a/samples?{range}")).await;
        raw["series"][0]["samples"].as_array().filter(|rows| rows.len() == 3).cloned()
    })
    .await;
    let values: Vec<_> = rows.iter().map(|row| row[1].as_f64().unwrap()).collect();
    assert_eq!(values, [1.5, 2.0, 3.0], "in order of time, and a sample sent again replaces itself");
    let (_, kpi) = server.get("/kpis/a").await;
    assert_eq!(kpi["series"][0]["late"], 2);
    assert_eq!(kpi["series"][0]["value"], 3.0, "the newest by time stays the newest");
}

#[tokio::test(flavor = "multi_thread")]
async fn anomalies_are_listed_in_pages() {
    let server = Server::start().await;
    for kpi in ["a", "b", "c"] {
        server.post(kpi, &noise(START, 300, 100.0)).await;
        server.post(kpi, &[(START + 300_000, 2_000.0)]).await;
    }
    eventually("three anomalies are listed", async || {
        let (_, page) = server.get("/anomalies?open=true").await;
        (page["anomalies"].as_array().unwrap().len() == 3).then_some(())
    })
    .await;
    let (_, first) = server.get("/anomalies?open=true&limit=2").await;
    assert_eq!(first["anomalies"].as_array().unwrap().len(), 2);
    let next = first["next"].as_str().unwrap();
    let (_, second) = server.get(&format!("/anomalies?open=true&limit=2&before={next}")).await;
    assert_eq!(second["anomalies"].as_array().unwrap().len(), 1);
    assert!(second["next"].is_null());
    let (_, of_b) = server.get("/anomalies?kpi=b").await;
    assert_eq!(of_b["anomalies"][0]["kpi"], "b");
    assert_eq!(server.get("/anomalies?before=nonsense").await.0, 400);
    assert_eq!(server.get("/anomalies/nonsense").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_origin_or_host_is_refused() {
    let server = Server::start().await;
    let request = server.http().get(server.url("/api/v1/workspaces")).header("origin", "https://example.org");
    assert_eq!(request.send().await.unwrap().status(), 403);
    let request = server.http().get(server.url("/api/v1/workspaces")).header("host", "rebound.example.org");
    assert_eq!(request.send().await.unwrap().status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_body_is_accepted_up_to_the_size_limit() {
    let settings = [("server.max_body_bytes", json!(100000))];
    let server = Server::start_with(&settings, Default::default()).await;
    let send = async |body: Vec<u8>| {
        let request = server.http().post(server.workspace_url("/kpis/ingest"));
        let request = request.header("content-type", "application/x-ndjson").header("content-encoding", "gzip");
        request.body(gzip(&body)).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(b"{\"kpi\":\"a\",\"value\":1}\n".to_vec()).await, 200);
    let bomb = vec![b'\n'; 10_000_000];
    assert_eq!(send(bomb).await, 413, "the limit counts after decompression");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_describes_every_route() {
    let server = Server::start().await;
    let document: serde_json::Value =
        server.http().get(server.url("/api/v1/openapi.json")).send().await.unwrap().json().await.unwrap();
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    for path in [
        "/api/v1/workspaces",
        "/api/v1/workspaces/{workspace}/kpis/ingest",
        "/api/v1/workspaces/{workspace}/kpis/{kpi}/samples",
        "/api/v1/workspaces/{workspace}/anomalies/{id}/acknowledge",
        "/api/v1/workspaces/{workspace}/events",
        "/api/v1/workspaces/{workspace}/mixes/{mix}/live.ogg",
        "/healthz",
    ] {
        assert!(paths.contains(&path), "{path} is not in {paths:?}");
    }
    for schema in ["Kpi", "Anomaly", "Mix"] {
        assert!(document["components"]["schemas"][schema].is_object(), "no schema {schema}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_served() {
    let server = Server::start().await;
    assert_eq!(server.http().get(server.url("/healthz")).send().await.unwrap().status(), 200);
    assert_eq!(server.http().get(server.url("/readyz")).send().await.unwrap().status(), 200);
    let before = server.metric("earcon_ingest_samples_total").await;
    server.post("a", &[(START, 1.0)]).await;
    assert!(server.metric("earcon_ingest_samples_total").await > before);
    assert!(server.metric("earcon_log_commit_seconds_count").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_first_samples_are_all_accepted() {
    let server = Server::start().await;
    let first = async |kpi: &str| server.post(kpi, &[(START, 1.0)]).await["epoch"].clone();
    let (a, b, c, d) = tokio::join!(first("a"), first("b"), first("c"), first("d"));
    assert!(a == b && b == c && c == d, "one workspace came into being: {a} {b} {c} {d}");
}
