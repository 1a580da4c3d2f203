//! Contract, crash, damage and disk failure tests.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::super::EmbeddedStore;
use super::super::tests::{Scratch, pass};
use super::*;
use earcon_contract as contract;
use earcon_model::{KpiEvent, KpiName};

fn events(seqs: std::ops::RangeInclusive<Seq>) -> Vec<Arc<Event>> {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let scratch = Scratch::new();
    let store = scratch.open();
    contract::event_log(|| store.event_log()).await;
}

#[tokio::test]
async fn acknowledged_events_survive_a_drop_without_close() {
    let scratch = Scratch::new();
    let epochs = {
        let store = scratch.open();
        let log = store.event_log();
        let epochs = log.open(&pass("w")).await.unwrap().epochs;
        for start in (1..=96).step_by(5) {
            log.append(&pass("w"), events(start..=start + 4)).await.unwrap();
        }
        log.trim(&pass("w"), 31).await.unwrap();
        epochs
    };
    let store = scratch.open();
    let head = store.event_log().head(&pass("w")).await.unwrap();
    assert_eq!(head, Some(LogHead { epochs, first: 31, next: 101 }));
    assert_eq!(all(&store).await, events(31..=100));
    store.event_log().append(&pass("w"), events(101..=101)).await.unwrap();
    assert_eq!(all(&store).await, events(31..=101));
}

/// The active journal and the number of its bytes that were written. The rest is preallocated
/// zeros.
fn journal(dir: &Path) -> (PathBuf, u64) {
    let journals = std::fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path());
    let path = journals.filter(|path| path.extension().is_some_and(|ext| ext == "jnl")).max().unwrap();
    let mut bytes = Vec::new();
    File::open(&path).unwrap().read_to_end(&mut bytes).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    (path, written as u64)
}

#[tokio::test]
async fn torn_tail_loses_only_the_torn_append() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let log = store.event_log();
    log.append(&pass("w"), events(1..=20)).await.unwrap();
    let (_, before) = journal(scratch.path());
    log.append(&pass("w"), events(21..=40)).await.unwrap();
    let (_, after) = journal(scratch.path());
    assert!(after > before, "the append is in the journal file once it is acknowledged");

    for keep in (before + 1..after).step_by((after - before) as usize / 8) {
        let crashed = scratch.copied();
        let (path, _) = journal(crashed.path());
        OpenOptions::new().write(true).open(path).unwrap().set_len(keep).unwrap();
        let store = crashed.open();
        assert_eq!(all(&store).await, events(1..=20), "{keep} of {before}..{after} bytes");
        let log = store.event_log();
        assert_eq!(log.open(&pass("w")).await.unwrap().next, 21);
        log.append(&pass("w"), events(21..=22)).await.unwrap();
        drop((store, log));
        assert_eq!(all(&crashed.open()).await, events(1..=22), "what follows a repaired tail lasts");
    }
    let whole = scratch.copied();
    assert_eq!(all(&whole.open()).await, events(1..=40));
}

#[tokio::test]
async fn zeros_after_a_torn_append_are_ignored() {
    let scratch = Scratch::new();
    let store = scratch.open();
    store.event_log().append(&pass("w"), events(1..=20)).await.unwrap();
    let (_, before) = journal(scratch.path());
    store.event_log().append(&pass("w"), events(21..=22)).await.unwrap();
    let (_, after) = journal(scratch.path());
    let crashed = scratch.copied();
    let (path, _) = journal(crashed.path());
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    let cut = before + 3;
    file.seek(SeekFrom::Start(cut)).unwrap();
    file.write_all(&vec![0; (after - cut) as usize]).unwrap();
    drop(file);
    assert_eq!(all(&crashed.open()).await, events(1..=20));
}

#[tokio::test]
async fn failed_write_is_invisible_and_later_writes_are_refused() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let log = store.event_log();
    log.append(&pass("w"), events(1..=3)).await.unwrap();
    store.database.fail_next_commit.store(true, Ordering::Release);
    let failure = log.append(&pass("w"), events(4..=6)).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable);
    for again in [4..=6, 4..=4] {
        assert_eq!(log.append(&pass("w"), events(again)).await.unwrap_err().kind, ErrorKind::Unavailable);
    }
    assert!(store.meta_store().put(&pass("w"), "k", 0, vec![]).await.is_err(), "one journal serves all stores");
    assert_eq!(log.open(&pass("w")).await.unwrap_err().kind, ErrorKind::Unavailable, "an opening writes its epoch");
    assert_eq!(log.head(&pass("w")).await.unwrap().unwrap().next, 4);
    assert_eq!(all(&store).await, events(1..=3));
    drop((store, log));
    assert_eq!(all(&scratch.open()).await, events(1..=3));
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
    let first = store.event_log().trim(&pass("w"), 11).await.unwrap();
    assert!((6..=11).contains(&first), "{first}");
}
