//! A workspace was deleted and made again, and the database lost commits from before, during or
//! after that. The log of the new one is kept, and nothing of the old one comes back.

use super::interrupted::same_result_after_every_stop;
use super::*;
use earcon_ports::{DELETING_RECORD, OPENING_RECORD};
use std::path::PathBuf;

const NOW_MS: i64 = 1_795_982_406_431;
/// Events of the workspace that was made again, and settings of both.
const NEW: Seq = 7;
const SETTINGS: u64 = 2;

fn journal(scratch: &Scratch) -> PathBuf {
    scratch.path().join("db/0.jnl")
}

fn used(scratch: &Scratch) -> u64 {
    crate::database::written_bytes(&journal(scratch)).unwrap().len() as u64
}

async fn make(store: &EmbeddedStore, events: Seq, name: &str) {
    let (log, meta, pass) = (store.event_log(), store.meta_store(), pass("w"));
    let head = log.open(&pass).await.unwrap();
    meta.put(&pass, OPENING_RECORD, 0, head.epoch().into()).await.unwrap();
    let kpi = KpiName::new("k").unwrap();
    let new = (1..=events).map(|seq| Arc::new(Event::new(seq, 0, kpi.clone(), KpiEvent::Resumed)));
    log.append(&pass, new.collect()).await.unwrap();
    for number in 0..SETTINGS {
        meta.put(&pass, &format!("{name}/{number}"), 0, vec![1]).await.unwrap();
    }
}

/// A closed directory, and the ends of the journal: before the deletion, and before and after the
/// workspace was made again.
async fn made_again() -> (Scratch, [u64; 3]) {
    let scratch = installation(0, 0).await;
    extend_workspace(&scratch, "other", 4, 1).await;
    let store = scratch.open();
    // The log of `installation` has no events yet.
    store.event_log().remove(&pass("w")).await.unwrap();
    store.meta_store().remove(&pass("w")).await.unwrap();
    make(&store, 5, "old").await;
    let before = used(&scratch);
    store.meta_store().put(&pass("w"), DELETING_RECORD, 0, Vec::new()).await.unwrap();
    delete(&store).await;
    let between = used(&scratch);
    make(&store, NEW, "new").await;
    let after = used(&scratch);
    store.close().await.unwrap();
    (scratch, [before, between, after])
}

async fn delete(store: &EmbeddedStore) {
    let gone = pass("w");
    store.series_store().remove(&gone).await.unwrap();
    store.snapshot_store().remove(&gone).await.unwrap();
    store.event_log().remove(&gone).await.unwrap();
    store.meta_store().remove(&gone).await.unwrap();
}

fn cut(scratch: &Scratch, length: u64) {
    std::fs::File::options().write(true).open(journal(scratch)).unwrap().set_len(length).unwrap();
}

async fn settings(store: &EmbeddedStore, name: &str) -> usize {
    store.meta_store().list(&pass("w"), &format!("{name}/"), None, 100).await.unwrap().len()
}

/// What a start of the server has to find: the new log whole, and nothing that deletes it.
async fn is_kept(scratch: &Scratch, case: &str) {
    let report = check(scratch.path()).unwrap();
    assert!(report.is_clean(), "{case}: {report:?}");
    let store = scratch.open();
    assert_eq!(events_of(&store).await as Seq, NEW, "{case}: all events of the new one");
    let deleting = store.meta_store().get(&pass("w"), DELETING_RECORD).await.unwrap();
    assert_eq!(deleting, None, "{case}: the next start would delete the new one");
    assert_eq!(settings(&store, "old").await, 0, "{case}: settings of the old one are back");
    assert_eq!(events_in(&store, "other").await, 4, "{case}");
}

#[tokio::test]
async fn log_of_a_workspace_that_was_made_again_outlives_a_database_from_before() {
    let (original, [before, _, after]) = made_again().await;
    let mut cleared = 0;
    // Also in the middle of batches.
    for length in (before - 40..after).step_by(24) {
        let scratch = original.copied();
        cut(&scratch, length);
        let case = format!("cut to {length} of {after}");
        let refused = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).is_err();
        assert!(refused, "{case}");
        let done = repair(scratch.path(), NOW_MS).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert!(done.logs.iter().all(|log| log.missing.is_empty()), "{case}: {:?}", done.logs);
        let is_named = done.database.iter().any(|finding| finding.damage.contains("an earlier workspace of this name"));
        cleared += usize::from(is_named);
        is_kept(&scratch, &case).await;
        // A second start finds the same.
        is_kept(&scratch, &case).await;
    }
    assert!(cleared > 3, "{cleared}");
}

#[tokio::test]
async fn older_copy_of_the_database_leaves_the_log_of_a_workspace_that_was_made_again() {
    let scratch = installation(5, 4).await;
    let older = scratch.copied();
    let store = scratch.open();
    delete(&store).await;
    make(&store, NEW, "new").await;
    store.close().await.unwrap();
    extend_workspace(&scratch, "other", 4, 1).await;
    replace(&scratch, &older, &["db", "db.mark"]);
    repair(scratch.path(), NOW_MS).unwrap();
    is_kept(&scratch, "older").await;
    let names = scratch.open().meta_store().list(&pass("w"), "", None, 100).await.unwrap();
    assert!(names.iter().all(|record| record.key == OPENING_RECORD), "{names:?}");
}

#[tokio::test]
async fn repair_of_a_workspace_that_was_made_again_can_be_stopped_at_every_step() {
    let (original, [before, between, after]) = made_again().await;
    for length in [before, (before + between) / 2, between, (between + after) / 2] {
        let scratch = original.copied();
        cut(&scratch, length);
        same_result_after_every_stop(&format!("cut to {length}"), &scratch).await;
    }
}

/// Settings of the new one that are whole are kept, although a commit in between is lost.
#[tokio::test]
async fn damage_in_the_middle_of_a_deletion_keeps_the_settings_of_the_workspace_made_again() {
    let (original, [before, between, _]) = made_again().await;
    for at in (before..between).step_by(16) {
        let scratch = original.copied();
        let mut bytes = crate::database::written_bytes(&journal(&scratch)).unwrap();
        bytes[at as usize] ^= 4;
        std::fs::write(journal(&scratch), bytes).unwrap();
        let done = repair(scratch.path(), NOW_MS).unwrap();
        let store = scratch.open();
        let case = format!("bit at {at}: {done:?}");
        assert_eq!(events_of(&store).await as Seq, NEW, "{case}");
        assert_eq!(settings(&store, "new").await as u64, SETTINGS, "{case}");
        assert_eq!(store.meta_store().get(&pass("w"), DELETING_RECORD).await.unwrap(), None, "{case}");
        let is_doubted =
            done.doubts.iter().any(|doubt| doubt.contains("workspace w: it was deleted and created again"));
        assert!(is_doubted || settings(&store, "old").await == 0, "{case}");
    }
}

/// Neither list of deleted logs says which log is the newer one.
#[tokio::test]
async fn log_that_may_be_the_older_one_is_kept_where_no_start_deletes_it() {
    let (original, [before, ..]) = made_again().await;
    let scratch = original.copied();
    cut(&scratch, before);
    std::fs::remove_file(scratch.path().join("log/DELETED")).unwrap();
    let segment = std::fs::read(scratch.path().join("log/w/00000000000000000001.seg")).unwrap();
    let whole = scratch.copied();
    let done = repair(scratch.path(), NOW_MS).unwrap();
    let place = scratch.path().join(format!("damaged/w-{NOW_MS}"));
    let doubt =
        done.doubts.iter().find(|doubt| doubt.contains(&place.display().to_string())).expect("a doubt names it");
    assert!(doubt.contains("workspace w: the database knows another log") && doubt.contains("7 events"), "{doubt}");
    assert_eq!(std::fs::read(place.join("00000000000000000001.seg")).unwrap(), segment);
    assert!(check(scratch.path()).unwrap().is_clean());
    let store = scratch.open();
    delete(&store).await;
    store.close().await.unwrap();
    drop(scratch.open());
    assert_eq!(std::fs::read(place.join("00000000000000000001.seg")).unwrap(), segment, "no start deletes it");
    same_result_after_every_stop("undecided", &whole).await;
}

/// A database that is whole knows which workspace is being deleted.
#[tokio::test]
async fn interrupted_deletion_of_the_new_one_goes_on_after_a_repair_of_a_mark() {
    let (scratch, _) = made_again().await;
    let store = scratch.open();
    store.meta_store().put(&pass("w"), DELETING_RECORD, 0, Vec::new()).await.unwrap();
    store.close().await.unwrap();
    std::fs::remove_file(scratch.path().join("db.mark")).unwrap();
    repair(scratch.path(), NOW_MS).unwrap();
    let store = scratch.open();
    assert!(store.meta_store().get(&pass("w"), DELETING_RECORD).await.unwrap().is_some());
}
