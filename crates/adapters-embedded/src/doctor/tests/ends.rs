//! The database lost its list of logs, and logs are lost too or were exchanged. The second marks in
//! `ends` still name each log and its end.

use std::fs;

use super::interrupted::same_result_after_every_stop;
use super::*;

const NOW_MS: i64 = 1_795_982_406_431;
/// Damages the directory of a log.
type DamageTo<'a> = &'a dyn Fn(&Path);

const SEGMENT: &str = "00000000000000000001.seg";

/// A closed directory with events of two workspaces, without the journal of the database.
async fn without_journal() -> Scratch {
    let scratch = installation(5, 2).await;
    extend_workspace(&scratch, "other", 4, 1).await;
    fs::remove_file(scratch.path().join("db/0.jnl")).unwrap();
    scratch
}

fn damages(scratch: &Scratch, workspace: &str) -> String {
    let report = check(scratch.path()).unwrap();
    let found = report.logs.iter().filter(|log| log.workspace.as_str() == workspace).flat_map(|log| &log.damages);
    found.map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn losses(done: &Repairs, workspace: &str) -> String {
    let found = done.logs.iter().filter(|log| log.workspace.as_str() == workspace).flat_map(|log| &log.missing);
    found.map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn log_that_only_its_second_mark_names_is_a_loss() {
    let whole = without_journal().await;
    let remove_content = |dir: &Path| {
        fs::read_dir(dir).unwrap().for_each(|entry| fs::remove_file(entry.unwrap().path()).unwrap());
    };
    let cases: [(&str, DamageTo); 3] = [
        ("missing", &|dir| fs::remove_dir_all(dir).unwrap()),
        ("empty", &remove_content),
        ("file", &|dir| {
            fs::remove_dir_all(dir).unwrap();
            fs::write(dir, "no directory").unwrap();
        }),
    ];
    for (case, damage) in cases {
        let scratch = whole.copied();
        damage(&scratch.path().join("log/w"));
        let found = damages(&scratch, "w");
        assert!(found.contains("missing: sequence numbers 1 to unknown, at least to 5"), "{case}: {found}");
        let done = repair(scratch.path(), NOW_MS).unwrap();
        assert_eq!(losses(&done, "w"), "sequence numbers 1 to unknown, at least to 5", "{case}: {done:?}");
        assert_eq!(losses(&done, "other"), "", "{case}: {done:?}");
        assert!(check(scratch.path()).unwrap().is_clean(), "{case}");
        let store = scratch.open();
        let head = store.event_log().head(&pass("w")).await.unwrap().expect("the workspace has a log again");
        assert!(head.next > 5, "{case}: no number is used twice");
        assert_eq!(events_in(&store, "other").await, 4, "{case}");
    }
}

#[tokio::test]
async fn folder_of_all_logs_is_lost_and_each_second_mark_is_a_loss() {
    let scratch = without_journal().await;
    fs::remove_dir_all(scratch.path().join("log")).unwrap();
    // A mark that is damaged says only that there was a log.
    fs::write(scratch.path().join("ends/other"), "").unwrap();
    let done = repair(scratch.path(), NOW_MS).unwrap();
    assert_eq!(losses(&done, "w"), "sequence numbers 1 to unknown, at least to 5", "{done:?}");
    assert_eq!(losses(&done, "other"), "sequence numbers 1 to unknown", "{done:?}");
    assert!(check(scratch.path()).unwrap().is_clean());
}

#[tokio::test]
async fn second_mark_of_a_deleted_log_is_no_loss() {
    let scratch = installation(5, 2).await;
    extend_workspace(&scratch, "other", 4, 1).await;
    let mark = scratch.path().join("ends/w");
    let left = fs::read(&mark).unwrap();
    let store = scratch.open();
    store.event_log().remove(&pass("w")).await.unwrap();
    store.meta_store().remove(&pass("w")).await.unwrap();
    store.close().await.unwrap();
    // As after a kill before the mark was removed.
    fs::write(&mark, left).unwrap();
    assert!(check(scratch.path()).unwrap().is_clean());
    drop(scratch.open());
    fs::remove_file(scratch.path().join("db/0.jnl")).unwrap();
    let done = repair(scratch.path(), NOW_MS).unwrap();
    assert_eq!(losses(&done, "w"), "", "log/DELETED has the log");
}

#[tokio::test]
async fn repair_of_a_log_that_only_its_second_mark_names_can_be_stopped_at_every_step() {
    let scratch = without_journal().await;
    fs::remove_dir_all(scratch.path().join("log/w")).unwrap();
    same_result_after_every_stop("ends", &scratch).await;
}

/// The folder of all logs is a copy from before the workspace was deleted and made again.
#[tokio::test]
async fn log_of_another_identity_than_its_second_mark_is_set_aside() {
    let scratch = installation(5, 2).await;
    let older = scratch.copied();
    let store = scratch.open();
    store.event_log().remove(&pass("w")).await.unwrap();
    store.close().await.unwrap();
    extend(&scratch, 7, 0).await;
    replace(&scratch, &older, &["log"]);
    fs::write(scratch.path().join("db/0.jnl"), "").unwrap();
    let whole = scratch.copied();
    let done = repair(scratch.path(), NOW_MS).unwrap();
    assert_eq!(losses(&done, "w"), "sequence numbers 1 to unknown, at least to 7", "{done:?}");
    let place = scratch.path().join(format!("damaged/w-{NOW_MS}"));
    let is_named = |doubt: &String| {
        doubt.contains("workspace w: ends/w knows another log") && doubt.contains(&place.display().to_string())
    };
    assert!(done.doubts.iter().any(is_named), "{:?}", done.doubts);
    assert!(check(scratch.path()).unwrap().is_clean());
    assert_eq!(events_of(&scratch.open()).await, 0, "the events of the deleted one are not back");
    // As the line says.
    for part in ["log/w", "ends/w", "db", "db.mark"] {
        fs::rename(scratch.path().join(part), older.path().join("aside")).unwrap();
        let aside = older.path().join("aside");
        if aside.is_dir() { fs::remove_dir_all(aside) } else { fs::remove_file(aside) }.unwrap();
    }
    fs::rename(&place, scratch.path().join("log/w")).unwrap();
    repair(scratch.path(), NOW_MS).unwrap();
    assert_eq!(events_of(&scratch.open()).await, 5);
    same_result_after_every_stop("other", &whole).await;
}

#[tokio::test]
async fn segment_of_another_log_is_not_believed_if_both_marks_name_the_own_one() {
    let scratch = without_journal().await;
    let foreign = installation(9, 0).await;
    fs::copy(foreign.path().join("log/w").join(SEGMENT), scratch.path().join("log/w").join(SEGMENT)).unwrap();
    let done = repair(scratch.path(), NOW_MS).unwrap();
    assert!(losses(&done, "w").starts_with("sequence numbers 1 to "), "{done:?}");
    assert_eq!(events_of(&scratch.open()).await, 0, "no event of the other log is there");
}
