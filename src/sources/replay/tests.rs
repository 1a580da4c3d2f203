//! Whole replays into a server that keeps the requests.

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::*;

/// Accepts all samples, keeps the batches, and signals each batch.
#[derive(Clone, Default)]
struct Sink {
    batches: Arc<Mutex<Vec<Vec<Value>>>>,
    came: Arc<Notify>,
}

impl Sink {
    async fn start(&self) -> String {
        let routes = axum::Router::new()
            .route("/api/v1/workspaces/{workspace}/kpis/ingest", axum::routing::post(accept))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        url
    }

    fn sizes(&self) -> Vec<usize> {
        self.batches.lock().unwrap().iter().map(Vec::len).collect()
    }

    fn values(&self) -> Vec<f64> {
        self.batches.lock().unwrap().iter().flatten().map(|row| row["value"].as_f64().unwrap()).collect()
    }
}

/// Rejects values of a thousand and more, as a server rejects invalid rows.
async fn accept(State(sink): State<Sink>, Json(mut body): Json<Value>) -> Json<Value> {
    let Value::Array(rows) = body["samples"].take() else { panic!("samples is no list") };
    let bad = |row: &&Value| row["value"].as_f64().unwrap() >= 1_000.0;
    let rejected: Vec<Value> =
        (0..rows.len()).filter(|&i| bad(&&rows[i])).map(|i| json!({"row": i, "error": "large"})).collect();
    let answer = json!({"accepted": rows.len() - rejected.len(), "rejected": rejected, "seq": 1, "epoch": "e"});
    sink.batches.lock().unwrap().push(rows);
    sink.came.notify_one();
    Json(answer)
}

fn file_of(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().prefix("door count").suffix(".csv").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn options(file: &Path, url: &str, speed: f64) -> ReplayOptions {
    ReplayOptions {
        trust: earcon_client::Trust::public().unwrap(),
        file: file.to_owned(),
        table: TableOptions::new(earcon_tables::name_from(&file.file_stem().unwrap().to_string_lossy())),
        speed,
        url: url.to_owned(),
        key: None,
        workspace: WorkspaceId::new("local").unwrap(),
        arrival: Arrival::Live,
    }
}

fn rows(range: std::ops::Range<i64>) -> String {
    std::iter::once("timestamp,value\n".to_owned()).chain(range.map(|i| format!("{i},{}\n", i % 1_000))).collect()
}

#[tokio::test]
async fn file_arrives_completely_in_order_in_full_batches() {
    let sink = Sink::default();
    let (file, url) = (file_of(&rows(0..2_500)), sink.start().await);
    let summary = run_until(options(file.path(), &url, 0.0), std::future::pending()).await.unwrap();
    assert_eq!(summary, Summary { accepted: 2_500, ..Summary::default() });
    assert_eq!(sink.sizes(), [1_000, 1_000, 500]);
    assert!(sink.values().into_iter().eq((0..2_500).map(|i| f64::from(i % 1_000))));
    let kpi = sink.batches.lock().unwrap()[0][0]["kpi"].as_str().unwrap().to_owned();
    assert!(kpi.starts_with("door_count"), "{kpi}");
}

#[tokio::test]
async fn skipped_and_refused_rows_are_counted() {
    let sink = Sink::default();
    let (file, url) = (file_of("timestamp,value\n1,5\n2,x\n3,5000\n4,6\n"), sink.start().await);
    let summary = run_until(options(file.path(), &url, 0.0), std::future::pending()).await.unwrap();
    assert_eq!(summary, Summary { accepted: 2, rejected: 1, skipped: 1, ..Summary::default() });
    assert_eq!(summary.to_string(), "2 samples accepted, 1 rejected, 1 row or cell skipped");
}

#[tokio::test]
async fn file_of_bad_rows_is_read_to_its_end() {
    let sink = Sink::default();
    // The first rows decide the form of times.
    let good: String = (0..200).map(|second| format!("{second},5\n")).collect();
    let bad = "noon,1\n".repeat(5_000);
    let (file, url) = (file_of(&format!("timestamp,value\n{good}{bad}200,6\n")), sink.start().await);
    let summary = run_until(options(file.path(), &url, 0.0), std::future::pending()).await.unwrap();
    assert_eq!(summary, Summary { accepted: 201, skipped: 5_000, ..Summary::default() });
}

#[tokio::test]
async fn paced_replay_sends_one_batch_per_moment_of_the_file() {
    let sink = Sink::default();
    let (file, url) = (file_of("timestamp,value\n10,1\n10,2\n20,3\n30,4\n"), sink.start().await);
    let summary = run_until(options(file.path(), &url, 100.0), std::future::pending()).await.unwrap();
    assert_eq!(summary.accepted, 4);
    assert_eq!(sink.sizes(), [2, 1, 1]);
}

#[tokio::test]
async fn interrupt_ends_a_paced_replay_with_its_summary() {
    let sink = Sink::default();
    // The last row is due in eleven days. Only the interrupt ends the replay.
    let (file, url) = (file_of("timestamp,value\n0,1\n0.1,2\n1000000,3\n"), sink.start().await);
    let watched = sink.clone();
    let interrupt = async move {
        while watched.sizes().len() < 2 {
            watched.came.notified().await;
        }
    };
    let summary = run_until(options(file.path(), &url, 1.0), interrupt).await.unwrap();
    // The second batch has arrived. Its answer may or may not have been read.
    assert!(summary.interrupted && summary.accepted >= 1, "{summary:?}");
    assert_eq!(summary.accepted + summary.unconfirmed, 2);
    assert!(summary.to_string().starts_with("stopped before the end: "));
}

#[tokio::test]
async fn damaged_file_is_delivered_up_to_the_damage() {
    let sink = Sink::default();
    let open_quote = format!("{}7,\"{}", rows(0..500), "x".repeat(3 << 20));
    let (file, url) = (file_of(&open_quote), sink.start().await);
    let error = run_until(options(file.path(), &url, 0.0), std::future::pending()).await.unwrap_err();
    assert_eq!(sink.values().len(), 500);
    let message = error.to_string();
    assert!(message.contains("line 502") && message.contains("500 samples accepted"), "{message}");
}

#[tokio::test]
async fn errors_are_reported_with_a_remedy() {
    let file = file_of("timestamp,value\n1,5\n");
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let failure = async |file: &Path, url: &str, speed: f64| {
        run_until(options(file, url, speed), std::future::pending()).await.unwrap_err().to_string()
    };
    assert!(failure(file.path(), &closed, 0.0).await.contains("is earcon running there?"));
    assert!(failure(Path::new("absent.csv"), &closed, 0.0).await.contains("cannot open absent.csv"));
    assert!(failure(&std::env::temp_dir(), &closed, 0.0).await.contains("cannot open"));
    assert!(failure(file.path(), &closed, -1.0).await.contains("speed must be 0"));
    assert!(failure(file.path(), "ftp://x", 0.0).await.contains("neither http nor https"));
    assert!(failure(file_of("").path(), &closed, 0.0).await.contains("the file is empty"));
}
