//! OTLP/HTTP metrics.

use serde_json::{Value, json};

use crate::support::Server;

async fn post(server: &Server, content_type: &str, body: impl Into<reqwest::Body>) -> (u16, String, Vec<u8>) {
    let request = server.http().post(server.url("/v1/metrics")).header("content-type", content_type).body(body);
    let answer = request.send().await.expect("the server answers");
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), content_type, answer.bytes().await.unwrap().to_vec())
}

fn gauges(points: Value) -> String {
    let metrics = json!([{"name": "queue.length", "gauge": {"dataPoints": points}}]);
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]});
    json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn gauge_in_json_becomes_a_kpi_of_its_service() {
    let server = Server::start().await;
    let body = gauges(json!([{"timeUnixNano": "1767225600000000000", "asInt": "7"}]));
    let (status, content_type, answer) = post(&server, "application/json", body).await;
    assert_eq!((status, content_type.as_str(), answer.as_slice()), (200, "application/json", &b"{}"[..]));
    let (_, kpi) = server.get("/kpis/queue.length").await;
    assert_eq!(
        (&kpi["series"][0]["labels"], &kpi["series"][0]["value"]),
        (&json!({"service.name": "shop"}), &json!(7.0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_points_are_a_partial_success() {
    let server = Server::start().await;
    let good = json!({"timeUnixNano": "1767225600000000000", "asDouble": 1});
    let body = gauges(json!([good, {"timeUnixNano": "soon"}, {"timeUnixNano": "1767225600000000000"}]));
    let (status, _, answer) = post(&server, "application/json", body).await;
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((status, answer["partialSuccess"]["rejectedDataPoints"].as_str()), (200, Some("2")), "{answer}");
    assert!(answer["partialSuccess"]["errorMessage"].as_str().unwrap().contains("queue.length"), "{answer}");
    assert_eq!(server.get("/kpis/queue.length").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_uses_the_encoding_of_the_request() {
    let server = Server::start().await;
    assert_eq!(post(&server, "application/x-protobuf", "").await, (200, "application/x-protobuf".into(), Vec::new()));
    let (status, content_type, answer) = post(&server, "application/x-protobuf", "\x0a\x7f").await;
    assert_eq!((status, content_type.as_str()), (400, "application/x-protobuf"));
    assert!(answer.starts_with(&[0x08, 3, 0x12]), "a google.rpc.Status of INVALID_ARGUMENT: {answer:?}");
    let (status, content_type, answer) = post(&server, "application/json; charset=utf-8", "{").await;
    assert_eq!((status, content_type.as_str()), (400, "application/json"));
    assert!(serde_json::from_slice::<Value>(&answer).unwrap()["message"].is_string());
    assert_eq!(post(&server, "text/plain", "").await.0, 415);
}
