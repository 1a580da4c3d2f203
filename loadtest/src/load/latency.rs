//! Latency under background load: from post to WebSocket, and from post to the packet with the cue.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::publisher::Publisher;
use super::{Meter, cues, feed, websocket};
use crate::fleet::Fleet;
use crate::fleet::events::{Received, Subscription, follow, histogram};
use crate::report::{Better, Report};
use crate::scenario::Latency;
use crate::server::{Programs, Server, Settings, Target};

/// Subscribes to the probes only, not to the background.
const FOLLOW_PROBES: &str = r#"{"type":"subscribe","since":"live","filter":{"kpis":["load.kpi*"]}}"#;
/// A series is silent before its surprise, and must not spend cues on a stall. All cues play at
/// once: the time to gather members and the alert budget are settings, not latency.
const SETTINGS: &[(&str, &str)] = &[
    ("EARCON_STREAMS__STALLED_AFTER_SECONDS", "3600"),
    ("EARCON_ALERTS__SETTLE_SECONDS", "0"),
    ("EARCON_ALERTS__MAX_PER_DAY", "0"),
];

pub(crate) async fn run(name: &str, load: &Latency, target: Target, programs: &Programs) -> anyhow::Result<Report> {
    let settings = Settings { environment: SETTINGS, ..Settings::default() };
    let server = Server::start(target, programs, &settings).await?;
    let mut report = Report::new(name, target, &server.version);
    let publisher = Publisher::new(target, server.address, 400);
    let count = (load.probes_per_second * load.seconds).round().max(1.0) as u32;
    let every = Duration::from_secs_f64(1.0 / load.probes_per_second);
    publisher.warm_up(Publisher::timeline(every, count).first).await.context("warming up")?;
    let plan = feed::Plan::new(server.address, load.series, load.batch, load.background_samples_per_second);
    plan.warm_up().await?;
    let surprises = cues::Plan {
        address: server.address,
        mixes: load.mixes,
        cues_per_mix: load.cues_per_mix,
        seconds: load.seconds,
    };
    surprises.warm_up().await?;

    let timeline = Arc::new(OnceLock::new());
    let subscription = Subscription { hello: FOLLOW_PROBES, ..Subscription::for_target(target)? };
    let mut fleet: Fleet<Received> = Fleet::prepare(1, 1, follow(server.address, subscription, timeline.clone()))?;
    fleet.admit(1).await?;

    let meter = Meter::start(server.pid())?;
    let feed = feed::Feed::start(plan)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    timeline.get_or_init(|| Publisher::timeline(every, count));
    let thread = |name: &str| std::thread::Builder::new().name(name.into());
    let publishing = thread("publisher").spawn({
        let timeline = timeline.clone();
        move || publisher.run(timeline)
    });
    let publishing = publishing.context("a thread")?;
    let hearing = thread("cues").spawn(move || surprises.run()).context("a thread")?;
    websocket::all_arrived(&fleet, u64::from(count), load.seconds).await?;
    while !hearing.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let busy = meter.report(&mut report, 4)? / report.value("duration").unwrap_or(1.0);
    let requests = feed.stop()?;
    publishing.join().map_err(|_| anyhow!("the publisher panicked"))?.context("publishing")?;
    let (heard, unheard) = hearing.join().map_err(|_| anyhow!("the listener panicked"))?.context("listening")?;
    let mut arrived = histogram();
    for received in fleet.stop().await? {
        arrived.add(&received.latencies).context("adding up latencies")?;
    }

    report.add("server load", "cores", busy, Better::Neither);
    report.add("background", "samples/s", load.background_samples_per_second, Better::Neither);
    report.latencies(
        ["background request p50", "background request p99", "background request p99.9", "background request max"],
        &requests,
    );
    report.add("probes", "", f64::from(count), Better::Neither);
    report.add("probes that did not arrive", "", f64::from(count) - arrived.len() as f64, Better::Lower);
    report.latencies(
        ["post to WebSocket p50", "post to WebSocket p99", "post to WebSocket p99.9", "post to WebSocket max"],
        &arrived,
    );
    report.add("surprises", "", (heard.len() as usize + unheard) as f64, Better::Neither);
    report.add("surprises without a cue", "", unheard as f64, Better::Lower);
    report.latencies(
        ["post to Opus packet p50", "post to Opus packet p99", "post to Opus packet p99.9", "post to Opus packet max"],
        &heard,
    );
    report.note("all times count from when a sample should have been posted");
    report.note("the Opus packet is the one in which the cue of the sample begins: the first after its cue message");
    Ok(report)
}
