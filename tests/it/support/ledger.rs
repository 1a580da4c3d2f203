//! A record of the samples sent and acknowledged, to compare with what a server holds at the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Socket;

const START: i64 = 1_767_225_600_000;
const BATCH: i64 = 50;
/// Every batch has a sample of each.
pub(crate) const KPIS: [&str; 3] = ["a", "b", "c"];
/// Time limit for history to catch up. Only guards against a test that hangs.
const CATCHING_UP: Duration = Duration::from_secs(90);
/// The range of one query.
const PAGE_MS: i64 = 50_000 * 1_000;

/// Samples of [`KPIS`], a row a second, and which of them were acknowledged.
#[derive(Default)]
pub(crate) struct Ledger {
    next_row: i64,
    acknowledged: BTreeMap<i64, f64>,
    /// The newest acknowledged event.
    pub(crate) newest: u64,
}

/// A batch, to be sent until it is acknowledged.
pub(crate) struct Batch {
    rows: Vec<i64>,
    body: Value,
}

impl Ledger {
    /// The next rows.
    pub(crate) fn next(&mut self) -> Batch {
        let rows: Vec<i64> = (self.next_row..self.next_row + BATCH).collect();
        self.next_row += BATCH;
        let samples: Vec<Value> = rows
            .iter()
            .flat_map(|row| KPIS.map(|kpi| json!({"kpi": kpi, "timestamp": START + row * 1_000, "value": value(*row)})))
            .collect();
        Batch { rows, body: json!({"samples": samples}) }
    }

    /// Sends a batch to the server at `url`; records and returns whether it was acknowledged. A
    /// batch may be sent again: samples that had arrived count as late and are accepted too.
    pub(crate) async fn send(&mut self, http: &reqwest::Client, url: &str, batch: &Batch) -> bool {
        let request = http.post(format!("{url}/api/v1/workspaces/local/kpis/ingest")).json(&batch.body);
        let Ok(response) = request.send().await else { return false };
        if response.status() != 200 {
            return false;
        }
        let Ok(answer) = response.json::<Value>().await else { return false };
        assert_eq!(answer["accepted"], BATCH * KPIS.len() as i64, "{answer}");
        let seq = answer["seq"].as_u64().unwrap();
        assert!(seq > self.newest, "seq never goes back: {seq} after {}", self.newest);
        self.newest = seq;
        self.acknowledged.extend(batch.rows.iter().map(|row| (START + row * 1_000, value(*row))));
        true
    }

    /// The number of acknowledged samples.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len() * KPIS.len()
    }

    /// The number of samples made.
    pub(crate) fn sent(&self) -> i64 {
        self.next_row * KPIS.len() as i64
    }

    /// Asserts that the log has every event from the first on, in order and without a hole. Asserts
    /// that it has each acknowledged sample exactly once. Returns the newest event.
    pub(crate) async fn assert_log(&self, url: &str) -> u64 {
        let socket = url.replace("http://", "ws://") + "/api/v1/workspaces/local/events";
        let mut socket = Socket::connect(&socket).await;
        socket.send(json!({"type": "subscribe", "since": 0})).await;
        let subscribed = socket.json().await;
        assert_eq!(subscribed["recovered"], true, "{subscribed}");
        let head = subscribed["seq"].as_u64().unwrap();
        assert!(head >= self.newest, "the log holds the newest acknowledged event: {head} < {}", self.newest);
        let mut seen: BTreeMap<(String, i64), u32> = BTreeMap::new();
        for seq in 1..=head {
            let event = socket.json().await;
            assert_eq!(event["seq"], seq, "no hole and no repetition");
            for series in event["data"]["series"].as_array().into_iter().flatten() {
                let kpi = event["kpi"].as_str().unwrap();
                for row in series["samples"].as_array().unwrap() {
                    *seen.entry((kpi.to_owned(), row[0].as_i64().unwrap())).or_default() += 1;
                }
            }
        }
        assert!(seen.values().all(|times| *times == 1), "a sample is in the log twice");
        for kpi in KPIS {
            for at in self.acknowledged.keys() {
                assert!(seen.contains_key(&(kpi.to_owned(), *at)), "acknowledged sample {at} of {kpi} is lost");
            }
        }
        head
    }

    /// Asserts that the history, once it has caught up, has every acknowledged sample once. Returns
    /// the number of samples it has.
    pub(crate) async fn assert_history(&self, url: &str) -> usize {
        let mut total = 0;
        for kpi in KPIS {
            let began = Instant::now();
            let stored = loop {
                if let Some(stored) = self.stored(url, kpi).await {
                    break stored;
                }
                assert!(began.elapsed() < CATCHING_UP, "the history of {kpi} does not catch up");
                tokio::time::sleep(Duration::from_millis(200)).await;
            };
            for (at, expected) in &self.acknowledged {
                assert_eq!(stored[at], *expected);
            }
            total += stored.len();
        }
        total
    }

    /// The samples of a KPI in the history; `None` until all acknowledged ones are there.
    async fn stored(&self, url: &str, kpi: &str) -> Option<BTreeMap<i64, f64>> {
        let end = START + self.next_row * 1_000;
        let mut stored = BTreeMap::new();
        for from in (START..end).step_by(PAGE_MS as usize) {
            let path = format!("/kpis/{kpi}/samples?from={from}&to={}&limit=100000", from + PAGE_MS);
            let answer = reqwest::get(format!("{url}/api/v1/workspaces/local{path}")).await.ok()?;
            let answer: Value = answer.json().await.ok()?;
            for row in answer["series"][0]["samples"].as_array().into_iter().flatten() {
                let twice = stored.insert(row[0].as_i64().unwrap(), row[1].as_f64().unwrap());
                assert_eq!(twice, None, "a timestamp is stored twice");
            }
        }
        self.acknowledged.keys().all(|at| stored.contains_key(at)).then_some(stored)
    }
}

fn value(row: i64) -> f64 {
    100.0 + (row * 7_919 % 1_000) as f64 / 100.0
}
