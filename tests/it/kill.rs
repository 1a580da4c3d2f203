//! A hundred times `kill -9` at varied moments: no acknowledged sample is lost, none is stored
//! twice, and a follower that resumes after each kill sees every event exactly once.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Ledger, Program, Socket};

const ROUNDS: usize = 100;

/// A follower and the events that it has seen over all its connections.
#[derive(Default)]
struct Seen {
    events: Vec<Value>,
    connections: usize,
}

impl Seen {
    /// Follows until the server ends, or to the event `to`. It resumes after the last event it has
    /// seen: the server sends an event only after the log holds it, so the log must always contain
    /// that position.
    async fn follow(mut self, url: String, to: u64) -> Self {
        let last = self.events.last();
        let since = last.map_or(json!(0), |event| event["seq"].clone());
        let mut subscribe = json!({"type": "subscribe", "since": since});
        if let Some(last) = last {
            subscribe["epoch"] = last["epoch"].clone();
        }
        let events = url.replace("http://", "ws://") + "/api/v1/workspaces/local/events";
        let Some(mut socket) = Socket::try_connect(&events, subscribe).await else { return self };
        let Some(subscribed) = socket.json_or_end().await else { return self };
        assert_eq!(subscribed["recovered"], true, "after {} events: {subscribed}", self.events.len());
        self.connections += 1;
        while (self.events.len() as u64) < to
            && let Some(event) = socket.json_or_end().await
        {
            assert_eq!(event["seq"], self.events.len() as u64 + 1, "no gap, no repetition: {event}");
            self.events.push(event);
        }
        self
    }
}

fn start(data: &TempDir) -> Program {
    let often = |key: &str| (key.to_owned(), "1".to_owned());
    let environment = [often("EARCON_STORAGE__FLUSH_SECONDS"), often("EARCON_STREAMS__SNAPSHOT_SECONDS")];
    Program::serve("kill", &["--data", data.path().to_str().unwrap()], &environment)
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_nothing_acknowledged_and_repeats_nothing() {
    let data = TempDir::new().unwrap();
    let mut ledger = Ledger::default();
    let mut seen = Seen::default();
    for round in 0..ROUNDS {
        let program = start(&data);
        let url = program.url().to_owned();
        // The moment varies: from the first batches to well after snapshots and flushes.
        let longest = if round % 8 == 0 { 2_300 } else { 500 };
        let pause = Duration::from_millis(30 + (round as u64 * 7_919) % longest);
        let killer = tokio::task::spawn_blocking(move || {
            std::thread::sleep(pause);
            program.kill();
        });
        let following = tokio::spawn(seen.follow(url.clone(), u64::MAX));
        let http = reqwest::Client::new();
        loop {
            let batch = ledger.next();
            if !ledger.send(&http, &url, &batch).await {
                break;
            }
        }
        killer.await.unwrap();
        seen = following.await.expect("the follower sees every event once");
    }
    assert!(seen.connections > ROUNDS / 2, "the follower resumed {} times", seen.connections);
    assert!(ledger.acknowledged() > ROUNDS, "the test acknowledged something: {}", ledger.acknowledged());

    let program = start(&data);
    let head = ledger.assert_log(program.url()).await;
    ledger.assert_history(program.url()).await;
    eprintln!(
        "kills: {ROUNDS}, acknowledged: {} samples, sent: {} samples, newest event: {head}",
        ledger.acknowledged(),
        ledger.sent()
    );
    let seen = seen.follow(program.url().to_owned(), head).await;
    eprintln!("the follower saw {} events over {} connections", seen.events.len(), seen.connections);
    assert_eq!(seen.events.len() as u64, head, "the follower sees what the log has");
    program.kill();
}

/// History is written behind the log. Right after a start it must not look as if samples of the
/// last seconds did not exist.
#[tokio::test(flavor = "multi_thread")]
async fn right_after_a_kill_the_first_query_finds_every_sample() {
    const KPIS: usize = 200;
    let data = TempDir::new().unwrap();
    let http = reqwest::Client::new();
    let program = Program::serve("first", &["--data", data.path().to_str().unwrap()], &[]);
    let samples: Vec<Value> = (0..KPIS)
        .flat_map(|kpi| (0..100).map(move |i| json!({"kpi": format!("k.n{kpi}"), "value": i, "timestamp": earlier(i)})))
        .collect();
    let to = format!("{}/api/v1/workspaces/local/kpis/ingest", program.url());
    let answer = http.post(to).json(&json!({"samples": samples})).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    program.kill();

    let program = Program::serve("first", &["--data", data.path().to_str().unwrap()], &[]);
    for kpi in (0..KPIS).rev().step_by(20) {
        let from = format!("{}/api/v1/workspaces/local/kpis/k.n{kpi}/samples?limit=1000", program.url());
        let found: Value = http.get(from).send().await.unwrap().json().await.unwrap();
        assert_eq!(found["series"][0]["samples"].as_array().map(Vec::len), Some(100), "k.n{kpi}: {found}");
    }
    program.kill();
}

/// Milliseconds since the epoch, some seconds ago.
fn earlier(i: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_millis() as i64 - 200_000 + i * 1_000
}
