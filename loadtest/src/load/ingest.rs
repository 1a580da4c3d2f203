//! Samples as fast as a target accepts them, or at a fixed rate. All requests are built before the
//! load begins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use hdrhistogram::Histogram;

use super::{Meter, now_ms, on_thread, server_counter};
use crate::body::{Shape, request};
use crate::fleet::events::histogram;
use crate::net::http::Connection;
use crate::report::{Better, Report};
use crate::scenario::Ingest;
use crate::server::{Programs, Server, Settings, Target};
use crate::usage;

/// Number of retries of a request that was refused for now.
const RETRIES: u32 = 1_000;

pub(crate) async fn run(name: &str, load: &Ingest, target: Target, programs: &Programs) -> anyhow::Result<Report> {
    let (warm_up, requests, bytes) = prepare(load, target)?;
    let server = Server::start(target, programs, &Settings::default()).await?;
    let mut report = Report::new(name, target, &server.version);
    send(server.address, warm_up, load.connections, None).await.context("warming up")?;

    let samples = (load.kpis * load.series_per_kpi * load.samples_per_series) as f64;
    let every = (load.batches_per_second > 0.0).then(|| Duration::from_secs_f64(1.0 / load.batches_per_second));
    let meter = Meter::start(server.pid())?;
    let began = Instant::now();
    let sent = send(server.address, requests, load.connections, every).await?;
    let seconds = began.elapsed().as_secs_f64();
    meter.report(&mut report, 1)?;
    // Deferred work (flushes, merges, history) counts too.
    tokio::time::sleep(Duration::from_secs_f64(load.settle_seconds)).await;
    let all_cpu = meter.server_seconds()?;

    report.add("samples", "", samples, Better::Neither);
    report.add("body", "B/sample", bytes as f64 / samples, Better::Neither);
    report.add("samples/s", "1/s", samples / seconds, Better::Higher);
    report.add("server CPU with later work", "s", all_cpu, Better::Lower);
    report.add("samples per server CPU second", "", samples / all_cpu, Better::Higher);
    let prefix = match target {
        Target::Earcon => Some("earcon_ingest_samples_total"),
        Target::VictoriaMetrics => Some("vm_rows_inserted_total"),
        _ => None,
    };
    if let Some(prefix) = prefix {
        let warm_up = (load.kpis * load.series_per_kpi * load.warm_up_samples_per_series) as f64;
        let counted = server_counter(server.address, prefix).await?;
        report.add("samples the server does not count", "", samples + warm_up - counted, Better::Lower);
    }
    if target == Target::Earcon {
        let late = server_counter(server.address, "earcon_ingest_late_total").await?;
        report.add("samples not scored (late)", "", late, Better::Lower);
    }
    report.add("asked to wait (429, 503)", "", sent.refused as f64, Better::Lower);
    report.latencies(["request p50", "request p99", "request p99.9", "request max"], &sent.latencies);
    report.add("resident memory", "MB", usage::resident_bytes(server.pid())? / 1e6, Better::Lower);
    report.note(match every {
        Some(_) => "request times count from when a request should have been sent",
        None => "as fast as answers arrive: request times are those of the answers, not those of a fixed rate",
    });
    report.note(match target {
        Target::Earcon => "every sample is fsynced before the answer, and scored",
        Target::VictoriaMetrics => "answers before anything is on disk (no fsync per request; flushed every 5 s); nothing is scored",
        _ => "bodies are appended to a file and fsynced before the answer, once for all waiting requests; nothing is parsed",
    });
    Ok(report)
}

/// The result of sending.
struct Outcome {
    latencies: Histogram<u64>,
    refused: u64,
}

type Requests = Vec<Request>;

/// A prepared request. Requests with the same series use the same connection, so that samples
/// arrive in order.
struct Request {
    number: usize,
    lane: usize,
    bytes: Vec<u8>,
}

/// Builds the requests of the warm-up and of the load, and counts the bytes of the latter.
fn prepare(load: &Ingest, target: Target) -> anyhow::Result<(Requests, Requests, usize)> {
    let turns = load.warm_up_samples_per_series + load.samples_per_series;
    let (kpis, series_per_kpi, batch) = (load.kpis, load.series_per_kpi, load.batch);
    let first_ms = (now_ms() / 1_000 - turns as i64) * 1_000;
    let shape = Shape { kpis, series_per_kpi, batch, first_ms, step_ms: 1_000 };
    let make = |turns: std::ops::Range<usize>| -> anyhow::Result<Requests> {
        let parts = turns.flat_map(|turn| (0..shape.requests_a_turn()).map(move |part| (turn, part)));
        let requests = parts.enumerate().map(|(number, (turn, part))| {
            let bytes = request(target, load.protocol, shape.rows(turn, part))?;
            Ok(Request { number, lane: part % load.connections, bytes })
        });
        requests.collect()
    };
    let warm_up = make(0..load.warm_up_samples_per_series)?;
    let requests = make(load.warm_up_samples_per_series..turns)?;
    let bytes = requests.iter().map(|request| request.bytes.len()).sum();
    Ok((warm_up, requests, bytes))
}

/// Sends all requests from a separate thread. Each connection sends the next request after the
/// answer, and not before its due time.
async fn send(
    address: SocketAddr,
    requests: Requests,
    connections: usize,
    every: Option<Duration>,
) -> anyhow::Result<Outcome> {
    let work = move || -> anyhow::Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
        runtime.block_on(async move {
            let requests = Arc::new(requests);
            let start = Instant::now() + Duration::from_millis(20);
            let mut tasks = tokio::task::JoinSet::new();
            for lane in 0..connections {
                tasks.spawn(send_lane(address, requests.clone(), lane, every.map(|every| (start, every))));
            }
            let mut all = Outcome { latencies: histogram(), refused: 0 };
            while let Some(sent) = tasks.join_next().await {
                let sent = sent.context("a connection's task")??;
                all.latencies.add(&sent.latencies).context("adding up latencies")?;
                all.refused += sent.refused;
            }
            Ok(all)
        })
    };
    on_thread("clients", work).await
}

async fn send_lane(
    address: SocketAddr,
    requests: Arc<Requests>,
    lane: usize,
    pace: Option<(Instant, Duration)>,
) -> anyhow::Result<Outcome> {
    let mut connection = Connection::open(address).await?;
    let mut sent = Outcome { latencies: histogram(), refused: 0 };
    for Request { number, bytes, .. } in requests.iter().filter(|request| request.lane == lane) {
        let due = match pace {
            Some((start, every)) => start + every.mul_f64(*number as f64),
            None => Instant::now(),
        };
        tokio::time::sleep_until(due.into()).await;
        for attempt in 0.. {
            let (status, body) = connection.send(bytes).await?;
            match status {
                200..300 => break,
                429 | 503 if attempt < RETRIES => sent.refused += 1,
                _ => {
                    let body: String = String::from_utf8_lossy(body).chars().take(300).collect();
                    return Err(anyhow!("a batch was answered with {status}: {body}"));
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sent.latencies.saturating_record(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(sent)
}
