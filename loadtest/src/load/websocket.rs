//! Fan-out: every message to every connection.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use super::Meter;
use super::publisher::Publisher;
use crate::fleet::Fleet;
use crate::fleet::events::{Received, Subscription, follow, histogram};
use crate::report::{Better, Report};
use crate::scenario::Websocket;
use crate::server::{Programs, Server, Settings, Target};
use crate::usage;

/// Connections before memory is first measured, so that one-time allocations of the server are not
/// counted.
const BEFORE: usize = 10;
/// Without messages for this long, no more are expected.
const QUIET: Duration = Duration::from_secs(20);

pub(crate) async fn run(name: &str, load: &Websocket, target: Target, programs: &Programs) -> anyhow::Result<Report> {
    let server = Server::start(target, programs, &Settings::default()).await?;
    let mut report = Report::new(name, target, &server.version);
    let publisher = Publisher::new(target, server.address, load.message_bytes);
    let count = (load.messages_per_second * load.seconds).round() as u32;
    let every = Duration::from_secs_f64(1.0 / load.messages_per_second);
    publisher.warm_up(Publisher::timeline(every, count).first).await.context("warming up")?;

    let timeline = Arc::new(OnceLock::new());
    let work = follow(server.address, Subscription::for_target(target)?, timeline.clone());
    let mut fleet: Fleet<Received> = Fleet::prepare(load.client_threads, load.connections, work)?;
    let few = BEFORE.min(load.connections);
    fleet.admit(few).await?;
    let before = usage::settled_resident_bytes(server.pid()).await?;
    let connecting = Instant::now();
    fleet.admit(load.connections - few).await?;
    let connected_in = connecting.elapsed().as_secs_f64();
    let idle = usage::settled_resident_bytes(server.pid()).await?;

    let meter = Meter::start(server.pid())?;
    let start = timeline.get_or_init(|| Publisher::timeline(every, count)).start;
    let publishing = std::thread::Builder::new().name("publisher".into()).spawn({
        let timeline = timeline.clone();
        move || publisher.run(timeline)
    });
    let publishing = publishing.context("a thread")?;
    let expected = u64::from(count) * load.connections as u64;
    all_arrived(&fleet, expected, load.seconds).await?;
    let server_cpu = meter.report(&mut report, load.client_threads)?;
    let loaded = usage::resident_bytes(server.pid())?;
    publishing.join().map_err(|_| anyhow!("the publisher panicked"))?.context("publishing")?;

    let counted = fleet.stop().await?;
    let mut latencies = histogram();
    for received in &counted {
        latencies.add(&received.latencies).context("adding up latencies")?;
    }
    let sum = |count: fn(&Received) -> u64| counted.iter().map(count).sum::<u64>() as f64;
    let messages = sum(|received| received.messages);
    let last = counted.iter().filter_map(|received| received.last).max().unwrap_or(start);
    let seconds = last.saturating_duration_since(start).as_secs_f64().max(every.as_secs_f64());

    report.add("connections", "", load.connections as f64, Better::Neither);
    report.add("message", "B", sum(|received| received.bytes) / messages.max(1.0), Better::Neither);
    report.add("deliveries", "1/s", messages / seconds, Better::Neither);
    report.add("deliveries per server CPU second", "", messages / server_cpu, Better::Higher);
    report.add("missing deliveries", "", expected as f64 - messages, Better::Lower);
    report.add("other frames", "", sum(|received| received.others), Better::Neither);
    report.latencies(["latency p50", "latency p99", "latency p99.9", "latency max"], &latencies);
    let others = (load.connections - few).max(1) as f64;
    report.add("connecting", "1/s", others / connected_in.max(1e-6), Better::Neither);
    report.add("idle memory per connection", "KB", (idle - before) / others / 1_000.0, Better::Lower);
    report.add("memory per connection after the load", "KB", (loaded - before) / others / 1_000.0, Better::Lower);
    report.add("resident memory", "MB", loaded / 1e6, Better::Lower);
    report.note("latency counts from the time a message should have been posted until each follower has it");
    match target {
        Target::Earcon => report.note("every message is scored and fsynced before it is sent"),
        Target::Centrifugo => report.note("in-memory engine: nothing is stored"),
        _ => {}
    }
    Ok(report)
}

/// Waits until all messages have arrived, or none arrives any more.
pub(super) async fn all_arrived(fleet: &Fleet<Received>, expected: u64, seconds: f64) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs_f64(seconds) + Duration::from_secs(120);
    let (mut seen, mut since) = (0, Instant::now());
    while seen < expected && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = fleet.state().progress.load(Ordering::Relaxed);
        if now > seen {
            (seen, since) = (now, Instant::now());
        }
        fleet.check()?;
        if since.elapsed() > QUIET {
            break;
        }
    }
    Ok(())
}
