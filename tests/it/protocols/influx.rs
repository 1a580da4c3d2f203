//! Influx line protocol over HTTP, for clients of InfluxDB 1 and 2.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::{Server, eventually};

const START: i64 = 1_767_225_600;

async fn write(server: &Server, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let answer = server.http().post(server.url(path)).body(body).send().await.expect("the server answers");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Rows `[timestamp, value]` of the only series of a KPI.
async fn history(server: &Server, kpi: &str, rows: usize) -> Value {
    let path = format!("/kpis/{kpi}/samples?from={}&to={}", START * 1_000, (START + 1_000) * 1_000);
    eventually(kpi, async || {
        let (status, answer) = server.get(&path).await;
        let found = answer["series"][0]["samples"].as_array().is_some_and(|samples| samples.len() == rows);
        (status == 200 && found).then(|| answer["series"][0].clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn influx_points_are_durable_when_answered() {
    let server = Server::start().await;
    let body = format!("cpu,host=a usage=1.5,idle=98i {START}\ncpu,host=a usage=2.5,idle=97i {}\n", START + 1);
    let (status, answer) = write(&server, "/write?db=telegraf&precision=s", body).await;
    assert_eq!((status, answer), (204, json!("")));
    let series = history(&server, "cpu.usage", 2).await;
    assert_eq!(series["labels"], json!({"host": "a"}));
    assert_eq!(series["samples"][1][0], json!((START + 1) * 1_000));
    assert_eq!(series["samples"][1][1], json!(2.5));
    assert_eq!(history(&server, "cpu.idle", 2).await["samples"][0][1], json!(98.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_lines_are_reported_in_the_format_of_each_version() {
    let server = Server::start().await;
    let body = format!("good value=1 {START}\nbad value=x\ngood value=2 {}\n", START + 1);
    let (status, answer) = write(&server, "/write?precision=s", body.clone()).await;
    let message = answer["error"].as_str().unwrap();
    assert_eq!(status, 400);
    assert!(message.starts_with("partial write: line 2: ") && message.ends_with("dropped=1"), "{message}");
    history(&server, "good", 2).await;
    let (status, answer) = write(&server, "/api/v2/write?org=o&bucket=b&precision=s", body).await;
    assert_eq!((status, answer["code"].as_str()), (400, Some("invalid")));
    assert!(answer["message"].as_str().unwrap().contains("line 2"), "{answer}");
    let (status, answer) = write(&server, "/write?precision=fortnights", "a value=1").await;
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().unwrap().contains("fortnights"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_fields_alone_succeed_and_create_nothing() {
    let server = Server::start().await;
    assert_eq!(write(&server, "/write", "log message=\"hello\"").await.0, 204);
    assert_eq!(write(&server, "/write", "").await.0, 204);
    assert_eq!(server.get("/kpis").await.1["kpis"], json!([]), "an empty write creates no KPI");
    assert!(server.metric("earcon_ingest_ignored_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_is_accepted_and_other_encodings_are_refused() {
    let server = Server::start().await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(format!("zipped value=7 {START}").as_bytes()).unwrap();
    let url = server.url("/api/v2/write?precision=s");
    let zipped = server.http().post(&url).header("content-encoding", "gzip").body(gzip.finish().unwrap());
    assert_eq!(zipped.send().await.unwrap().status(), 204);
    history(&server, "zipped", 1).await;
    for path in ["/api/v2/write", "/api/v1/workspaces/local/kpis/ingest"] {
        let other = server.http().post(server.url(path)).header("content-encoding", "br").body("x");
        assert_eq!(other.send().await.unwrap().status(), 415, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workspace_is_named_by_path_header_or_settings() {
    let names = json!("agents, by-header, by-path, by-path-2");
    let settings = [("ingest.workspace", json!("agents")), ("workspaces.names", names)];
    let server = Server::start_with(&settings, Default::default()).await;
    for path in ["/write", "/api/v1/workspaces/by-path/write", "/api/v1/workspaces/by-path-2/api/v2/write"] {
        assert_eq!(write(&server, path, "a value=1").await.0, 204, "{path}");
    }
    let named = server.http().post(server.url("/write?db=ignored")).header("x-earcon-workspace", "by-header");
    assert_eq!(named.body("a value=1").send().await.unwrap().status(), 204);
    let bad = server.http().post(server.url("/write")).header("x-earcon-workspace", "No Such");
    assert_eq!(bad.body("a value=1").send().await.unwrap().status(), 400);
    let all: Value = server.http().get(server.url("/api/v1/workspaces")).send().await.unwrap().json().await.unwrap();
    let names: Vec<_> = all["workspaces"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["agents", "by-header", "by-path", "by-path-2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn influx_probe_requests_are_answered() {
    let server = Server::start().await;
    let ping = server.http().get(server.url("/ping")).send().await.unwrap();
    assert_eq!(ping.status(), 204);
    assert!(ping.headers().contains_key("x-influxdb-version"));
    let (status, answer) = write(&server, "/query?q=CREATE+DATABASE+%22telegraf%22", "").await;
    assert_eq!((status, answer["results"].is_array()), (200, true));
    let (status, answer) = write(&server, "/query", "q=create+database+telegraf").await;
    assert_eq!((status, answer["results"].is_array()), (200, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_influxql_question_is_an_error_and_no_empty_result() {
    let server = Server::start().await;
    for (path, form) in
        [("/query?q=SELECT+1", ""), ("/query", "q=SHOW+DATABASES"), ("/query?q=CREATE+DATABASE+a%3BSELECT+1", "")]
    {
        let (status, answer) = write(&server, path, form).await;
        assert_eq!(status, 400, "{path} {form}");
        assert!(answer["error"].as_str().unwrap().contains("earcon query"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_samples_are_refused_as_a_whole_with_413() {
    let settings = [("ingest.max_in_flight_samples", json!(1_000)), ("ingest.max_batch_samples", json!(10))];
    let server = Server::start_with(&settings, Default::default()).await;
    let (status, answer) = write(&server, "/write", "a value=1\n".repeat(11)).await;
    assert_eq!(status, 413);
    assert!(answer["error"].as_str().unwrap().contains("at most 10 samples"), "{answer}");
    assert_eq!(server.get("/kpis").await.1["kpis"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_telegraf_requests_are_accepted() {
    let server = Server::start().await;
    for (path, file) in
        [("/write?db=telegraf", "telegraf-influxdb.gz"), ("/api/v2/write?bucket=b&org=o", "telegraf-influxdb-v2.gz")]
    {
        let body = std::fs::read(format!("{}/tests/data/agents/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let request = server.http().post(server.url(path)).header("content-encoding", "gzip");
        let request = request.header("content-type", "text/plain; charset=utf-8").header("authorization", "Token t");
        assert_eq!(request.body(body).send().await.unwrap().status(), 204, "{path}");
    }
    let (status, load) = server.get("/kpis/system.load1").await;
    assert_eq!((status, &load["series"][0]["labels"]), (200, &json!({"host": "agent-host"})));
    assert_eq!(server.get("/kpis/mem.used_percent").await.0, 200);
    assert_eq!(server.get("/kpis/system.uptime_format").await.0, 404, "a text");
}
