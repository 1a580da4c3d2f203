//! Speed of the embedded store relative to its disk: durable appends next to a bare file with
//! `fdatasync` of the same bytes, and history that is ingested, flushed and compressed. Prints a
//! table; asserts nothing.
//!
//! `cargo bench --bench log_append`; set `EARCON_BENCH_DIR` to measure another disk than that of
//! the temporary directory.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use earcon_adapters_embedded::{EmbeddedSettings, EmbeddedStore};
use earcon_model::{
    Event, KpiName, Labels, Sample, ScoredSample, Seq, SeriesBatch, SeriesEvent, SeriesSamples, SeriesStatus,
    WorkspaceId,
};
use earcon_ports::{EventLog, SeriesQuery, SeriesStore, Snapshot, StoredBatch};
use earcon_streams::KpiState;
use earcon_tenancy::{Authorizer, WorkspacePass};

/// Number of turns of log and bare file in a line, and the length of a turn.
const TURNS: usize = 10;
const TURN: Duration = Duration::from_millis(250);
/// Samples in an event of the log.
const EVENT_SAMPLES: i64 = 10;
/// Timestamp of the first sample of a history.
const FROM_MS: i64 = 1_767_225_600_000;

fn main() {
    // `cargo test --all-targets` runs benches too, without this flag. A debug build needs no
    // measurement.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let parent = std::env::var_os("EARCON_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(&parent).expect("a directory for the bench");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    println!("data directory below {}\n", parent.display());
    runtime.block_on(async {
        log_appends(dir.path()).await;
        let (second, ten) = (1_000, 10_000);
        history(dir.path(), "8 series, a sample a second for a day, flushed every minute", 8, 86_400, 60, second).await;
        history(dir.path(), "200 series, a sample every 10 s for a day", 200, 8_640, 60, ten).await;
        history(dir.path(), "10,000 series, 60 samples each, flushed every 50,000", 10_000, 60, 5, second).await;
        snapshots(dir.path()).await;
    });
}

fn pass() -> WorkspacePass {
    Authorizer::new().system(&WorkspaceId::new("bench").expect("a legal name"))
}

fn open(dir: &Path, name: &str) -> EmbeddedStore {
    EmbeddedStore::open(&dir.join(name), &EmbeddedSettings::default()).expect("a store")
}

/// A measurement as a server would send it: a slow wave, some noise, three decimals.
fn measure(series: usize, i: i64) -> ScoredSample {
    let noise = |n: i64| f64::from(((n * 2_654_435_761 + series as i64 * 97) % 1_000) as i32) / 1_000.0 - 0.5;
    let value = ((f64::from(i as i32) / 300.0 + series as f64).sin() * 20.0 + 50.0 + noise(i)) * 1_000.0;
    let value = value.round() / 1_000.0;
    let expected = value - noise(i * 7 + 1) * 0.8;
    let width = 3.0 + noise(i / 60) * 0.2;
    ScoredSample {
        timestamp_ms: 1_767_225_600_000 + i * 1_000,
        value,
        score: Some((noise(i * 13 + 5).abs() * 0.3) as f32),
        expected,
        lower: expected - width,
        upper: expected + width,
    }
}

fn event(seq: Seq, series: usize, from: i64, rows: i64) -> Arc<Event> {
    let part = SeriesSamples {
        labels: Labels::parse(&format!("host:{series}")).expect("legal labels"),
        samples: (from..from + rows).map(|i| measure(series, i)).collect(),
        late: Vec::new(),
        features: None,
        status: SeriesStatus::Normal,
        counter: None,
        looks_like: None,
    };
    let kpi = KpiName::new("host.cpu").expect("a legal name");
    Arc::new(Event::new(seq, 1_767_225_600_000, kpi, SeriesEvent::Samples(vec![part])))
}

async fn log_appends(dir: &Path) {
    let store = open(dir, "log");
    let log = store.event_log();
    let mut next = log.open(&pass()).await.expect("a log").next;
    println!("durable appends, events of {EVENT_SAMPLES} samples");
    println!(
        "{:>12} {:>12} {:>12} {:>12} {:>14} {:>8}",
        "events", "bytes", "appends/s", "events/s", "bare file/s", "of bare"
    );
    for count in [1, 10, 100, 1_000] {
        let bytes: usize =
            events(1, count).iter().map(|event| postcard::to_stdvec(&**event).expect("an event encodes").len()).sum();
        // In turns, so that other load on the disk affects both alike.
        let (mut log_total, mut bare_total) = ((0, Duration::ZERO), (0, Duration::ZERO));
        for _ in 0..TURNS {
            let turn = appends(&*log, &mut next, count).await;
            log_total = (log_total.0 + turn.0, log_total.1 + turn.1);
            let turn = bare_appends(dir, bytes);
            bare_total = (bare_total.0 + turn.0, bare_total.1 + turn.1);
        }
        let (appends, took) = log_total;
        let bare = bare_total.0 as f64 / bare_total.1.as_secs_f64();
        let rate = appends as f64 / took.as_secs_f64();
        let events = rate * count as f64;
        println!("{count:>12} {bytes:>12} {rate:>12.0} {events:>12.0} {bare:>14.0} {:>7.0}%", rate / bare * 100.0);
    }
    println!();
}

fn events(next: Seq, count: usize) -> Vec<Arc<Event>> {
    (0..count as Seq).map(|i| event(next + i, i as usize % 50, next as i64 % 1_000_000, EVENT_SAMPLES)).collect()
}

async fn appends(log: &dyn EventLog, next: &mut Seq, count: usize) -> (u64, Duration) {
    let (mut appends, mut took) = (0, Duration::ZERO);
    while took < TURN {
        let events = events(*next, count);
        let start = Instant::now();
        log.append(&pass(), events).await.expect("an append");
        took += start.elapsed();
        *next += count as Seq;
        appends += 1;
    }
    (appends, took)
}

/// Appends `bytes` repeatedly to a plain file of 64 MiB, the size of the log's journal, each time
/// followed by `fdatasync`.
fn bare_appends(dir: &Path, bytes: usize) -> (u64, Duration) {
    let mut file = File::create(dir.join("bare")).expect("a file");
    file.set_len(64 << 20).and_then(|()| file.sync_all()).expect("space");
    let content: Vec<u8> = (0..bytes).map(|i| (i * 31) as u8).collect();
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < TURN {
        file.write_all(&content).expect("a write");
        file.sync_data().expect("a sync");
        count += 1;
    }
    (count, start.elapsed())
}

/// A series of one of four shapes, with the state that scores it.
struct Source {
    state: KpiState,
    labels: Labels,
    shape: usize,
    random: u64,
    walk: f64,
}

impl Source {
    fn new(series: usize) -> Self {
        let (workspace, kpi) = (pass().workspace().clone(), KpiName::new("host.cpu").expect("a legal name"));
        let labels = Labels::parse(&format!("host:{series}")).expect("legal labels");
        let state = KpiState::new(workspace, kpi, Arc::default());
        Self { state, labels, shape: series % 4, random: series as u64 + 77, walk: 0.0 }
    }

    /// About normal, from a linear congruential generator.
    fn noise(&mut self) -> f64 {
        let mut uniform = || {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.random >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    }

    /// A utilisation, a count, a random walk, or a latency, each with its decimals.
    fn value(&mut self, at_ms: i64) -> f64 {
        let (day, noise) = ((at_ms as f64 / 86_400_000.0 * std::f64::consts::TAU).sin(), self.noise());
        let rounded = |value: f64, scale: f64| (value * scale).round() / scale;
        match self.shape {
            0 => rounded(50.0 + 10.0 * day + 3.0 * noise, 100.0),
            1 => (240.0 + 200.0 * day + 20.0 * noise).max(0.0).round(),
            2 => {
                self.walk += 0.1 * noise;
                rounded(1_000.0 + self.walk, 1_000.0)
            }
            _ => rounded(0.05 * (0.6 * noise).exp(), 10_000.0),
        }
    }

    /// Samples as the events of the server, scored.
    fn events(&mut self, seq: &mut Seq, times: impl Iterator<Item = i64>) -> Vec<Arc<Event>> {
        let rows: Vec<(u32, Sample)> =
            times.map(|timestamp_ms| (0, Sample { timestamp_ms, value: self.value(timestamp_ms) })).collect();
        let now_ms = rows.last().map_or(0, |(_, sample)| sample.timestamp_ms);
        let bodies = self.state.push(&[SeriesBatch::gauge(self.labels.clone(), rows)], now_ms).bodies;
        let kpi = self.state.kpi().clone();
        let event = |body| {
            *seq += 1;
            Arc::new(Event { seq: *seq, time_ms: now_ms, subject: kpi.clone().into(), body })
        };
        bodies.into_iter().map(event).collect()
    }
}

async fn history(dir: &Path, title: &str, series: usize, rows: i64, rows_a_flush: i64, step_ms: i64) {
    let name = format!("history-{series}");
    let store = open(dir, &name);
    let history = store.series_store();
    let mut sources: Vec<Source> = (0..series).map(Source::new).collect();
    let (mut seq, mut applying, mut flushing, mut slowest) = (0, Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for from in (0..rows).step_by(rows_a_flush as usize) {
        let times = || (from..(from + rows_a_flush).min(rows)).map(|i| FROM_MS + i * step_ms);
        let batch: Vec<_> = sources.iter_mut().flat_map(|source| source.events(&mut seq, times())).collect();
        for events in batch.chunks(100) {
            let batch = StoredBatch { events: events.to_vec() };
            let start = Instant::now();
            history.apply(&pass(), batch).await.expect("an apply");
            applying += start.elapsed();
        }
        let start = Instant::now();
        history.flush(&pass()).await.expect("a flush");
        flushing += start.elapsed();
        slowest = slowest.max(start.elapsed());
    }
    let samples = (series as i64 * rows) as f64;
    println!("{title}");
    println!("  apply          {:>12.0} samples/s", samples / applying.as_secs_f64());
    println!("  flush          {:>12.0} samples/s, slowest {slowest:.1?}", samples / flushing.as_secs_f64());
    println!("  apply + flush  {:>12.0} samples/s", samples / (applying + flushing).as_secs_f64());
    let size = history.size_bytes(&pass()).await.expect("a size") as f64;
    println!("  size           {:>12.1} bytes a sample, with rollups", size / samples);
    queries(&*history, "host:7", rows * step_ms).await;
    queries(&*history, "", rows * step_ms).await;
    drop((history, store));
    let start = Instant::now();
    let store = open(dir, &name);
    let cursor = store.series_store().cursor(&pass()).await.expect("a cursor");
    println!("  open again     {:>12.1?}, cursor {cursor}\n", start.elapsed());
}

async fn queries(history: &dyn SeriesStore, labels: &str, length_ms: i64) {
    let (kpi, labels) = (KpiName::new("host.cpu").expect("legal"), Labels::parse(labels).expect("legal"));
    let title = if labels == Labels::none() { "all series" } else { "one series" };
    let query = SeriesQuery { kpi, labels, from_ms: FROM_MS, to_ms: FROM_MS + length_ms };
    let start = Instant::now();
    history.samples(&pass(), &query, usize::MAX).await.expect("samples");
    print!("  {title:<15}{:>12.1?} all samples", start.elapsed());
    for (name, step_ms) in [("a minute", 60_000), ("an hour", 3_600_000)] {
        let start = Instant::now();
        history.rollups(&pass(), &query, step_ms).await.expect("rollups");
        print!(", {:.1?} rolled up by {name}", start.elapsed());
    }
    println!();
}

async fn snapshots(dir: &Path) {
    let snapshots = open(dir, "snapshots").snapshot_store();
    let snapshot = |i: u64| {
        let kpi = KpiName::new(&format!("kpi.{i}")).expect("a legal name");
        Arc::new(Snapshot { kpi, part: 0, seq: i, state: vec![i as u8; 2_000] })
    };
    snapshots.put_all(&pass(), (0..10_000).map(snapshot).collect()).await.expect("snapshots are put");
    let start = Instant::now();
    let count = snapshots.all(&pass()).await.expect("snapshots").len();
    println!("all {count} snapshots of 2,000 bytes in {:.1?}", start.elapsed());
}
