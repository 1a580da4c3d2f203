//! Contract, crash and disk failure tests.

mod damages;
mod failures;
mod interrupted_repairs;
mod power_loss;
mod repairs;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::tests::{Scratch, pass};
use super::super::{EmbeddedStore, OpenError};
use super::check::segment_path;
use super::*;
use earcon_contract as contract;
use earcon_model::{KpiEvent, KpiName};

fn events(seqs: RangeInclusive<Seq>) -> Vec<Arc<Event>> {
    let kpi = KpiName::new("k").unwrap();
    let event = |seq| {
        let body = KpiEvent::Parked { reason: format!("event {seq} {}", "x".repeat(seq as usize % 97)) };
        Arc::new(Event::new(seq, seq as i64, kpi.clone(), body))
    };
    seqs.map(event).collect()
}

async fn all(store: &EmbeddedStore) -> Vec<Arc<Event>> {
    store.event_log().read(&pass("w"), 0, usize::MAX).await.unwrap().events
}

/// Segments of a few appends.
fn small() -> EmbeddedSettings {
    EmbeddedSettings { log_segment_bytes: 2_048, ..EmbeddedSettings::default() }
}

fn open_small(scratch: &Scratch) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(scratch.path(), &small())
}

fn log_dir(scratch: &Scratch) -> PathBuf {
    scratch.path().join("log").join("w")
}

/// The segment files of workspace `w`, the oldest first.
fn segments(scratch: &Scratch) -> Vec<PathBuf> {
    let files = std::fs::read_dir(log_dir(scratch)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = files.filter(|path| path.extension().is_some_and(|ext| ext == "seg")).collect();
    found.sort();
    found
}

/// The length of a file without the unused space at its end. Frames begin at multiples of 8.
fn written(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| (last as u64 + 1).next_multiple_of(8))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let scratch = Scratch::new();
    let store = scratch.open();
    contract::event_log(|| store.event_log()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_with_small_segments() {
    let scratch = Scratch::new();
    let store = open_small(&scratch).unwrap();
    contract::event_log(|| store.event_log()).await;
}

#[tokio::test]
async fn acknowledged_events_survive_a_drop_without_close() {
    let scratch = Scratch::new();
    let first = {
        let store = open_small(&scratch).unwrap();
        let log = store.event_log();
        log.open(&pass("w")).await.unwrap();
        for start in (1..=96).step_by(5) {
            log.append(&pass("w"), events(start..=start + 4)).await.unwrap();
        }
        log.trim(&pass("w"), 61).await.unwrap()
    };
    assert!(first > 1 && first <= 61);
    let store = open_small(&scratch).unwrap();
    let head = store.event_log().head(&pass("w")).await.unwrap().unwrap();
    assert_eq!((head.first, head.next), (first, 101));
    assert_eq!(all(&store).await, events(first..=100));
    store.event_log().append(&pass("w"), events(101..=101)).await.unwrap();
    assert_eq!(all(&store).await, events(first..=101));
}

#[tokio::test]
async fn every_open_begins_an_epoch_and_remembers_the_earlier_ones() {
    let scratch = Scratch::new();
    let mut known = Vec::new();
    for life in 0..12_u64 {
        let store = open_small(&scratch).unwrap();
        let log = store.event_log();
        let head = log.open(&pass("w")).await.unwrap();
        assert_eq!(log.head(&pass("w")).await.unwrap(), Some(head.clone()));
        let first = head.next;
        known.push((head.epoch().to_owned(), first));
        log.append(&pass("w"), events(first..=first + 20 + life)).await.unwrap();
    }
    let store = open_small(&scratch).unwrap();
    let head = store.event_log().head(&pass("w")).await.unwrap().unwrap();
    let found: Vec<_> = head.epochs.starts().map(|start| (start.epoch.clone(), start.first)).collect();
    assert_eq!(found, known);
    assert!(segments(&scratch).len() > 2);

    let first = store.event_log().trim(&pass("w"), head.next).await.unwrap();
    assert_eq!(first, head.next);
    let after = store.event_log().head(&pass("w")).await.unwrap().unwrap();
    assert!(after.epochs.starts().count() <= 2, "epochs of events that were trimmed are forgotten");
    drop(store);
    let store = open_small(&scratch).unwrap();
    assert_eq!(store.event_log().head(&pass("w")).await.unwrap().unwrap().epoch(), known[11].0);
}

#[tokio::test]
async fn torn_tail_loses_only_the_torn_append() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let log = store.event_log();
    log.append(&pass("w"), events(1..=20)).await.unwrap();
    let marks =
        [log_dir(&scratch).join("MARK"), scratch.path().join("ends/w")].map(|path| std::fs::read(path).unwrap());
    let before = written(&segments(&scratch)[0]);
    log.append(&pass("w"), events(21..=40)).await.unwrap();
    let after = written(&segments(&scratch)[0]);
    assert!(after > before, "the append is in the file once it is acknowledged");

    for keep in (before + 1..after).step_by((after - before) as usize / 8) {
        for zeros in [false, true] {
            // After a power cut older marks may be there.
            let crashed = scratch.copied();
            std::fs::write(log_dir(&crashed).join("MARK"), &marks[0]).unwrap();
            std::fs::write(crashed.path().join("ends/w"), &marks[1]).unwrap();
            let mut bytes = std::fs::read(&segments(&crashed)[0]).unwrap();
            let length = bytes.len();
            bytes.truncate(keep as usize);
            if zeros {
                bytes.resize(length, 0);
            }
            std::fs::write(&segments(&crashed)[0], bytes).unwrap();
            let store = crashed.open();
            assert_eq!(all(&store).await, events(1..=20), "{keep} of {before}..{after} bytes");
            let log = store.event_log();
            assert_eq!(log.open(&pass("w")).await.unwrap().next, 21);
            log.append(&pass("w"), events(21..=22)).await.unwrap();
            drop((store, log));
            assert_eq!(all(&crashed.open()).await, events(1..=22), "what follows a torn tail lasts");
        }
    }
    let whole = scratch.copied();
    std::fs::write(log_dir(&whole).join("MARK"), &marks[0]).unwrap();
    assert_eq!(all(&whole.open()).await, events(1..=40));
}

#[tokio::test]
async fn acknowledged_append_that_vanished_is_refused() {
    let scratch = Scratch::new();
    let store = scratch.open();
    store.event_log().append(&pass("w"), events(1..=20)).await.unwrap();
    let before = written(&segments(&scratch)[0]);
    store.event_log().append(&pass("w"), events(21..=40)).await.unwrap();
    let crashed = scratch.copied();
    std::fs::OpenOptions::new().write(true).open(&segments(&crashed)[0]).unwrap().set_len(before).unwrap();
    let text = EmbeddedStore::open(crashed.path(), &EmbeddedSettings::default()).err().unwrap().to_string();
    assert!(text.contains("sequence numbers 21 to 40"), "{text}");
    assert!(text.contains("doctor --data") && text.contains(&segments(&crashed)[0].display().to_string()), "{text}");
}

#[tokio::test]
async fn large_append_has_several_frames() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let kpi = KpiName::new("k").unwrap();
    let event = |seq| {
        let body = KpiEvent::Parked { reason: "y".repeat(300_000) };
        Arc::new(Event::new(seq, 0, kpi.clone(), body))
    };
    store.event_log().append(&pass("w"), (1..=20).map(event).collect()).await.unwrap();
    let page = store.event_log().read(&pass("w"), 9, 1).await.unwrap().events;
    assert!(page[0].seq == 9 && page.len() < 5, "{} events for one", page.len());
}

#[tokio::test]
async fn old_events_leave_by_age_and_unused_space_is_no_size() {
    let scratch = Scratch::new();
    let settings = EmbeddedSettings { log_segment_age: Duration::from_millis(10), ..EmbeddedSettings::default() };
    let store = EmbeddedStore::open(scratch.path(), &settings).unwrap();
    let log = store.event_log();
    for seq in 1..=100 {
        log.append(&pass("w"), events(seq..=seq)).await.unwrap();
    }
    assert_eq!(segments(&scratch).len(), 10);
    assert!(log.size_bytes(&pass("w")).await.unwrap() < 100 * 300);
    let from = log.seq_at(&pass("w"), 57).await.unwrap();
    assert_eq!(from, 57);
    assert_eq!(log.trim(&pass("w"), from).await.unwrap(), 51);
    assert_eq!(segments(&scratch).len(), 5);
    assert_eq!(all(&store).await, events(51..=100));
}

#[tokio::test]
async fn leftovers_of_a_trim_and_of_a_creation_are_removed() {
    let scratch = Scratch::new();
    let store = open_small(&scratch).unwrap();
    let log = store.event_log();
    for start in (1..=191).step_by(10) {
        log.append(&pass("w"), events(start..=start + 9)).await.unwrap();
    }
    let before = scratch.copied();
    let first = log.trim(&pass("w"), 101).await.unwrap();
    assert!(first > 1);
    let left = segments(&before)[0].clone();
    std::fs::copy(&left, log_dir(&scratch).join(left.file_name().unwrap())).unwrap();
    std::fs::write(log_dir(&scratch).join("00000000000000000099.seg.new"), "half").unwrap();
    std::fs::create_dir(scratch.path().join("log/unfinished")).unwrap();
    std::fs::write(scratch.path().join("log/unfinished/MARK.new"), "half").unwrap();
    drop((store, log));
    let store = open_small(&scratch).unwrap();
    assert_eq!(all(&store).await, events(first..=200));
    assert!(!log_dir(&scratch).join(left.file_name().unwrap()).exists());
    assert!(!log_dir(&scratch).join("00000000000000000099.seg.new").exists());
    assert!(!scratch.path().join("log/unfinished").exists());
}

#[tokio::test]
async fn files_belong_to_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let store = scratch.open();
    store.event_log().append(&pass("w"), events(1..=3)).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&scratch.path().join("log")), 0o700);
    assert_eq!(mode(&log_dir(&scratch)), 0o700);
    for entry in std::fs::read_dir(log_dir(&scratch)).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn events_of_an_append_that_was_killed_before_the_answer_are_whole() {
    let scratch = Scratch::new();
    let store = scratch.open();
    store.event_log().append(&pass("w"), events(1..=20)).await.unwrap();
    // Written and whole, but the mark of the append is not there yet.
    let mark = std::fs::read(log_dir(&scratch).join("MARK")).unwrap();
    store.event_log().append(&pass("w"), events(21..=30)).await.unwrap();
    drop(store);
    std::fs::write(log_dir(&scratch).join("MARK"), &mark).unwrap();
    let store = scratch.open();
    assert_eq!(all(&store).await, events(1..=30));
    assert!(segment_path(&log_dir(&scratch), 1).exists());
}
