//! Many listeners of one mix: the cost of fan-out of audio.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, bail};

use super::{Meter, now_ms};
use crate::fleet::listeners::{Baseline, ReceivedAudio, ogg, packets};
use crate::fleet::{Fleet, events};
use crate::net::http::{self, Connection};
use crate::report::{Better, Report};
use crate::scenario::{Audio, Format};
use crate::server::{Programs, Server, Settings, Target};
use crate::source::Source;
use crate::usage;

/// Listeners that connect before memory is first measured.
const BEFORE: usize = 10;

pub(crate) async fn run(name: &str, load: &Audio, target: Target, programs: &Programs) -> anyhow::Result<Report> {
    let settings = Settings { listeners: load.listeners, packet_bytes: load.packet_bytes, ..Settings::default() };
    let server = Server::start(target, programs, &settings).await?;
    let mut report = Report::new(name, target, &server.version);
    if target == Target::Earcon {
        send_audible_samples(&server).await.context("sending samples to be heard")?;
    }
    let source = match target {
        Target::Icecast => Some(Source::start(server.address, load.packet_bytes).await?),
        _ => None,
    };
    let path = path(target, load.format)?;
    let mut fleet: Fleet<ReceivedAudio> = match load.format {
        Format::Packets => {
            let work = packets(server.address, path, Arc::new(Baseline::default()));
            Fleet::prepare(load.client_threads, load.listeners, work)?
        }
        Format::Ogg => Fleet::prepare(load.client_threads, load.listeners, ogg(server.address, path))?,
    };
    let few = BEFORE.min(load.listeners);
    fleet.admit(few).await?;
    let before = usage::settled_resident_bytes(server.pid()).await?;
    fleet.admit(load.listeners - few).await?;
    tokio::time::sleep(Duration::from_secs_f64(load.warm_up_seconds)).await;
    fleet.check()?;

    fleet.state().measuring.store(true, Ordering::Relaxed);
    let meter = Meter::start(server.pid())?;
    tokio::time::sleep(Duration::from_secs_f64(load.seconds)).await;
    let cpu = meter.report(&mut report, load.client_threads)?;
    fleet.state().measuring.store(false, Ordering::Relaxed);
    let resident = usage::resident_bytes(server.pid())?;
    let counted = fleet.stop().await?;
    if let Some(source) = source {
        source.stop().await.context("feeding Icecast")?;
    }

    let seconds = report.value("duration").unwrap_or(load.seconds);
    let mut lateness = events::histogram();
    for heard in &counted {
        lateness.add(&heard.lateness).context("adding up lateness")?;
    }
    let sum = |count: fn(&ReceivedAudio) -> u64| counted.iter().map(count).sum::<u64>() as f64;
    let (pieces, bytes) = (sum(|heard| heard.pieces), sum(|heard| heard.bytes));
    let listeners = load.listeners as f64;
    report.add("listeners", "", listeners, Better::Neither);
    // Packets of 20 ms. Delivered ones count, not expected ones.
    let a_second = 50.0;
    report.add("listeners per core", "", pieces / a_second / cpu, Better::Higher);
    report.add("sound that arrived in time", "%", pieces / (seconds * a_second * listeners) * 100.0, Better::Neither);
    report.add("bitrate per listener", "kbit/s", bytes * 8.0 / seconds / listeners / 1_000.0, Better::Neither);
    report.add("MB per server CPU second", "", bytes / 1e6 / cpu, Better::Higher);
    if load.format == Format::Packets {
        report.add("packet", "B", bytes / pieces.max(1.0), Better::Neither);
        report.add("packets", "1/s", pieces / seconds, Better::Neither);
        report.add("packets per server CPU second", "", pieces / cpu, Better::Higher);
        report.add("dropped packets", "", sum(|heard| heard.dropped), Better::Lower);
        report.latencies(["lateness p50", "lateness p99", "lateness p99.9", "lateness max"], &lateness);
        report.note("lateness is relative to the earliest of all packets, each counted from its own 20 ms");
    }
    let others = (load.listeners - few).max(1) as f64;
    report.add("memory per listener", "KB", (resident - before) / others / 1_000.0, Better::Lower);
    report.add("resident memory", "MB", resident / 1e6, Better::Lower);
    match target {
        Target::Earcon => report.note("the CPU time includes synthesising and encoding the mix (about 1 % of a core)"),
        Target::Icecast => {
            report.note("fed with ready-made Ogg Opus of the same bitrate; 64 KB burst on connect, before measuring")
        }
        _ => report.note("ready-made packets; one write per listener"),
    }
    Ok(report)
}

fn path(target: Target, format: Format) -> anyhow::Result<&'static str> {
    Ok(match (target, format) {
        (Target::Earcon, Format::Packets) => "/api/v1/workspaces/local/mixes/default/live",
        (Target::Earcon, Format::Ogg) => "/api/v1/workspaces/local/mixes/default/live.ogg",
        (Target::Raw, Format::Packets) => "/live",
        (Target::Raw, Format::Ogg) => "/live.ogg",
        (Target::Icecast, Format::Ogg) => crate::server::MOUNT,
        _ => bail!("{} has no such stream", target.name()),
    })
}

/// Sends history of three KPIs, so that the mix is not silent.
async fn send_audible_samples(server: &Server) -> anyhow::Result<()> {
    let now = now_ms();
    let mut rows = Vec::new();
    for kpi in ["shop.orders", "web.latency", "host.cpu"] {
        for back in (0..200).rev() {
            let value = 100.0 + f64::from(back * 7_919 % 101) / 10.0 * if back < 3 { 3.0 } else { 1.0 };
            rows.push(format!(r#"{{"kpi":"{kpi}","timestamp":{},"value":{value}}}"#, now - i64::from(back) * 1_000));
        }
    }
    let body = format!(r#"{{"samples":[{}]}}"#, rows.join(","));
    let path = "/api/v1/workspaces/local/kpis/ingest";
    let request = http::post(path, &[("content-type", "application/json")], body.as_bytes());
    Connection::open(server.address).await?.must(&request).await?;
    Ok(())
}
