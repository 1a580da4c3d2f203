//! Speed of the log on JetStream relative to JetStream itself: appends next to bare publishing of
//! the same bytes in the same run, reads, and the delay of followers. Prints a table; asserts
//! nothing.
//!
//! `EARCON_TEST_NATS_URL=nats://… cargo bench --bench jetstream`

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::{self, stream};
use earcon_adapters_nats::event_log::{JetStreamLog, JetStreamLogSettings};
use earcon_model::{Event, KpiName, Labels, ScoredSample, Seq, SeriesEvent, SeriesSamples, SeriesStatus, WorkspaceId};
use earcon_ports::{EventLog, SharedLog};
use earcon_tenancy::{Authorizer, WorkspacePass};
use futures_util::StreamExt;

/// Number of turns of log and bare publishing in a line, and the length of a turn.
const TURNS: usize = 8;
const TURN: Duration = Duration::from_millis(300);
/// Samples in an event.
const EVENT_SAMPLES: i64 = 10;

fn main() {
    // `cargo test --all-targets` runs benches too, without this flag. A debug build needs no
    // measurement.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let Ok(url) = std::env::var("EARCON_TEST_NATS_URL") else {
        println!("EARCON_TEST_NATS_URL names no server; nothing to measure");
        return;
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = async_nats::connect(&url).await.expect("a server");
        println!("{url}, nats-server {}\n", client.server_info().version);
        for group in [1, 100, 1_000] {
            appends(&client, group).await;
        }
        follow(&client).await;
    });
}

async fn open(client: &async_nats::Client) -> (JetStreamLog, WorkspacePass) {
    let log = JetStreamLog::connect(client.clone(), JetStreamLogSettings::new(1, 1 << 40)).await.expect("JetStream");
    let name = format!("bench-{}", uuid::Uuid::new_v4().simple());
    let pass = Authorizer::new().system(&WorkspaceId::new(&name).expect("a legal name"));
    log.open(&pass).await.expect("a log");
    (log, pass)
}

async fn remove(client: &async_nats::Client, name: &str) {
    jetstream::new(client.clone()).delete_stream(name).await.expect("the stream is removed");
}

fn event(seq: Seq) -> Arc<Event> {
    let measure = |i: i64| {
        let value = f64::from((i % 10_007) as i32) * 1.37;
        ScoredSample {
            timestamp_ms: 1_767_225_600_000 + i * 1_000,
            value,
            score: Some(0.1),
            expected: value * 0.99,
            lower: value - 3.0,
            upper: value + 3.0,
        }
    };
    let part = SeriesSamples {
        labels: Labels::parse("host:a").expect("legal labels"),
        samples: (0..EVENT_SAMPLES).map(|i| measure(seq as i64 * EVENT_SAMPLES + i)).collect(),
        late: Vec::new(),
        features: None,
        status: SeriesStatus::Normal,
        counter: None,
        looks_like: None,
    };
    let kpi = KpiName::new("host.cpu").expect("a legal name");
    Arc::new(Event::new(seq, 1_767_225_600_000, kpi, SeriesEvent::Samples(vec![part])))
}

/// The measurements of a line of the table.
#[derive(Default)]
struct Tally {
    times: Vec<Duration>,
    bytes: usize,
}

impl Tally {
    fn line(&mut self, what: &str, events: usize) {
        self.times.sort();
        let total: f64 = self.times.iter().map(Duration::as_secs_f64).sum();
        let (rate, median) = (self.times.len() as f64 / total, self.times[self.times.len() / 2]);
        println!(
            "{what:<34} {rate:>8.0} /s  {:>9.0} samples/s  {:>7.1} MB/s  median {median:?}",
            rate * (events as i64 * EVENT_SAMPLES) as f64,
            self.bytes as f64 / total / 1e6,
        );
    }
}

async fn appends(client: &async_nats::Client, group: usize) {
    let (log, pass) = open(client).await;
    let context = jetstream::new(client.clone());
    let raw = format!("bench_raw_{}", uuid::Uuid::new_v4().simple());
    let config = stream::Config { name: raw.clone(), subjects: vec![raw.clone()], ..Default::default() };
    context.create_stream(config).await.expect("a stream");
    let (mut ours, mut bare, mut next, mut sent) = (Tally::default(), Tally::default(), 1, 0_u64);
    for _ in 0..TURNS {
        let turn = Instant::now();
        while turn.elapsed() < TURN {
            let events: Vec<_> = (next..next + group as Seq).map(event).collect();
            let size: usize = events.iter().map(|event| postcard::to_stdvec(&**event).expect("encodes").len()).sum();
            next += group as Seq;
            let started = Instant::now();
            log.append(&pass, events).await.expect("appended");
            ours.times.push(started.elapsed());
            ours.bytes += size;
        }
        let size = ours.bytes / ours.times.len();
        let payload = bytes::Bytes::from(vec![7; size]);
        let turn = Instant::now();
        while turn.elapsed() < TURN {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Expected-Last-Sequence", sent.to_string());
            headers.insert("Nats-Msg-Id", sent.to_string());
            let started = Instant::now();
            let ack = context.publish_with_headers(raw.clone(), headers, payload.clone()).await.expect("sent");
            ack.await.expect("acknowledged");
            bare.times.push(started.elapsed());
            bare.bytes += size;
            sent += 1;
        }
    }
    println!("{group} events of {EVENT_SAMPLES} samples in an append");
    ours.line("  append", group);
    bare.line("  publish, bare", group);
    read(client, &pass, next, ours.bytes).await;
    remove(client, &format!("earcon_log_{}", pass.workspace())).await;
    remove(client, &raw).await;
    println!();
}

async fn read(client: &async_nats::Client, pass: &WorkspacePass, next: Seq, bytes: usize) {
    // Another node's view, which does not know the position of events.
    let log = JetStreamLog::connect(client.clone(), JetStreamLogSettings::new(1, 1 << 40)).await.expect("JetStream");
    for page in [100, 1_000, 10_000] {
        let (started, mut from, mut pages) = (Instant::now(), 1, 0);
        while from < next {
            let events = log.read(pass, from, page).await.expect("read").events;
            from = events.last().map_or(next, |event| event.seq + 1);
            pages += 1;
        }
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "  read, {page:>6} events a page       {:>8.0} /s  {:>9.0} samples/s  {:>7.1} MB/s",
            f64::from(pages) / seconds,
            (next as i64 * EVENT_SAMPLES) as f64 / seconds,
            bytes as f64 / seconds / 1e6,
        );
    }
    let started = Instant::now();
    for i in 0..50 {
        let cold = JetStreamLog::connect(client.clone(), JetStreamLogSettings::new(1, 1)).await.expect("JetStream");
        cold.read(pass, next * (i * 2 + 1) / 100, 1).await.expect("read");
    }
    println!("  find an event, knowing nothing     {:?}", started.elapsed() / 50);
    let started = Instant::now();
    let mut following = log.follow(pass, 1).await.expect("followed");
    let mut from = 1;
    while from < next {
        from = following.next().await.expect("more").expect("events").events.last().map_or(from, |event| event.seq + 1);
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("  follow from the beginning          {:>7.1} MB/s", bytes as f64 / seconds / 1e6);
}

async fn follow(client: &async_nats::Client) {
    let (log, pass) = open(client).await;
    let other = async_nats::connect(std::env::var("EARCON_TEST_NATS_URL").unwrap_or_default()).await.expect("a server");
    let reader = JetStreamLog::connect(other, JetStreamLogSettings::new(1, 1)).await.expect("JetStream");
    let mut following = reader.follow(&pass, 1).await.expect("followed");
    let (mut acked, mut seen) = (Vec::new(), Vec::new());
    for seq in 1..=2_000 {
        let started = Instant::now();
        let append = async {
            log.append(&pass, vec![event(seq)]).await.expect("appended");
            started.elapsed()
        };
        let arrive = async {
            following.next().await.expect("more").expect("events");
            started.elapsed()
        };
        let (ack, arrival) = tokio::join!(append, arrive);
        acked.push(ack);
        seen.push(arrival);
    }
    acked.sort();
    seen.sort();
    let of = |times: &[Duration], share: usize| times[times.len() * share / 100];
    println!("one event, from the call: acknowledged {:?} (99 %: {:?})", of(&acked, 50), of(&acked, 99));
    println!("                          at a follower {:?} (99 %: {:?})", of(&seen, 50), of(&seen, 99));
    remove(client, &format!("earcon_log_{}", pass.workspace())).await;
}
