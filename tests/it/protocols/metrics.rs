//! Refused and ignored rows are counted once, whatever protocol carried them.
//!
//! Metrics belong to a process, so each server runs in one of its own and counts are exact.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::remote_write::{request, series};
use crate::support::{Program, Socket};

const START: i64 = 1_767_225_600_000;

/// A server whose counters no other test changes.
struct Counted {
    program: Program,
    _data: TempDir,
}

impl Counted {
    fn start(settings: &[(&str, &str)]) -> Self {
        let data = TempDir::new().unwrap();
        let environment: Vec<_> =
            settings.iter().map(|(key, value)| (format!("EARCON_{key}"), (*value).to_owned())).collect();
        let program = Program::serve("metrics", &["--data", data.path().to_str().unwrap()], &environment);
        Self { program, _data: data }
    }

    /// Rows refused and samples ignored since the start.
    async fn refused_and_ignored(&self) -> (u64, u64) {
        let text = reqwest::get(format!("{}/metrics", self.program.url())).await.unwrap().text().await.unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.map_or(0, |value| value.parse().unwrap())
        };
        (value("earcon_ingest_rejected_total"), value("earcon_ingest_ignored_total"))
    }

    async fn post(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> u16 {
        let request = reqwest::Client::new().post(format!("{}{path}", self.program.url())).body(body);
        request.header("content-type", content_type).send().await.unwrap().status().as_u16()
    }

    async fn ingest(&self, body: &Value) -> u16 {
        self.post("/api/v1/workspaces/local/kpis/ingest", "application/json", body.to_string()).await
    }
}

fn good(kpi: &str) -> Value {
    json!({"kpi": kpi, "timestamp": START, "value": 1})
}

fn bad() -> Value {
    json!({"kpi": "not a name", "value": 1})
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_refused_by_the_native_parser_are_counted_once() {
    let server = Counted::start(&[]);
    assert_eq!(server.ingest(&json!({"samples": [good("a"), bad()]})).await, 200);
    assert_eq!(server.refused_and_ignored().await, (1, 0), "a document");
    assert_eq!(server.ingest(&json!({"samples": [bad(), bad()]})).await, 400);
    assert_eq!(server.refused_and_ignored().await, (3, 0), "a document without any good row");
    let lines = format!("{}\n{}\nnonsense\n", good("a"), bad());
    let path = "/api/v1/workspaces/local/kpis/ingest";
    assert_eq!(server.post(path, "application/x-ndjson", lines).await, 200);
    assert_eq!(server.refused_and_ignored().await, (5, 0), "lines");
    let mut socket = Socket::connect(&server.program.workspace_url("/kpis/ingest").replacen("http", "ws", 1)).await;
    socket.send(json!({"id": 1, "samples": [good("a"), bad()]})).await;
    assert_eq!(socket.json().await["rejected_total"], 1);
    assert_eq!(server.refused_and_ignored().await, (6, 0), "a message");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_refused_by_a_limit_are_counted_once() {
    let server = Counted::start(&[("STREAMS__MAX_KPIS", "1")]);
    assert_eq!(server.ingest(&json!({"samples": [good("first"), good("second")]})).await, 200);
    assert_eq!(server.refused_and_ignored().await, (1, 0), "one KPI too many");
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_of_an_uploaded_file_that_cannot_be_read_are_counted_once() {
    let server = Counted::start(&[]);
    let file = format!("time,steps\n{START},many\n{},7\n", START + 1_000);
    let path = "/api/v1/workspaces/local/kpis/upload?backfill=true";
    let request = reqwest::Client::new().post(format!("{}{path}", server.program.url())).body(file);
    let answer = request.header("content-type", "text/csv").send().await.unwrap().text().await.unwrap();
    let last: Value = serde_json::from_str(answer.lines().last().unwrap()).unwrap();
    assert_eq!((&last["accepted"], &last["skipped"], &last["rejected"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!(server.refused_and_ignored().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn influx_lines_are_counted_once() {
    let server = Counted::start(&[]);
    let lines = "cpu idle=1 1767225600000000000\ncpu idle=x 1767225600000000000\ncpu state=\"ok\" 1767225600000000000";
    assert_eq!(server.post("/write", "text/plain", lines).await, 400);
    assert_eq!(server.refused_and_ignored().await, (1, 1));
    assert_eq!(server.post("/api/v1/workspaces/local/api/v2/write", "text/plain", lines).await, 400);
    assert_eq!(server.refused_and_ignored().await, (2, 2), "at the other path");
}

#[tokio::test(flavor = "multi_thread")]
async fn otlp_points_are_counted_once() {
    let server = Counted::start(&[]);
    let points = json!([{"timeUnixNano": "1767225600000000000", "asInt": "7"}, {"timeUnixNano": "soon", "asInt": "7"}]);
    let metrics = json!([{"name": "queue.length", "gauge": {"dataPoints": points}}]);
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}).to_string();
    assert_eq!(server.post("/v1/metrics", "application/json", body).await, 200);
    assert_eq!(server.refused_and_ignored().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_write_samples_are_counted_once() {
    let server = Counted::start(&[]);
    let nameless = series(&[("job", "x")], &[(START, 1.0)]);
    let good = series(&[("__name__", "good")], &[(START, 1.0), (START + 1, f64::INFINITY)]);
    let body = request(&[good, nameless]);
    assert_eq!(server.post("/api/v1/write", "application/x-protobuf", body).await, 400);
    assert_eq!(server.refused_and_ignored().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn rows_in_messages_are_counted_once() {
    let nats = crate::support::nats::NatsServer::start().await;
    let server = Counted::start(&[("NATS__SERVERS", &nats.url())]);
    let client = nats.client().await;
    let subject = "earcon.v1.default.local.ingest";
    let document = json!({"samples": [good("a"), bad()]}).to_string();
    assert_eq!(client.ask(subject, &[], document.clone()).await.0, 200);
    assert_eq!(server.refused_and_ignored().await, (1, 0), "a request");
    client.0.publish(subject, document.into()).await.unwrap();
    client.0.publish(subject, json!({"samples": [bad()]}).to_string().into()).await.unwrap();
    crate::support::eventually("both messages are processed", || async {
        (server.refused_and_ignored().await == (3, 0)).then_some(())
    })
    .await;
}
