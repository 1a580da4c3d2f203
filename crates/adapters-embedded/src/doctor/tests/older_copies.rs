//! Older copies of a log with both of its marks, and of everything but a mark elsewhere.

use std::fs;

use super::*;
use earcon_ports::StoredBatch;

const NOW_MS: i64 = 1_795_982_406_431;

/// The log's directory and its second mark are those of an older copy.
fn put_back(scratch: &Scratch, older: &Scratch) {
    replace(scratch, older, &["log/w", "ends/w"]);
}

fn refused(scratch: &Scratch, sentence: &str) {
    let started = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err().unwrap().to_string();
    assert!(started.contains(sentence), "{started}");
    let report = check(scratch.path()).unwrap();
    let damages: Vec<String> = report.logs.iter().flat_map(|log| &log.damages).map(ToString::to_string).collect();
    assert!(damages.iter().any(|damage| damage.contains(sentence)), "{damages:?}");
}

/// Writes events without recording the end of the log in the database, as before a kill.
async fn extend_and_kill(scratch: &Scratch, events: Seq, is_read: bool) {
    let store = scratch.open();
    let log = store.event_log();
    let from = log.open(&pass("w")).await.unwrap().next;
    let kpi = KpiName::new("k").unwrap();
    let new = (from..from + events).map(|seq| Arc::new(Event::new(seq, 0, kpi.clone(), KpiEvent::Resumed)));
    log.append(&pass("w"), new.collect()).await.unwrap();
    if is_read {
        let all = log.read(&pass("w"), 0, usize::MAX).await.unwrap().events;
        store.series_store().apply(&pass("w"), StoredBatch { events: all }).await.unwrap();
        store.series_store().flush(&pass("w")).await.unwrap();
    }
}

#[tokio::test]
async fn log_from_before_its_last_opening_is_refused_with_both_of_its_marks() {
    let scratch = installation(5, 2).await;
    let older = scratch.copied();
    extend_and_kill(&scratch, 4, false).await;
    put_back(&scratch, &older);
    refused(&scratch, "the log lacks its last opening, which the database knows. If an older copy");
    let done = repair(scratch.path(), NOW_MS).unwrap();
    assert_eq!(
        done.logs[0].missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["sequence numbers 6 to unknown"]
    );
    assert!(done.doubts.iter().any(|doubt| doubt.contains("deletions may be among the lost events")), "{done:?}");
    assert!(check(scratch.path()).unwrap().is_clean());
    assert_eq!(events_of(&scratch.open()).await, 5);
}

#[tokio::test]
async fn log_that_ends_before_what_history_has_read_is_refused_with_both_of_its_marks() {
    let scratch = installation(5, 2).await;
    let store = scratch.open();
    store.event_log().open(&pass("w")).await.unwrap();
    // A copy of the running system: it has the last opening.
    let older = scratch.copied();
    let log = store.event_log();
    let kpi = KpiName::new("k").unwrap();
    let new = (6..10).map(|seq| Arc::new(Event::new(seq, 0, kpi.clone(), KpiEvent::Resumed)));
    log.append(&pass("w"), new.collect()).await.unwrap();
    let all = log.read(&pass("w"), 0, usize::MAX).await.unwrap().events;
    store.series_store().apply(&pass("w"), StoredBatch { events: all }).await.unwrap();
    store.series_store().flush(&pass("w")).await.unwrap();
    drop((log, store));
    put_back(&scratch, &older);
    refused(&scratch, "the log ends earlier than the database knows. If an older copy");
    let done = repair(scratch.path(), NOW_MS).unwrap();
    let lost: Vec<String> = done.logs[0].missing.iter().map(ToString::to_string).collect();
    assert_eq!(lost, ["sequence numbers 6 to unknown, at least to 9"]);
}

#[tokio::test]
async fn killed_log_is_whole_and_opens() {
    let scratch = installation(5, 2).await;
    for is_read in [false, true] {
        extend_and_kill(&scratch, 4, is_read).await;
        assert!(check(scratch.path()).unwrap().is_clean(), "{is_read}");
    }
    assert_eq!(events_of(&scratch.open()).await, 13);
}

/// Database, its marks and all logs are of one older copy. Only `ends` is newer.
#[tokio::test]
async fn older_database_with_older_logs_is_noticed_by_the_second_marks() {
    let scratch = installation(5, 2).await;
    let older = scratch.copied();
    extend(&scratch, 0, 3).await;
    extend(&scratch, 4, 0).await;
    replace(&scratch, &older, &["db", "db.mark", "log"]);
    let started = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err().unwrap().to_string();
    let place = format!("a mark of a log in {} is of later commits", scratch.path().join("ends").display());
    assert!(started.contains(&place) && started.contains("put back the newer db, db.mark and log"), "{started}");
    let done = repair(scratch.path(), NOW_MS).unwrap();
    assert!(done.database.iter().any(|finding| finding.damage.contains("of the settings are lost")), "{done:?}");
    assert!(check(scratch.path()).unwrap().is_clean());
    let _left = fs::remove_dir_all(scratch.path().join("damaged")).is_err();
}

/// Old lists of table files, and a torn batch, are still there after the start.
#[tokio::test]
async fn refused_start_leaves_every_byte_of_the_database() {
    let scratch = installation(5, 2).await;
    // Each start leaves old lists.
    extend(&scratch, 2, 1).await;
    fs::remove_file(scratch.path().join("log/w/MARK")).unwrap();
    let journal = scratch.path().join("db/0.jnl");
    let end = crate::database::written_bytes(&journal).unwrap().len();
    let torn = fs::File::options().write(true).open(&journal).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&torn, b"a batch that a crash tore", end as u64).unwrap();
    drop(torn);
    let bytes = |scratch: &Scratch| {
        let files = content(scratch.path()).into_iter().filter(|(path, ..)| !path.ends_with("LOCK"));
        files.map(|(path, bytes, ..)| (path, bytes)).collect::<Vec<_>>()
    };
    let before = bytes(&scratch);
    let is_list = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('v'));
    assert!(before.iter().filter(|(path, _)| is_list(path)).count() > 12);
    let started = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err().unwrap();
    assert!(matches!(started, OpenError::DamagedLog { .. }), "{started}");
    let after = bytes(&scratch);
    let changed: Vec<_> = before.iter().filter(|file| !after.contains(file)).map(|(path, _)| path).collect();
    assert!(before.len() == after.len() && changed.is_empty(), "{changed:?}");
}
