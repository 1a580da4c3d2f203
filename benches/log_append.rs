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
use earcon_model::{Event, KpiName, Labels, ScoredSample, Seq, SeriesEvent, SeriesSamples, SeriesStatus, WorkspaceId};
use earcon_ports::{EventLog, SeriesQuery, SeriesStore, Snapshot, StoredBatch};
use earcon_tenancy::{Authorizer, WorkspacePass};

/// Number of turns of log and bare file in a line, and the length of a turn.
const TURNS: usize = 10;
const TURN: Duration = Duration::from_millis(250);
/// Samples in an event of the log.
const EVENT_SAMPLES: i64 = 10;

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
        history(dir.path(), "100 series, 10,000 samples each, flushed every 100,000", 100, 10_000, 1_000).await;
        history(dir.path(), "10,000 series, 60 samples each, flushed every 50,000", 10_000, 60, 5).await;
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

async fn history(dir: &Path, title: &str, series: usize, rows: i64, rows_a_flush: i64) {
    let store = open(dir, &format!("history-{series}"));
    let history = store.series_store();
    let (mut seq, mut applying, mut flushing, mut slowest) = (0, Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for from in (0..rows).step_by(rows_a_flush as usize) {
        let batch: Vec<_> = (0..series)
            .map(|series| {
                seq += 1;
                event(seq, series, from, rows_a_flush)
            })
            .collect();
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
    queries(&*history, rows).await;
    drop((history, store));
    let start = Instant::now();
    let store = open(dir, &format!("history-{series}"));
    let cursor = store.series_store().cursor(&pass()).await.expect("a cursor");
    println!("  open again     {:>12.1?}, cursor {cursor}\n", start.elapsed());
}

async fn queries(history: &dyn SeriesStore, rows: i64) {
    let from_ms = 1_767_225_600_000;
    let (kpi, labels) = (KpiName::new("host.cpu").expect("legal"), Labels::parse("host:7").expect("legal"));
    let query = SeriesQuery { kpi, labels, from_ms, to_ms: from_ms + rows * 1_000 };
    let start = Instant::now();
    history.samples(&pass(), &query, usize::MAX).await.expect("samples");
    let raw = start.elapsed();
    let start = Instant::now();
    history.rollups(&pass(), &query, 600_000).await.expect("rollups");
    println!("  one series     {raw:>12.1?} all samples, {:.1?} rolled up by ten minutes", start.elapsed());
}

async fn snapshots(dir: &Path) {
    let snapshots = open(dir, "snapshots").snapshot_store();
    for i in 0..10_000u64 {
        let kpi = KpiName::new(&format!("kpi.{i}")).expect("a legal name");
        snapshots.put(&pass(), Snapshot { kpi, seq: i, state: vec![i as u8; 2_000] }).await.expect("a put");
    }
    let start = Instant::now();
    let count = snapshots.all(&pass()).await.expect("snapshots").len();
    println!("all {count} snapshots of 2,000 bytes in {:.1?}", start.elapsed());
}
