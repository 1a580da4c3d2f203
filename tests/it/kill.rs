//! `kill -9` at random moments, again and again: nothing acknowledged is lost, nothing is there twice.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::eventually;

const START: i64 = 1_767_225_600_000;
const ROUNDS: usize = 12;
const BATCH: i64 = 50;
const KPIS: [&str; 3] = ["a", "b", "c"];

struct Program {
    child: Child,
    url: String,
}

impl Program {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_earcon"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()])
            .env("EARCON_STORAGE__FLUSH_SECONDS", "1")
            .env("EARCON_STREAMS__SNAPSHOT_SECONDS", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let at = line.find("http://").unwrap_or_else(|| panic!("no address in {line:?}"));
        let url = line[at..].split_whitespace().next().unwrap().trim_end_matches('/').to_owned();
        Self { child, url }
    }

    fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("it is gone");
    }
}

/// Sends batches until the connection breaks; returns the rows that were acknowledged and the newest `seq` told.
async fn feed(url: &str, next_row: &mut i64, acknowledged: &mut BTreeMap<i64, f64>) -> u64 {
    let http = reqwest::Client::new();
    let mut newest = 0;
    loop {
        let rows: Vec<i64> = (*next_row..*next_row + BATCH).collect();
        *next_row += BATCH;
        let samples: Vec<Value> = rows
            .iter()
            .flat_map(|row| KPIS.map(|kpi| json!({"kpi": kpi, "timestamp": START + row * 1_000, "value": value(*row)})))
            .collect();
        let request =
            http.post(format!("{url}/api/v1/workspaces/local/kpis/ingest")).json(&json!({"samples": samples}));
        let Ok(response) = request.send().await else { return newest };
        if response.status() != 200 {
            return newest;
        }
        let Ok(answer) = response.json::<Value>().await else { return newest };
        assert_eq!(answer["accepted"], BATCH * 3);
        newest = answer["seq"].as_u64().unwrap();
        acknowledged.extend(rows.iter().map(|row| (START + row * 1_000, value(*row))));
    }
}

fn value(row: i64) -> f64 {
    100.0 + (row * 7_919 % 1_000) as f64 / 100.0
}

async fn get(url: &str, path: &str) -> Value {
    reqwest::get(format!("{url}/api/v1/workspaces/local{path}")).await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_nothing_acknowledged_and_repeats_nothing() {
    let data = TempDir::new().unwrap();
    let (mut next_row, mut acknowledged) = (0, BTreeMap::new());
    let mut newest = 0;
    for round in 0..ROUNDS {
        let program = Program::start(data.path());
        let url = program.url.clone();
        // Different moments every round, from during the first batches to well after snapshots and flushes.
        let pause = Duration::from_millis(30 + (round as u64 * 7_919) % 2_300);
        let killer = tokio::task::spawn_blocking(move || {
            std::thread::sleep(pause);
            program.kill();
        });
        let told = feed(&url, &mut next_row, &mut acknowledged).await;
        assert!(told == 0 || told > newest, "seq never goes back: {told} after {newest}");
        newest = newest.max(told);
        killer.await.unwrap();
    }
    assert!(acknowledged.len() > ROUNDS, "the test acknowledged something: {}", acknowledged.len());

    let program = Program::start(data.path());
    let head = get(&program.url, "/kpis").await["seq"].as_u64().unwrap();
    assert!(head >= newest, "the log holds the newest acknowledged event");
    check_log(&program.url, &acknowledged).await;
    for kpi in KPIS {
        check_history(&program.url, kpi, &acknowledged, next_row).await;
    }
    eprintln!(
        "kills: {ROUNDS}, acknowledged: {} samples, sent: {} samples, newest event: {head}",
        acknowledged.len() * 3,
        next_row * 3
    );
    program.kill();
}

/// Every event from the first is there, in order, without a hole, and holds each acknowledged sample exactly once.
async fn check_log(url: &str, acknowledged: &BTreeMap<i64, f64>) {
    let socket = url.replace("http://", "ws://") + "/api/v1/workspaces/local/events";
    let mut socket = crate::support::Socket::connect(&socket).await;
    socket.send(json!({"type": "subscribe", "since": 0})).await;
    let subscribed = socket.json().await;
    assert_eq!(subscribed["recovered"], true, "{subscribed}");
    let head = subscribed["seq"].as_u64().unwrap();
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
        for at in acknowledged.keys() {
            assert!(seen.contains_key(&(kpi.to_owned(), *at)), "acknowledged sample {at} of {kpi} is lost");
        }
    }
}

/// Rows one question asks for.
const PAGE_MS: i64 = 50_000 * 1_000;

async fn check_history(url: &str, kpi: &str, acknowledged: &BTreeMap<i64, f64>, rows: i64) {
    let end = START + rows * 1_000;
    let stored = eventually("the history has caught up", async || {
        let mut stored = BTreeMap::new();
        for from in (START..end).step_by(PAGE_MS as usize) {
            let path = format!("/kpis/{kpi}/samples?from={from}&to={}&limit=100000", from + PAGE_MS);
            let answer = get(url, &path).await;
            for row in answer["series"][0]["samples"].as_array().into_iter().flatten() {
                let twice = stored.insert(row[0].as_i64().unwrap(), row[1].as_f64().unwrap());
                assert_eq!(twice, None, "a timestamp is stored twice");
            }
        }
        acknowledged.keys().all(|at| stored.contains_key(at)).then_some(stored)
    })
    .await;
    for (at, expected) in acknowledged {
        assert_eq!(stored[at], *expected);
    }
}
