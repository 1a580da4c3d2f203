//! Two nodes on one NATS server and the test database. Measures the cost of sending to the node
//! that does not own the workspace, and whether history keeps up. Nodes, servers and clients share
//! the machine's cores.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::START_MS;
use super::client::{Shape, bodies, post_all};
use super::process::Earcon;

const SHAPE: Shape = Shape { kpis: 10, series: 100, turns: 1 };
const BATCHES: usize = 400;

struct Nats {
    child: Child,
    url: String,
    _data: TempDir,
}

impl Nats {
    async fn start(program: &str) -> Self {
        let data = TempDir::new().expect("a temporary directory");
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port().to_string();
        let child = Command::new(program)
            .args(["--addr", "127.0.0.1", "--port", &port, "--jetstream", "--store_dir"])
            .arg(data.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts");
        let url = format!("nats://127.0.0.1:{port}");
        while async_nats::connect(&url).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { child, url, _data: data }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _gone = self.child.kill().is_err();
        let _gone = self.child.wait().is_err();
    }
}

pub(crate) async fn run() {
    let (Ok(program), Ok(cql)) = (std::env::var("EARCON_TEST_NATS_SERVER"), std::env::var("EARCON_TEST_CQL")) else {
        println!(
            "cluster: skipped, because EARCON_TEST_NATS_SERVER and EARCON_TEST_CQL are not set; `make bench` sets them"
        );
        return;
    };
    let nats = Nats::start(&program).await;
    let keyspace = format!("bench_{}", uuid::Uuid::new_v4().simple());
    let environment = |node: &str| {
        [
            ("EARCON_STORAGE__LOG", "jetstream"),
            ("EARCON_STORAGE__HISTORY", "cql"),
            ("EARCON_STORAGE__META", "cql"),
            ("EARCON_NATS__SERVERS", &nats.url),
            ("EARCON_NATS__FAN_OUT", "false"),
            ("EARCON_CQL__NODES", &cql),
            ("EARCON_CQL__KEYSPACE", &keyspace),
            ("EARCON_CLUSTER__ENABLED", "true"),
            ("EARCON_CLUSTER__NODE", node),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
    };
    let migrated = Command::new(env!("CARGO_BIN_EXE_earcon")).arg("migrate").envs(environment("a")).status();
    assert!(migrated.is_ok_and(|status| status.success()), "earcon migrate");
    let nodes = [Earcon::start_with(&environment("a")), Earcon::start_with(&environment("b"))];
    post_all(&nodes[0].address, bodies(SHAPE, START_MS, 40), 1).await;
    let owner = usize::from(place(&nodes[0].address).await["owner"] != "a");

    let (mut next, mut rates) = (START_MS + 40_000, [Vec::new(), Vec::new()]);
    // Alternately, because these machines are noisy.
    for _ in 0..3 {
        for (through, rate) in [owner, 1 - owner].into_iter().zip(&mut rates) {
            let load = bodies(SHAPE, next, BATCHES);
            next += BATCHES as i64 * 1_000;
            let started = Instant::now();
            post_all(&nodes[through].address, load, 4).await;
            rate.push((BATCHES * SHAPE.samples()) as f64 / started.elapsed().as_secs_f64());
            caught_up(&nodes[0].address).await;
        }
    }
    let [direct, forwarded] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[1]
    });
    println!(
        "cluster ingest, 10 KPIs x 100 series: {direct:>9.0} samples/s through the owner, {forwarded:>9.0} through the other node \
         ({:.0} %)",
        forwarded / direct * 100.0
    );

    let started = Instant::now();
    post_all(&nodes[owner].address, bodies(SHAPE, next, BATCHES), 4).await;
    // The other node only sees samples that are in the database.
    written(&nodes[1 - owner].address, next + (BATCHES as i64 - 1) * 1_000).await;
    println!(
        "history in CQL: {:>9.0} samples/s taken in, from the first batch sent to the last row flushed",
        (BATCHES * SHAPE.samples()) as f64 / started.elapsed().as_secs_f64()
    );
}

async fn place(address: &str) -> Value {
    let answer = reqwest::get(format!("http://{address}/api/v1/cluster")).await.expect("an answer");
    let cluster: Value = answer.json().await.expect("JSON");
    cluster["workspaces"][0].clone()
}

/// Waits until the database has the last sample.
async fn written(address: &str, last_ms: i64) {
    let url = format!(
        "http://{address}/api/v1/workspaces/local/kpis/bench.kpi9/samples?labels=host:web-99&from={last_ms}&to={}",
        last_ms + 1
    );
    loop {
        let answer = reqwest::get(&url).await.expect("an answer");
        let found: Value = answer.json().await.expect("JSON");
        if found["series"][0]["samples"][0].is_array() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until history has all events in memory.
async fn caught_up(address: &str) {
    while place(address).await["history_lag"] != 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
