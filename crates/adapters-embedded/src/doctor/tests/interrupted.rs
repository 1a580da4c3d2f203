//! Repairs of database and logs that are stopped before each of their steps, as by a kill. Run
//! again, they end as an undisturbed one, with the same list of losses.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::repairs::steps;

/// No repair has more steps.
const MOST_STEPS: u64 = 200;
const NOW_MS: i64 = 1_795_982_406_431;

/// The end of a repair: its report, the record of the database, and what the directory holds.
#[derive(Debug, PartialEq)]
struct Outcome {
    database: Vec<String>,
    /// The damaged logs, with the damages and the losses of each.
    logs: Vec<(String, Vec<String>, Vec<String>)>,
    doubts: Vec<String>,
    deleted: Vec<String>,
    record: String,
    events: usize,
    settings: usize,
}

fn records(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("REPAIRED-")).collect()
}

async fn outcome(scratch: &Scratch, now_ms: i64) -> Outcome {
    let anywhere = |text: String| text.replace(scratch.path().to_str().unwrap(), "DIR");
    let done = repair(scratch.path(), now_ms).unwrap();
    let record = done.record.expect("something was damaged");
    assert_eq!(records(scratch.path()), std::slice::from_ref(&record));
    let text = anywhere(fs::read_to_string(record).unwrap());
    for left in ["db.salvage", "db.new", "db.mark.new", "REPAIRING"] {
        assert!(!scratch.path().join(left).exists(), "{left} is left");
    }
    assert!(check(scratch.path()).unwrap().is_clean());
    let logs = done.logs.iter().map(|log| {
        let damages = log.damages.iter().map(|damage| anywhere(damage.clone())).collect();
        (log.workspace.as_str().to_owned(), damages, log.missing.iter().map(ToString::to_string).collect())
    });
    let logs: Vec<(String, Vec<String>, Vec<String>)> = logs.collect();
    let doubts: Vec<String> = done.doubts.into_iter().map(anywhere).collect();
    let losses = logs.iter().flat_map(|(.., missing)| missing);
    assert!(losses.chain(&doubts).all(|line| text.contains(line)), "{doubts:?} {logs:?}: {text}");
    let store = scratch.open();
    Outcome {
        logs,
        database: done.database.iter().map(|finding| anywhere(finding.to_string())).collect(),
        doubts,
        deleted: done.deleted,
        // The time differs if the first attempt ended before its first step.
        record: text.split_once('\n').unwrap().1.to_owned(),
        events: events_of(&store).await,
        settings: store.meta_store().list(&pass("w"), "", None, 100).await.unwrap().len(),
    }
}

/// A check after a stop names a loss of each log that has one in the end, from the moment on that
/// the plan has the logs.
fn assert_losses_are_named(case: &str, scratch: &Scratch, expected: &Outcome) {
    let report = check(scratch.path()).unwrap();
    assert!(!report.is_clean(), "{case}");
    let unfinished = report.unfinished.map(|unfinished| unfinished.logs).unwrap_or_default();
    if unfinished.is_empty() {
        // No log was changed, and the list of logs may be known only once the database is repaired.
        return;
    }
    for (name, ..) in expected.logs.iter().filter(|(.., missing)| !missing.is_empty()) {
        let damages = report.logs.iter().filter(|log| log.workspace.as_str() == name).flat_map(|log| &log.damages);
        let is_found = damages.into_iter().any(|damage| damage.missing.is_some());
        let is_planned = unfinished.iter().any(|(other, missing)| other == name && !missing.is_empty());
        assert!(is_found || is_planned, "{case}: a loss of {name} is not named: {unfinished:?}");
    }
}

/// Whether a repair that may take `count` steps was stopped.
fn is_stopped(scratch: &Scratch, count: u64) -> bool {
    steps::stop_after(Some(count));
    let result = repair(scratch.path(), NOW_MS);
    steps::stop_after(None);
    result.is_err()
}

#[expect(clippy::print_stdout, reason = "the steps show what was tried")]
pub(super) async fn same_result_after_every_stop(name: &str, original: &Scratch) {
    let expected = outcome(&original.copied(), NOW_MS).await;
    for count in 0..MOST_STEPS {
        let scratch = original.copied();
        if !is_stopped(&scratch, count) {
            println!("{name}: {count} steps");
            assert!(count > 6, "{name}: {count} steps");
            return;
        }
        let started = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default());
        assert!(started.is_err(), "{name}: a start after {count} steps is refused");
        assert_losses_are_named(&format!("{name}: {count} steps"), &scratch, &expected);
        // Another stop, at another step.
        if is_stopped(&scratch, count / 2) {
            assert_eq!(outcome(&scratch, NOW_MS).await, expected, "{name}: stopped after {count} steps");
        }
    }
    panic!("{name}: the repair did not end");
}

#[tokio::test]
async fn lost_end_of_the_journal() {
    let scratch = installation(5, 9).await;
    let journal = scratch.path().join("db/0.jnl");
    let length = crate::database::written_bytes(&journal).unwrap().len() as u64;
    fs::File::options().write(true).open(journal).unwrap().set_len(length - 700).unwrap();
    same_result_after_every_stop("journal", &scratch).await;
}

#[tokio::test]
async fn older_database_and_a_deleted_workspace() {
    let scratch = installation(5, 4).await;
    extend_workspace(&scratch, "gone", 3, 2).await;
    let older = scratch.copied();
    extend(&scratch, 5, 3).await;
    let store = scratch.open();
    let gone = pass("gone");
    store.series_store().remove(&gone).await.unwrap();
    store.snapshot_store().remove(&gone).await.unwrap();
    store.event_log().remove(&gone).await.unwrap();
    store.meta_store().remove(&gone).await.unwrap();
    store.close().await.unwrap();
    replace(&scratch, &older, &["db", "db.mark"]);
    let outcome = outcome(&scratch.copied(), NOW_MS).await;
    assert_eq!(outcome.deleted, ["gone"]);
    assert!(outcome.record.contains("Workspace gone had been deleted"), "{}", outcome.record);
    same_result_after_every_stop("older", &scratch).await;
}

#[tokio::test]
async fn lost_marks_and_a_damaged_log() {
    let scratch = installation(5, 4).await;
    fs::remove_file(scratch.path().join("db.mark")).unwrap();
    fs::remove_file(scratch.path().join("log/DATABASE")).unwrap();
    fs::remove_file(scratch.path().join("log/w/MARK")).unwrap();
    same_result_after_every_stop("marks", &scratch).await;
}

#[tokio::test]
async fn lost_format_and_a_file_in_the_place_of_all_logs() {
    let scratch = installation(5, 4).await;
    fs::remove_file(scratch.path().join("FORMAT")).unwrap();
    fs::remove_dir_all(scratch.path().join("log")).unwrap();
    fs::write(scratch.path().join("log"), "no directory").unwrap();
    same_result_after_every_stop("file", &scratch).await;
}

/// Three logs: the directory of one is lost, another one is damaged, and the third is whole.
async fn lost_and_damaged_logs() -> Scratch {
    let scratch = installation(5, 4).await;
    extend_workspace(&scratch, "a", 4, 1).await;
    extend_workspace(&scratch, "whole", 3, 1).await;
    fs::remove_dir_all(scratch.path().join("log/w")).unwrap();
    fs::remove_file(scratch.path().join("log/a/00000000000000000001.seg")).unwrap();
    scratch
}

#[tokio::test]
async fn losses_of_logs_are_named_again_if_the_database_was_damaged_too() {
    let scratch = lost_and_damaged_logs().await;
    fs::remove_file(scratch.path().join("db/keyspaces/9/v0")).unwrap();
    let outcome = outcome(&scratch.copied(), NOW_MS).await;
    assert!(outcome.logs.len() == 2 && outcome.logs.iter().all(|(.., missing)| !missing.is_empty()), "{outcome:?}");
    assert!(outcome.doubts.len() >= 2 && !outcome.database.is_empty(), "{outcome:?}");
    same_result_after_every_stop("logs and database", &scratch).await;
}

#[tokio::test]
async fn losses_of_logs_are_named_again_if_the_database_is_whole() {
    let scratch = lost_and_damaged_logs().await;
    let outcome = outcome(&scratch.copied(), NOW_MS).await;
    assert!(outcome.logs.len() == 2 && outcome.logs.iter().all(|(.., missing)| !missing.is_empty()), "{outcome:?}");
    assert!(outcome.doubts.len() >= 2 && outcome.database.is_empty(), "{outcome:?}");
    same_result_after_every_stop("logs", &scratch).await;
}

/// A check after the repair names the loss too, also of a log that was made again.
#[tokio::test]
async fn log_that_was_made_again_keeps_its_loss() {
    let scratch = lost_and_damaged_logs().await;
    repair(scratch.path(), NOW_MS).unwrap();
    let report = check(scratch.path()).unwrap();
    for log in report.logs.iter().filter(|log| log.workspace.as_str() != "whole") {
        let is_open = log.gaps.iter().any(|gap| gap.is_open);
        assert!(is_open && log.gaps.first().is_some_and(|gap| gap.first == 1), "{log:?}");
    }
    assert_eq!(report.records, records(scratch.path()));
}

#[tokio::test]
async fn log_that_was_put_back_after_a_stop_has_lost_nothing() {
    let scratch = installation(5, 4).await;
    extend_workspace(&scratch, "a", 4, 1).await;
    let (lost, aside) = (scratch.path().join("log/w"), Scratch::new());
    let kept = aside.path().join("w");
    fs::rename(&lost, &kept).unwrap();
    fs::remove_file(scratch.path().join("log/a/00000000000000000001.seg")).unwrap();
    // The plan is on the disk, and no log was changed.
    assert!(is_stopped(&scratch, 1));
    let unfinished = check(scratch.path()).unwrap().unfinished.unwrap();
    assert_eq!(unfinished.logs.len(), 2, "{unfinished:?}");
    let _left = fs::remove_dir_all(&lost).is_err();
    fs::rename(&kept, &lost).unwrap();
    let outcome = outcome(&scratch, NOW_MS).await;
    assert_eq!(outcome.logs.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(outcome.events, 5);
}

#[tokio::test]
async fn plan_that_is_damaged_itself_is_named() {
    let scratch = installation(5, 9).await;
    fs::remove_file(scratch.path().join("db/keyspaces/2/current")).unwrap();
    assert!(is_stopped(&scratch, 3));
    fs::write(scratch.path().join("REPAIRING"), "half").unwrap();
    let done = outcome(&scratch, NOW_MS).await;
    assert!(done.record.contains("it is unknown what the repair that did not end has lost"), "{}", done.record);
}
