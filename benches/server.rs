//! The real binary under load: durable ingest over HTTP, post to WebSocket, start to ready.
//!
//! Prints figures and asserts none, because machines differ. Clients share the machine's cores with
//! the server.

#![allow(clippy::print_stdout, reason = "figures are what a bench is for")]

#[path = "server/client.rs"]
mod client;
#[path = "server/cluster.rs"]
mod cluster;
#[path = "server/latency.rs"]
mod latency;
#[path = "server/process.rs"]
mod process;

use std::time::{Duration, Instant};

use client::{Shape, bodies, post_all};
use process::Earcon;

const START_MS: i64 = 1_767_225_600_000;

fn main() {
    // `cargo test --all-targets` runs benches too, without this flag. A debug build needs no
    // measurement.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!("server bench, {} cores, clients included", std::thread::available_parallelism().map_or(0, Into::into));
    runtime.block_on(async {
        for (kpis, series) in [(10, 100), (100, 10), (1_000, 1)] {
            within_reason(ingest(Shape { kpis, series, turns: 1 })).await;
        }
        within_reason(latency::run()).await;
        within_reason(start_to_ready()).await;
        within_reason(cluster::run()).await;
    });
}

/// Ends a load after a while, even if the server does not answer.
async fn within_reason(stage: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(120), stage).await.expect("the stage ends within two minutes");
}

/// Batches of 1,000 samples over four connections, each answered after its fsync.
async fn ingest(shape: Shape) {
    const BATCHES: usize = 1_200;
    let earcon = Earcon::start();
    let warm_up = bodies(shape, START_MS, 40);
    post_all(&earcon.address, warm_up, 1).await;
    let load = bodies(shape, START_MS + 40_000, BATCHES);
    let (cpu_before, started) = (earcon.cpu_seconds(), Instant::now());
    post_all(&earcon.address, load, 4).await;
    let (took, cpu) = (started.elapsed().as_secs_f64(), earcon.cpu_seconds() - cpu_before);
    let samples = (BATCHES * shape.samples()) as f64;
    println!(
        "ingest, {} KPIs x {} series: {:>9.0} samples/s, {:.2} us server CPU a sample, {} MB resident",
        shape.kpis,
        shape.series,
        samples / took,
        cpu / samples * 1e6,
        earcon.resident_mb(),
    );
}

/// Time from `exec` until the server answers, with 10,000 known series.
async fn start_to_ready() {
    let shape = Shape { kpis: 100, series: 100, turns: 1 };
    let earcon = Earcon::start();
    post_all(&earcon.address, bodies(shape, START_MS, 60), 2).await;
    let data = earcon.stop();
    let started = Instant::now();
    let earcon = Earcon::start_in(data);
    println!("start to ready, 10,000 known series: {:.3} s", started.elapsed().as_secs_f64());
    drop(earcon);
}
