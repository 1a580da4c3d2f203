//! Data that were deleted do not come back through a repair.

use super::*;
use crate::event_log::deletion;
use earcon_ports::{OPENING_RECORD, StoredBatch};

/// Deletes workspace `w` as the server does.
async fn delete_workspace(store: &EmbeddedStore) {
    let gone = pass("w");
    store.series_store().remove(&gone).await.unwrap();
    store.snapshot_store().remove(&gone).await.unwrap();
    store.event_log().remove(&gone).await.unwrap();
    store.meta_store().remove(&gone).await.unwrap();
}

async fn names(store: &EmbeddedStore) -> Vec<String> {
    store.meta_store().workspaces().await.unwrap().into_iter().map(|key| key.as_str().to_owned()).collect()
}

/// A directory whose workspace `w` was deleted, and a copy from before.
async fn deleted() -> (Scratch, Scratch) {
    let scratch = installation(5, 3).await;
    extend_workspace(&scratch, "other", 4, 1).await;
    let older = scratch.copied();
    let store = scratch.open();
    delete_workspace(&store).await;
    store.close().await.unwrap();
    (scratch, older)
}

#[tokio::test]
async fn older_copy_of_a_deleted_log_is_refused_by_a_start_and_by_a_repair() {
    let (scratch, older) = deleted().await;
    let copy = older.copied();
    let back = scratch.path().join("log/w");
    std::fs::rename(copy.path().join("log/w"), &back).unwrap();
    for with_list in [true, false] {
        if !with_list {
            // The database has the list too.
            std::fs::remove_file(scratch.path().join("log/DELETED")).unwrap();
        }
        let started = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err().unwrap();
        for text in [started.to_string(), repair(scratch.path(), 5).unwrap_err().to_string()] {
            let sentence = format!(
                "{}: workspace w was deleted after its event of 1970-01-01T00:00:00Z, and this is an older copy of its \
                 log. Move it out of",
                back.display()
            );
            assert!(text.contains(&sentence), "{text}");
        }
    }
    std::fs::rename(&back, scratch.path().join("w")).unwrap();
    assert!(check(scratch.path()).unwrap().is_clean());
    assert_eq!(names(&scratch.open()).await, ["other"]);
}

/// Only the repaired database knows that the log was deleted.
#[tokio::test]
async fn repair_that_refuses_a_log_after_the_database_says_what_it_changed() {
    let (scratch, older) = deleted().await;
    std::fs::rename(older.path().join("log/w"), scratch.path().join("log/w")).unwrap();
    std::fs::remove_file(scratch.path().join("log/DELETED")).unwrap();
    std::fs::remove_file(scratch.path().join("db/version")).unwrap();
    assert!(check(scratch.path()).unwrap().refusal(scratch.path()).is_none(), "the list cannot be read");
    let text = repair(scratch.path(), 5).unwrap_err().to_string();
    assert!(text.contains("workspace w was deleted") && !text.contains("Nothing was changed"), "{text}");
    assert!(text.contains("A repair has begun") && text.contains("--repair\" again"), "{text}");
    std::fs::rename(scratch.path().join("log/w"), scratch.path().join("w")).unwrap();
    repair(scratch.path(), 5).unwrap();
    assert!(check(scratch.path()).unwrap().is_clean());
    assert_eq!(names(&scratch.open()).await, ["other"]);
}

#[tokio::test]
async fn workspace_that_an_older_database_still_has_is_deleted_again() {
    let (scratch, older) = deleted().await;
    for parts in [&["db", "db.mark"][..], &["db", "db.mark", "log/DATABASE"]] {
        let mixed = scratch.copied();
        replace(&mixed, &older, parts);
        let text = EmbeddedStore::open(mixed.path(), &EmbeddedSettings::default()).err().unwrap().to_string();
        assert!(text.contains("the database is older than the logs"), "{text}");
        let report = check(mixed.path()).unwrap();
        assert!(report.logs.iter().all(|log| log.workspace.as_str() == "other"), "{report:?}");
        let done = repair(mixed.path(), 5).unwrap();
        let deleted: Vec<&str> = done.deleted.iter().map(|workspace| workspace.as_str()).collect();
        assert_eq!(deleted, ["w"]);
        assert!(done.logs.is_empty(), "{done:?}");
        assert!(check(mixed.path()).unwrap().is_clean());
        let store = mixed.open();
        assert_eq!(names(&store).await, ["other"]);
        assert_eq!(store.event_log().head(&pass("w")).await.unwrap(), None);
        assert_eq!(store.series_store().cursor(&pass("w")).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn older_database_and_older_log_of_a_deleted_workspace_are_refused() {
    let (scratch, older) = deleted().await;
    replace(&scratch, &older, &["db", "db.mark", "log/DATABASE"]);
    std::fs::rename(older.path().join("log/w"), scratch.path().join("log/w")).unwrap();
    let text = repair(scratch.path(), 5).unwrap_err().to_string();
    assert!(text.contains("workspace w was deleted"), "{text}");
    std::fs::rename(scratch.path().join("log/w"), scratch.path().join("w")).unwrap();
    repair(scratch.path(), 5).unwrap();
    assert_eq!(names(&scratch.open()).await, ["other"]);
}

#[tokio::test]
async fn new_workspace_with_the_name_of_a_deleted_one_is_not_concerned() {
    let (scratch, _) = deleted().await;
    extend(&scratch, 3, 1).await;
    assert!(check(scratch.path()).unwrap().is_clean());
    let store = scratch.open();
    assert_eq!((names(&store).await, events_of(&store).await), (vec!["other".to_owned(), "w".to_owned()], 3));
}

#[tokio::test]
async fn interrupted_deletion_of_a_workspace_ends_at_the_next_start() {
    let scratch = installation(5, 3).await;
    let (dir, gone) = (scratch.path().join("log/w"), scratch.path().join("log/.deleted-w"));
    std::fs::rename(&dir, &gone).unwrap();
    assert!(check(scratch.path()).unwrap().is_clean());
    let store = scratch.open();
    assert!(!gone.exists() && scratch.path().join("log/DELETED").exists());
    let left = deletion::still_known(&store.database).unwrap();
    assert_eq!(left, [pass("w").workspace().clone()], "its settings; a repair deletes them");
    drop(store);
    assert!(check(scratch.path()).unwrap().is_clean());
}

#[tokio::test]
async fn lost_commits_name_a_workspace_that_was_deleted_and_created_again() {
    let scratch = installation(5, 3).await;
    extend_workspace(&scratch, "other", 4, 1).await;
    let journal = |scratch: &Scratch| std::fs::read(scratch.path().join("db/0.jnl")).unwrap();
    let used = |scratch: &Scratch| journal(scratch).iter().rposition(|byte| *byte != 0).unwrap();
    let store = scratch.open();
    let events = store.event_log().read(&pass("w"), 0, usize::MAX).await.unwrap().events;
    store.series_store().apply(&pass("w"), StoredBatch { events }).await.unwrap();
    store.series_store().flush(&pass("w")).await.unwrap();
    let from = used(&scratch);
    delete_workspace(&store).await;
    let to = used(&scratch);
    assert!(from < to, "the deletion is in the journal");
    store.close().await.unwrap();
    extend(&scratch, 3, 1).await;
    let mut rewound = 0;
    for at in (from + 40..to).step_by((to - from) / 8) {
        let damaged = scratch.copied();
        let mut bytes = journal(&damaged);
        bytes[at] ^= 4;
        std::fs::write(damaged.path().join("db/0.jnl"), bytes).unwrap();
        let done = repair(damaged.path(), 5).unwrap();
        let is_rewound = done.database.iter().any(|finding| finding.damage.contains("history is read again"));
        rewound += usize::from(is_rewound);
        let is_named =
            done.doubts.iter().any(|doubt| doubt.starts_with("workspace w: it was deleted and created again"));
        assert!(is_named || !is_rewound, "bit at {at}: {done:?}");
        assert!(done.doubts.iter().all(|doubt| !doubt.contains("workspace other")), "bit at {at}: {done:?}");
        let record = std::fs::read_to_string(done.record.unwrap()).unwrap();
        assert!(done.doubts.iter().all(|doubt| record.contains(doubt)), "{record}");
    }
    assert!(rewound > 0, "a bit is in a commit of history");
}

/// A log whose last epoch is damaged, and that epoch. History has read all of the log.
async fn log_without_its_last_epoch() -> (Scratch, String) {
    let scratch = installation(5, 3).await;
    let store = scratch.open();
    let (log, meta) = (store.event_log(), store.meta_store());
    let head = log.open(&pass("w")).await.unwrap();
    let event = |seq| Arc::new(Event::new(seq, 0, KpiName::new("k").unwrap(), KpiEvent::Resumed));
    log.append(&pass("w"), (head.next..head.next + 4).map(event).collect()).await.unwrap();
    meta.put(&pass("w"), OPENING_RECORD, 0, head.epoch().into()).await.unwrap();
    let all = log.read(&pass("w"), 0, usize::MAX).await.unwrap().events;
    store.series_store().apply(&pass("w"), StoredBatch { events: all }).await.unwrap();
    store.series_store().flush(&pass("w")).await.unwrap();
    drop((log, meta));
    store.close().await.unwrap();
    let epoch = head.epoch().to_owned();
    let segment = scratch.path().join("log/w/00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(epoch.len()).position(|window| window == epoch.as_bytes()).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    (scratch, epoch)
}

#[tokio::test]
async fn history_of_a_log_that_lost_its_last_epoch_is_not_read_again() {
    let (scratch, epoch) = log_without_its_last_epoch().await;
    for is_cut in [false, true] {
        let damaged = scratch.copied();
        if is_cut {
            std::fs::remove_file(damaged.path().join("log/w/00000000000000000001.seg")).unwrap();
        }
        let done = repair(damaged.path(), 5).unwrap();
        assert_eq!(done.logs.len(), 1);
        let store = damaged.open();
        let head = store.event_log().open(&pass("w")).await.unwrap();
        assert_eq!(head.epochs.end_of(&epoch), None, "the epoch is lost");
        let recorded = store.meta_store().get(&pass("w"), OPENING_RECORD).await.unwrap().unwrap();
        let recorded = String::from_utf8(recorded.value).unwrap();
        let end = head.epochs.end_of(&recorded).expect("the log has the recorded epoch").unwrap();
        let cursor = store.series_store().cursor(&pass("w")).await.unwrap();
        assert!(cursor == 9 && cursor < end, "what history has read is a part of this log: {cursor} of {end}");
        assert_eq!(is_cut, !done.doubts.is_empty(), "{done:?}");
        if is_cut {
            let record = std::fs::read_to_string(&done.logs[0].record).unwrap();
            assert!(record.contains("Deleted data: workspace w: deletions may be among the lost events"), "{record}");
        }
    }
}
