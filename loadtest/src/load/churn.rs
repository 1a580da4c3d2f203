//! Connections that subscribe and leave: their rate, and whether they leak resources.

use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;

use super::Meter;
use super::publisher::Publisher;
use crate::fleet::events::{Subscription, histogram, subscribe};
use crate::report::{Better, Report};
use crate::scenario::Churn;
use crate::server::{Programs, Server, Settings, Target};
use crate::usage;

/// Longest time in which the server must release closed connections.
const RELEASE_LIMIT: Duration = Duration::from_secs(10);

pub(crate) async fn run(name: &str, load: &Churn, target: Target, programs: &Programs) -> anyhow::Result<Report> {
    let server = Server::start(target, programs, &Settings::default()).await?;
    let mut report = Report::new(name, target, &server.version);
    let publisher = Publisher::new(target, server.address, 400);
    publisher.warm_up(Publisher::timeline(Duration::from_secs(1), 1).first).await.context("warming up")?;
    // A first round creates pools, arenas and threads.
    churn(&server, target, load.workers, Duration::from_secs_f64(load.seconds.min(2.0))).await?;
    let (files, _) = released(&server, 0).await?;
    let before = usage::settled_resident_bytes(server.pid()).await?;

    let meter = Meter::start(server.pid())?;
    let latencies = churn(&server, target, load.workers, Duration::from_secs_f64(load.seconds)).await?;
    let cpu = meter.report(&mut report, 1)?;
    let (left, took) = released(&server, files).await?;
    let after = usage::settled_resident_bytes(server.pid()).await?;

    let connections = latencies.len() as f64;
    report.add("workers", "", load.workers as f64, Better::Neither);
    report.add("connections", "", connections, Better::Neither);
    report.add("connections/s", "1/s", connections / report.value("duration").unwrap_or(load.seconds), Better::Higher);
    report.add("connections per server CPU second", "", connections / cpu, Better::Higher);
    report.latencies(["subscribed p50", "subscribed p99", "subscribed p99.9", "subscribed max"], &latencies);
    report.add("open files left behind", "", left as f64 - files as f64, Better::Lower);
    report.add("all released after", "s", took.as_secs_f64(), Better::Neither);
    report.add("memory left behind", "MB", (after - before) / 1e6, Better::Neither);
    report.add("memory left behind per connection", "B", (after - before) / connections.max(1.0), Better::Lower);
    report.note("as fast as connections are accepted: times are those of connect, upgrade and subscribe");
    Ok(report)
}

/// Each worker connects, subscribes and leaves until time is up. Returns the microseconds until
/// each subscription.
async fn churn(server: &Server, target: Target, workers: usize, time: Duration) -> anyhow::Result<Histogram<u64>> {
    let (subscription, address, end) = (Subscription::for_target(target)?, server.address, Instant::now() + time);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..workers {
        tasks.spawn(async move {
            let mut latencies = histogram();
            while Instant::now() < end {
                let began = Instant::now();
                let socket = subscribe(address, subscription).await?;
                latencies.saturating_record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
                socket.close().await?;
            }
            anyhow::Ok(latencies)
        });
    }
    let mut all = histogram();
    while let Some(done) = tasks.join_next().await {
        all.add(done.context("a worker")??).context("adding up latencies")?;
    }
    Ok(all)
}

/// Waits until at most `least` files are open, or time is up. With 0, until their number no longer
/// falls.
async fn released(server: &Server, least: usize) -> anyhow::Result<(usize, Duration)> {
    let began = Instant::now();
    let mut before = usage::open_files(server.pid())?;
    while began.elapsed() < RELEASE_LIMIT {
        tokio::time::sleep(Duration::from_millis(if least == 0 { 1_000 } else { 50 })).await;
        let now = usage::open_files(server.pid())?;
        if now <= least || (least == 0 && now >= before) {
            return Ok((now, began.elapsed()));
        }
        before = now;
    }
    Ok((before, began.elapsed()))
}
