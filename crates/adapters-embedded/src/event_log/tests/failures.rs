//! A disk that refuses writes, for a while.

use super::super::files::power;
use super::super::writer::Fault;
use super::*;

/// Fails appends with `fault`, and returns the kind of the error. The log must go on afterwards.
async fn goes_on_after(fault: Fault) -> ErrorKind {
    let scratch = Scratch::new();
    let store = scratch.open();
    let log = store.event_log();
    log.append(&pass("w"), events(1..=3)).await.unwrap();
    store.log.set_fault(Some(fault));
    let kind = log.append(&pass("w"), big(4)).await.unwrap_err().kind;
    assert_eq!(log.append(&pass("w"), big(4)).await.unwrap_err().kind, kind);
    assert_eq!(log.head(&pass("w")).await.unwrap().unwrap().next, 4);
    assert_eq!(all(&store).await, events(1..=3), "nothing of a failed append is visible");
    store.log.set_fault(None);
    log.append(&pass("w"), events(4..=6)).await.unwrap();
    assert_eq!(all(&store).await, events(1..=6));
    let copy = scratch.copied();
    assert_eq!(all(&copy.open()).await, events(1..=6), "after the end of the process");
    drop((log, store));
    assert_eq!(all(&scratch.open()).await, events(1..=6));
    kind
}

/// An append that needs more space than a segment has at first.
fn big(seq: Seq) -> Vec<Arc<Event>> {
    let body = KpiEvent::Parked { reason: "z".repeat(600_000) };
    vec![Arc::new(Event::new(seq, 1, KpiName::new("k").unwrap(), body))]
}

#[tokio::test]
async fn full_disk_is_distinguished_and_passes() {
    assert_eq!(goes_on_after(Fault::Allocate).await, ErrorKind::StorageFull);
}

#[tokio::test]
async fn failed_write_closes_the_segment_and_the_log_goes_on() {
    assert_eq!(goes_on_after(Fault::Write).await, ErrorKind::Unavailable);
}

#[tokio::test]
async fn failed_sync_closes_the_segment_and_the_log_goes_on() {
    assert_eq!(goes_on_after(Fault::Sync).await, ErrorKind::Unavailable);
}

#[tokio::test]
async fn segment_is_never_appended_to_after_a_failed_sync() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let log = store.event_log();
    log.append(&pass("w"), events(1..=3)).await.unwrap();
    let before = written(&segments(&scratch)[0]);
    store.log.set_fault(Some(Fault::Sync));
    log.append(&pass("w"), events(4..=40)).await.unwrap_err();
    assert!(written(&segments(&scratch)[0]) > before, "the bytes are in the file although the sync failed");
    store.log.set_fault(Some(Fault::Create));
    assert_eq!(log.append(&pass("w"), events(4..=5)).await.unwrap_err().kind, ErrorKind::StorageFull);
    store.log.set_fault(None);
    log.append(&pass("w"), events(4..=5)).await.unwrap();
    assert_eq!(segments(&scratch).len(), 2);
    assert!(written(&segments(&scratch)[0]) <= before);
    assert_eq!(all(&store).await, events(1..=5));
}

#[tokio::test]
async fn segment_whose_successor_may_exist_is_not_appended_to() {
    let scratch = Scratch::new();
    let store = open_small(&scratch).unwrap();
    let log = store.event_log();
    log.append(&pass("w"), events(1..=3)).await.unwrap();
    store.log.set_fault(Some(Fault::Create));
    log.append(&pass("w"), big(4)).await.unwrap_err();
    // It would fit into the first segment.
    assert_eq!(log.append(&pass("w"), events(4..=4)).await.unwrap_err().kind, ErrorKind::StorageFull);
    store.log.set_fault(None);
    log.append(&pass("w"), events(4..=4)).await.unwrap();
    assert_eq!(segments(&scratch).len(), 2);
}

#[tokio::test]
async fn log_deleted_under_the_server_is_noticed() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let log = store.event_log();
    log.append(&pass("w"), events(1..=3)).await.unwrap();
    std::fs::remove_dir_all(log_dir(&scratch)).unwrap();
    for _ in 0..2 {
        let error = log.append(&pass("w"), events(4..=6)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    }
}

#[tokio::test]
async fn segment_that_was_cut_is_not_appended_to() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let log = store.event_log();
    log.append(&pass("w"), events(1..=3)).await.unwrap();
    let path = &segments(&scratch)[0];
    let bytes = std::fs::read(path).unwrap();
    let set_len = |length| std::fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
    let end = written(path);
    set_len(end);
    log.append(&pass("w"), events(4..=4)).await.expect("only unused space is gone");
    set_len(end);
    for _ in 0..2 {
        let error = log.append(&pass("w"), events(5..=6)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()) && error.to_string().contains("cut"), "{error}");
    }
    assert_eq!(std::fs::read(path).unwrap(), bytes[..end as usize], "nothing follows a gap");
}

#[tokio::test]
async fn mark_that_is_gone_or_changed_is_named_and_written_again() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let (log, keeper) = (store.event_log(), store.keeper());
    log.append(&pass("w"), events(1..=3)).await.unwrap();
    let mark = log_dir(&scratch).join("MARK");
    let removed = || std::fs::remove_file(&mark).unwrap();
    let changed = || std::fs::write(&mark, vec![1; 8_192]).unwrap();
    let replaced = || {
        let copy = std::fs::read(&mark).unwrap();
        removed();
        std::fs::write(&mark, copy).unwrap();
    };
    for (next, damage) in [(4, &removed as &dyn Fn()), (5, &changed), (6, &replaced)] {
        assert_eq!(keeper.log_damage(), None);
        damage();
        let text = keeper.log_damage().expect("it is noticed");
        assert!(text.contains(mark.to_str().unwrap()), "{text}");
        log.append(&pass("w"), events(next..=next)).await.expect("the log is whole");
        log.record_end(&pass("w")).await.unwrap();
    }
    assert_eq!(keeper.log_damage(), None);
    drop((log, keeper));
    store.close().await.unwrap();
    assert_eq!(all(&scratch.open()).await, events(1..=6));
}

#[tokio::test]
async fn damage_under_the_server_is_an_error_of_the_read() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let log = store.event_log();
    for start in (1..=96).step_by(5) {
        log.append(&pass("w"), events(start..=start + 4)).await.unwrap();
    }
    let path = &segments(&scratch)[0];
    let mut bytes = std::fs::read(path).unwrap();
    let middle = written(path) as usize / 2;
    bytes[middle] ^= 16;
    std::fs::write(path, bytes).unwrap();
    let whole = log.read(&pass("w"), 1, usize::MAX).await.unwrap().events;
    assert!(!whole.is_empty() && whole.len() < 96, "{} events before the damage", whole.len());
    let error = log.read(&pass("w"), whole.len() as u64 + 1, usize::MAX).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(error.to_string().contains(&path.display().to_string()) && error.to_string().contains("offset"), "{error}");
}

/// Each sync of a log's life fails in turn: of segments, of marks, and of directories.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "the count shows what was tried")]
async fn each_sync_that_fails_once_costs_no_acknowledged_event() {
    for count in 0..1_000 {
        let scratch = Scratch::new();
        let store = open_small(&scratch).unwrap();
        let log = store.event_log();
        log.append(&pass("w"), events(1..=3)).await.unwrap();
        power::fail_after(scratch.path(), count);
        let mut closed = None;
        for start in (4..=60).step_by(8) {
            let active = segments(&scratch).last().unwrap().clone();
            let length = written(&active);
            if log.append(&pass("w"), events(start..=start + 7)).await.is_err() {
                closed = Some((active, length));
                assert_eq!(all(&store).await, events(1..=start - 1), "sync {count}: nothing of it is visible");
                log.append(&pass("w"), events(start..=start + 7)).await.expect("the next attempt succeeds");
            }
        }
        log.append(&pass("other"), events(1..=2)).await.unwrap_or_default();
        let trimmed = log.trim(&pass("w"), 20).await.unwrap_or(1);
        log.record_end(&pass("w")).await.unwrap_or_default();
        log.remove(&pass("other")).await.unwrap_or_default();
        let is_over = power::stop_failing(scratch.path());
        // A trim may have removed it.
        if let Some((segment, length)) = closed.filter(|(segment, _)| segment.exists()) {
            assert!(written(&segment) <= length, "sync {count}: {} was appended to", segment.display());
        }
        log.append(&pass("w"), events(68..=70)).await.unwrap();
        let first = all(&store).await[0].seq;
        assert!(first <= trimmed.max(20), "sync {count}: {first} {trimmed}");
        assert_eq!(all(&store).await, events(first..=70), "sync {count}");
        let killed = scratch.copied();
        drop((log, store));
        for dir in [&killed, &scratch] {
            let store = open_small(dir).unwrap_or_else(|error| panic!("sync {count}: {error}"));
            let kept = all(&store).await;
            assert_eq!(kept, events(kept[0].seq..=70), "sync {count}, after a start");
        }
        if is_over {
            println!("{count} syncs");
            assert!(count > 20, "{count} syncs");
            return;
        }
    }
    panic!("there is no end of syncs");
}
