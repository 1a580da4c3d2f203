//! Ingest over a WebSocket: answers come in order, and a refusal keeps the connection open.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use earcon::actors::context::Faults;
use earcon::app::Overrides;
use earcon_model::KpiName;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{Server, Socket, eventually};

const START: i64 = 1_767_225_600_000;

fn document(id: u64, values: std::ops::Range<i64>) -> Value {
    let row = |i: i64| json!({"kpi": "steps", "timestamp": START + i * 1_000, "value": i});
    json!({"id": id, "samples": values.map(row).collect::<Vec<_>>()})
}

async fn connect(server: &Server) -> Socket {
    let url = server.workspace_url("/kpis/ingest").replacen("http", "ws", 1);
    Socket::connect(&url).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_answered_in_order_after_its_commit() {
    let server = Server::start().await;
    let mut socket = connect(&server).await;
    // All messages at once, without waiting. The first ones create the KPI.
    for i in 0..200 {
        socket.send(document(i, i as i64 * 5..i as i64 * 5 + 5)).await;
    }
    let mut newest = 0;
    for i in 0..200 {
        let answer = socket.json().await;
        assert_eq!(
            (&answer["id"], &answer["accepted"], &answer["late"]),
            (&json!(i), &json!(5), &json!(0)),
            "{answer}"
        );
        assert!(answer["epoch"].is_string() && answer["rejected"] == json!([]));
        let seq = answer["seq"].as_u64().unwrap();
        assert!(seq >= newest, "{answer}");
        newest = seq;
    }
    let (_, kpi) = server.get("/kpis/steps").await;
    assert_eq!(kpi["series"][0]["value"], 999.0);
    assert_eq!(server.get("/kpis/ingest").await.0, 400, "without an upgrade");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_message_is_answered_and_connection_stays_open() {
    let server = Server::start().await;
    let mut socket = connect(&server).await;
    let samples = json!([{"kpi": "a", "value": 1}, {"kpi": "a b", "value": 1}]);
    socket.send(json!({"id": "mixed", "samples": samples})).await;
    socket.send(json!({"id": "empty", "samples": []})).await;
    socket.send(json!({"id": ["odd"]})).await;
    socket.send(json!("nonsense")).await;
    socket.send(json!({"samples": [{"kpi": "a", "value": 2}]})).await;
    let mixed = socket.json().await;
    assert_eq!(
        (&mixed["id"], &mixed["accepted"], &mixed["rejected"][0]["row"]),
        (&json!("mixed"), &json!(1), &json!(1))
    );
    let empty = socket.json().await;
    assert_eq!((&empty["id"], &empty["type"]), (&json!("empty"), &json!("/problems/nothing-accepted")));
    let odd = socket.json().await;
    assert_eq!(
        (&odd["id"], &odd["type"], &odd["status"]),
        (&json!(["odd"]), &json!("/problems/bad-request"), &json!(400))
    );
    assert_eq!(socket.json().await["type"], "/problems/bad-request");
    let last = socket.json().await;
    assert_eq!((&last["id"], &last["accepted"]), (&Value::Null, &json!(1)));
}

/// Blocks the scoring of one KPI until it is opened, and records when another KPI is scored.
#[derive(Default)]
struct Gate {
    other: AtomicBool,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self, kpi: &KpiName) {
        if kpi.as_str() != "steps" {
            return self.other.store(true, Ordering::SeqCst);
        }
        // Moves other tasks of this worker thread to another thread.
        tokio::task::block_in_place(|| {
            let open = self.open.lock().unwrap();
            drop(self.opened.wait_while(open, |open| !*open).unwrap());
        });
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn full_server_answers_429_with_retry_after() {
    let gate = Arc::new(Gate::default());
    let held = gate.clone();
    let before_scoring: earcon::actors::context::BeforeScoring = Arc::new(move |kpi, _| held.pass(kpi));
    let overrides = Overrides {
        faults: Faults { before_scoring: Some(before_scoring), ..Faults::default() },
        ..Default::default()
    };
    let settings = [("ingest.max_in_flight_samples", json!(8_000)), ("ingest.max_batch_samples", json!(8_000))];
    let server = Server::start_with(&settings, overrides).await;
    let mut socket = connect(&server).await;
    socket.send(document(1, 0..900)).await;
    socket.send(document(2, 900..8_100)).await;
    socket.send(json!({"id": 3, "samples": [{"kpi": "other", "value": 1}]})).await;
    // Messages are handled in order. If the third is being scored, the second has been refused.
    eventually("the third message is scored", async || gate.other.load(Ordering::SeqCst).then_some(())).await;
    gate.open();
    let first = socket.json().await;
    assert_eq!((&first["id"], &first["accepted"]), (&json!(1), &json!(900)), "{first}");
    let second = socket.json().await;
    let (status, again) = (&second["status"], &second["retry_after"]);
    assert_eq!((&second["id"], status, again), (&json!(2), &json!(429), &json!(1)), "{second}");
    let third = socket.json().await;
    assert_eq!((&third["id"], &third["accepted"]), (&json!(3), &json!(1)), "{third}");
}

#[tokio::test(flavor = "multi_thread")]
async fn backfill_is_accepted_and_foreign_origin_is_refused() {
    let server = Server::start().await;
    let url = server.workspace_url("/kpis/ingest").replacen("http", "ws", 1);
    let mut socket = Socket::connect(&format!("{url}?backfill=true")).await;
    socket.send(document(1, 0..40)).await;
    assert_eq!(socket.json().await["accepted"], 40);
    assert_eq!(server.get("/kpis/steps").await.1["series"][0]["state"], "ended");

    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://example.org".parse().unwrap());
    let refused = tokio_tungstenite::connect_async(request).await.unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
}
