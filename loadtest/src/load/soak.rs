//! All loads at once for a long time, to detect growth of memory and of latency.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::{Meter, feed, server_counter};
use crate::fleet::Fleet;
use crate::fleet::events::{Received, Subscription, follow};
use crate::fleet::listeners::{Baseline, ReceivedAudio, packets};
use crate::report::{Better, Report};
use crate::scenario::Soak;
use crate::server::{Programs, Server, Settings, Target};
use crate::usage;

/// Largest number of memory measurements.
const MEASUREMENTS: f64 = 2_000.0;
const MIX: &str = "/api/v1/workspaces/local/mixes/default/live";

pub(crate) async fn run(name: &str, load: &Soak, target: Target, programs: &Programs) -> anyhow::Result<Report> {
    let server = Server::start(target, programs, &Settings::default()).await?;
    let mut report = Report::new(name, target, &server.version);
    let plan = feed::Plan::new(server.address, load.series, load.batch, load.samples_per_second);
    plan.warm_up().await?;
    // Without a timeline, followers read all messages and count none.
    let work = follow(server.address, Subscription::for_target(target)?, Arc::new(OnceLock::new()));
    let mut followers: Fleet<Received> = Fleet::prepare(1, load.connections, work)?;
    followers.admit(load.connections).await?;
    let work = packets(server.address, MIX, Arc::new(Baseline::default()));
    let mut listeners: Fleet<ReceivedAudio> = Fleet::prepare(1, load.listeners, work)?;
    listeners.admit(load.listeners).await?;

    let meter = Meter::start(server.pid())?;
    let feed = feed::Feed::start(plan)?;
    let every = Duration::from_secs_f64((load.seconds / MEASUREMENTS).max(0.2));
    let began = Instant::now();
    let mut memory: Vec<(f64, f64)> = Vec::new();
    while began.elapsed().as_secs_f64() < load.seconds {
        tokio::time::sleep(every).await;
        memory.push((began.elapsed().as_secs_f64(), usage::resident_bytes(server.pid())?));
        followers.check()?;
        listeners.check()?;
        if feed.ended() {
            bail!("the feed ended early: {:#}", feed.stop().err().context("without saying why")?);
        }
    }
    let cpu = meter.report(&mut report, 3)?;
    let requests = feed.stop()?;
    let gaps = server_counter(server.address, "earcon_subscriber_gaps_total").await?;
    let dropped = server_counter(server.address, "earcon_listener_dropped_total").await?;
    followers.stop().await?;
    listeners.stop().await?;

    memory.retain(|(seconds, _)| *seconds >= load.warm_up_seconds);
    report.add("followers", "", load.connections as f64, Better::Neither);
    report.add("listeners", "", load.listeners as f64, Better::Neither);
    report.add("samples/s", "1/s", load.samples_per_second, Better::Neither);
    report.add("server load", "cores", cpu / report.value("duration").unwrap_or(1.0), Better::Lower);
    report.latencies(["request p50", "request p99", "request p99.9", "request max"], &requests);
    for (name, point) in [("memory after the warm-up", memory.first()), ("memory at the end", memory.last())] {
        report.add(name, "MB", point.map_or(0.0, |(_, bytes)| bytes / 1e6), Better::Neither);
    }
    let peak = memory.iter().map(|(_, bytes)| *bytes).fold(0.0, f64::max);
    report.add("memory at its peak", "MB", peak / 1e6, Better::Lower);
    report.add("memory growth", "MB/h", slope(&memory) * 3_600.0 / 1e6, Better::Lower);
    report.add("gaps reported", "", gaps, Better::Lower);
    report.add("packets dropped for listeners", "", dropped, Better::Lower);
    report.note(format!("growth is the least-squares slope after the first {} s", load.warm_up_seconds));
    Ok(report)
}

/// The least-squares slope of the second over the first.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let variance: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn slope_is_that_of_the_line_through_the_noise() {
        let points: Vec<(f64, f64)> =
            (0..100).map(|i| (f64::from(i), 5.0 + 2.0 * f64::from(i) + f64::from(i % 2))).collect();
        assert!((slope(&points) - 2.0).abs() < 0.01);
        assert_eq!((slope(&[]), slope(&[(1.0, 2.0)])), (0.0, 0.0));
    }
}
