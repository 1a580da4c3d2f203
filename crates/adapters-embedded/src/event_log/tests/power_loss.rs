//! A power cut leaves only what was synced. Every acknowledged event is there then.

use super::super::files::power::{self, Names};
use super::super::writer::Fault;
use super::*;
use earcon_ports::Snapshot;

/// The data directory after a power cut: logs, marks and the journals of the database as they were
/// synced. The other files of the database do not change in these tests.
fn after_power_cut(scratch: &Scratch, names: Names) -> Scratch {
    let cut = scratch.copied();
    for name in ["log", "ends"] {
        std::fs::remove_dir_all(cut.path().join(name)).unwrap_or_default();
    }
    for name in ["db.mark", "db/0.jnl"] {
        std::fs::remove_file(cut.path().join(name)).unwrap();
    }
    power::cut(scratch.path(), cut.path(), &["log", "ends", "db.mark"], names);
    cut
}

/// Checks the events after a power cut, whatever names the directories have then.
async fn survive(scratch: &Scratch, expected: &[Arc<Event>], text: &str) {
    for names in [Names::Synced, Names::Present] {
        let cut = after_power_cut(scratch, names);
        let store = open_small(&cut).unwrap_or_else(|error| panic!("{text}, names {names:?}: {error}"));
        assert_eq!(all(&store).await, expected, "{text}, names {names:?}");
    }
}

fn watched() -> (Scratch, EmbeddedStore) {
    let scratch = Scratch::new();
    power::watch(scratch.path());
    let store = open_small(&scratch).unwrap();
    (scratch, store)
}

#[tokio::test]
async fn acknowledged_events_survive_a_power_cut_after_any_append() {
    let (scratch, store) = watched();
    let log = store.event_log();
    log.open(&pass("w")).await.unwrap();
    let mut last = 0;
    for count in [1, 5, 2, 9, 1, 30, 4, 12, 3, 20] {
        log.append(&pass("w"), events(last + 1..=last + count)).await.unwrap();
        last += count;
        survive(&scratch, &events(1..=last), &format!("{last} events were acknowledged")).await;
    }
    assert!(segments(&scratch).len() > 2);
    let mark = |scratch: &Scratch| std::fs::read(log_dir(scratch).join("MARK")).unwrap();
    let cut = || after_power_cut(&scratch, Names::Synced);
    assert_ne!(mark(&cut()), mark(&scratch), "the mark of each append is not synced");
    log.record_end(&pass("w")).await.unwrap();
    assert_eq!(mark(&cut()), mark(&scratch), "it is synced with every watermark");
}

#[tokio::test]
async fn trimmed_log_opens_after_a_power_cut() {
    let (scratch, store) = watched();
    let log = store.event_log();
    for start in (1..=96).step_by(5) {
        log.append(&pass("w"), events(start..=start + 4)).await.unwrap();
    }
    let first = log.trim(&pass("w"), 61).await.unwrap();
    assert!(first > 1);
    // The names of trimmed segments may be gone or not. They are behind the mark in both cases.
    survive(&scratch, &events(first..=100), "a trim").await;
}

#[tokio::test]
async fn settings_survive_a_power_cut_before_the_first_log() {
    let (scratch, store) = watched();
    store.meta_store().put(&pass("w"), "k", 0, vec![7]).await.unwrap();
    for names in [Names::Synced, Names::Present] {
        let cut = after_power_cut(&scratch, names);
        let store = open_small(&cut).unwrap_or_else(|error| panic!("{names:?}: {error}"));
        assert_eq!(store.meta_store().get(&pass("w"), "k").await.unwrap().unwrap().value, [7]);
    }
}

#[tokio::test]
async fn events_that_a_start_found_survive_a_power_cut() {
    let (scratch, store) = watched();
    let log = store.event_log();
    log.append(&pass("w"), events(1..=3)).await.unwrap();
    // They are in the file, but not on the disk.
    store.log.set_fault(Some(Fault::Sync));
    log.append(&pass("w"), events(4..=6)).await.unwrap_err();
    drop((log, store));
    let store = open_small(&scratch).unwrap();
    let found = all(&store).await;
    assert_eq!(found, events(1..=6), "a start takes what is whole");
    survive(&scratch, &found, "a start").await;
}

#[tokio::test]
async fn closed_store_is_durable() {
    let (scratch, store) = watched();
    store.meta_store().put(&pass("w"), "k", 0, vec![7]).await.unwrap();
    let snapshot = Snapshot { kpi: KpiName::new("k").unwrap(), part: 0, seq: 1, state: vec![9] };
    store.snapshot_store().put(&pass("w"), snapshot.clone()).await.unwrap();
    store.event_log().append(&pass("w"), events(1..=1)).await.unwrap();
    store.close().await.unwrap();
    let cut = after_power_cut(&scratch, Names::Synced);
    assert_eq!(open_small(&cut).unwrap().snapshot_store().all(&pass("w")).await.unwrap(), [snapshot]);
    for mark in ["db.mark", "log/DATABASE", "log/w/MARK", "ends/w"] {
        let read = |scratch: &Scratch| std::fs::read(scratch.path().join(mark)).unwrap();
        assert_eq!(read(&after_power_cut(&scratch, Names::Synced)), read(&scratch), "{mark}");
    }
}
