//! Overload: a batch is refused as a whole with Retry-After, and no accepted sample is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use earcon::actors::context::{BeforeScoring, Faults};
use earcon::app::Overrides;
use serde_json::{Value, json};

use crate::support::{Server, eventually};

const START: i64 = 1_767_225_600_000;

/// Blocks scoring until it is opened.
#[derive(Default)]
struct Gate {
    reached: AtomicBool,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn wait(&self) {
        self.reached.store(true, Ordering::SeqCst);
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

fn rows(kpi: &str, from: i64, count: i64) -> Value {
    let row = |i| json!({"kpi": kpi, "timestamp": START + i * 1_000, "value": i});
    json!({"samples": (from..from + count).map(row).collect::<Vec<_>>()})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn full_pipeline_answers_429_and_recovers() {
    let gate = Arc::new(Gate::default());
    let before_scoring: BeforeScoring = {
        let gate = gate.clone();
        Arc::new(move |_, _| gate.wait())
    };
    let overrides = Overrides {
        faults: Faults { before_scoring: Some(before_scoring), ..Faults::default() },
        ..Overrides::default()
    };
    let settings = [("ingest.max_in_flight_samples", json!(1_000)), ("ingest.max_batch_samples", json!(1_000))];
    let server = Arc::new(Server::start_with(&settings, overrides).await);

    let held = {
        let server = server.clone();
        tokio::spawn(async move { server.ingest(&rows("slow", 0, 900)).await })
    };
    // The first batch scored is blocked. It must not be one of those to be refused.
    eventually("the first batch is being scored", async || gate.reached.load(Ordering::SeqCst).then_some(())).await;
    let refused = eventually("the held samples count against the limit", async || {
        let request = server.http().post(server.workspace_url("/kpis/ingest")).json(&rows("other", 0, 200));
        let response = request.send().await.unwrap();
        (response.status() == 429).then_some(response)
    })
    .await;
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "/problems/overloaded");

    gate.open();
    let (status, answer) = held.await.unwrap();
    assert_eq!((status, answer["accepted"].as_u64()), (200, Some(900)), "accepted samples are committed");
    let (status, answer) = server.ingest(&rows("other", 0, 1_000)).await;
    assert_eq!((status, answer["accepted"].as_u64()), (200, Some(1_000)), "there is room again for a full batch");
    assert_eq!(server.get("/kpis/other").await.1["series"][0]["late"], 0, "no sample of a refused batch was ingested");
}
