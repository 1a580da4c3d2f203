//! Whole logs in wrong directories, foreign marks, and a database that is older than its logs.

use super::*;
use crate::repairs::steps;

/// A closed directory with events of workspaces `a` and `b`.
async fn two_logs() -> Scratch {
    let scratch = Scratch::new();
    extend_workspace(&scratch, "a", 10, 2).await;
    extend_workspace(&scratch, "b", 20, 2).await;
    scratch
}

fn log(scratch: &Scratch, workspace: &str) -> std::path::PathBuf {
    scratch.path().join("log").join(workspace)
}

fn refusal(scratch: &Scratch) -> String {
    EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err().expect("the start is refused").to_string()
}

/// All files of logs with their bytes.
fn logs(scratch: &Scratch) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = content(&scratch.path().join("log")).into_iter().map(|(path, bytes, ..)| (path, bytes));
    files.filter(|(path, _)| !path.ends_with("log/DATABASE") && !path.ends_with("log/DELETED")).collect()
}

/// Start, check and repair say all of `sentences`, and no log is changed.
fn all_refuse(scratch: &Scratch, sentences: &[String]) {
    let before = logs(scratch);
    let refusals = [
        refusal(scratch),
        check(scratch.path()).unwrap().refusal(scratch.path()).unwrap().to_string(),
        repair(scratch.path(), 5).unwrap_err().to_string(),
    ];
    for text in refusals {
        for sentence in sentences {
            assert!(text.contains(sentence), "{sentence:?} is missing in: {text}");
        }
        assert!(!text.contains("installation") && !text.contains("--repair"), "{text}");
    }
    assert!(logs(scratch) == before && !scratch.path().join("damaged").exists());
}

async fn both_are_whole(scratch: &Scratch) {
    let report = check(scratch.path()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let store = scratch.open();
    assert_eq!((events_in(&store, "a").await, events_in(&store, "b").await), (10, 20));
}

fn swap(one: &Path, other: &Path) {
    let aside = one.with_extension("aside");
    std::fs::rename(one, &aside).unwrap();
    std::fs::rename(other, one).unwrap();
    std::fs::rename(aside, other).unwrap();
}

#[tokio::test]
async fn swapped_logs_are_swapped_back() {
    let scratch = two_logs().await;
    let (a, b) = (log(&scratch, "a"), log(&scratch, "b"));
    swap(&a, &b);
    let sentence = |one: &Path, holds: &str, other: &Path, home: &str| {
        format!(
            "{}: it holds the log of workspace {holds}, and {} holds that of workspace {home}. The two directories \
             were swapped: swap their names back",
            one.display(),
            other.display()
        )
    };
    all_refuse(&scratch, &[sentence(&a, "b", &b, "a"), sentence(&b, "a", &a, "b")]);
    swap(&a, &b);
    both_are_whole(&scratch).await;
}

#[tokio::test]
async fn renamed_log_is_renamed_back() {
    for name in ["c", "a.old", "A"] {
        let scratch = two_logs().await;
        let (a, moved) = (log(&scratch, "a"), log(&scratch, name));
        std::fs::rename(&a, &moved).unwrap();
        let sentence = format!("{}: it holds the log of workspace a. Rename it to {}", moved.display(), a.display());
        all_refuse(&scratch, &[sentence]);
        std::fs::rename(&moved, &a).unwrap();
        both_are_whole(&scratch).await;
    }
}

#[tokio::test]
async fn copy_of_a_log_is_moved_out() {
    let scratch = two_logs().await;
    let copy = scratch.copied();
    std::fs::rename(log(&copy, "a"), log(&scratch, "c")).unwrap();
    let (a, c) = (log(&scratch, "a"), log(&scratch, "c"));
    let sentence = format!(
        "{0}: it holds a copy of the log of workspace a, up to event 10, and {1} holds that log up to event 10. Move \
         {0} out of",
        c.display(),
        a.display()
    );
    all_refuse(&scratch, &[sentence]);
    std::fs::rename(&c, log(&scratch, "~a")).unwrap();
    both_are_whole(&scratch).await;
}

#[tokio::test]
async fn newer_copy_of_a_log_takes_the_place_of_the_older_one() {
    let scratch = two_logs().await;
    let older = scratch.copied();
    extend_workspace(&scratch, "a", 3, 0).await;
    let (a, c) = (log(&scratch, "a"), log(&scratch, "c"));
    std::fs::rename(&a, &c).unwrap();
    std::fs::rename(log(&older, "a"), &a).unwrap();
    let text = refusal(&scratch);
    let advice =
        format!("Move {1} out of {0}, and rename {2} to {1}", a.parent().unwrap().display(), a.display(), c.display());
    assert!(text.contains("up to event 13") && text.contains(&advice), "{text}");
    std::fs::remove_dir_all(&a).unwrap();
    std::fs::rename(&c, &a).unwrap();
    assert_eq!(events_in(&scratch.open(), "a").await, 13);
}

#[tokio::test]
async fn log_that_replaced_another_one_names_its_own_place() {
    let scratch = two_logs().await;
    let (a, b) = (log(&scratch, "a"), log(&scratch, "b"));
    std::fs::rename(&b, scratch.path().join("b")).unwrap();
    std::fs::rename(&a, &b).unwrap();
    all_refuse(&scratch, &[format!("{}: it holds the log of workspace a. Rename it to {}", b.display(), a.display())]);
    std::fs::rename(&b, &a).unwrap();
    assert!(refusal(&scratch).contains("the directory of the log is missing"));
    std::fs::rename(scratch.path().join("b"), &b).unwrap();
    both_are_whole(&scratch).await;
}

#[tokio::test]
async fn log_of_another_installation_does_not_condemn_the_database() {
    let (scratch, other) = (two_logs().await, two_logs().await);
    replace(&scratch, &other, &["log/a"]);
    let texts = [refusal(&scratch), repair(scratch.path(), 5).unwrap_err().to_string()];
    for text in texts {
        assert!(text.contains("Another log is here, with 10 events in 1 segments"), "{text}");
        assert!(text.contains("move this one out of") && !text.contains("move db"), "{text}");
    }
    // As the refusal says.
    std::fs::rename(log(&scratch, "a"), scratch.path().join("a")).unwrap();
    repair(scratch.path(), 5).unwrap();
    let store = scratch.open();
    assert_eq!((events_in(&store, "a").await, events_in(&store, "b").await), (0, 20));
}

#[tokio::test]
async fn foreign_mark_of_a_log_costs_no_event() {
    let (scratch, other) = (two_logs().await, two_logs().await);
    for (source, with_database) in [(&other, true), (&scratch, true), (&scratch, false)] {
        let damaged = scratch.copied();
        std::fs::copy(log(source, "b").join("MARK"), log(&damaged, "a").join("MARK")).unwrap();
        if with_database {
            let text = refusal(&damaged);
            assert!(text.contains("MARK: it belongs to another log"), "{text}");
        } else {
            std::fs::remove_dir_all(damaged.path().join("db")).unwrap();
        }
        repair(damaged.path(), 5).unwrap();
        both_are_whole(&damaged).await;
    }
}

#[tokio::test]
async fn foreign_mark_of_the_database_alone_is_written_again() {
    let (scratch, other) = (two_logs().await, two_logs().await);
    for name in ["db.mark", "log/DATABASE"] {
        let damaged = scratch.copied();
        replace(&damaged, &other, &[name]);
        let text = refusal(&damaged);
        assert!(text.contains(&format!("{name}: it is the mark of another database")), "{text}");
        assert!(text.contains("--repair"), "{text}");
        let done = repair(damaged.path(), 5).unwrap();
        assert!(
            done.database.iter().any(|finding| finding.damage.contains("its marks were written again")),
            "{done:?}"
        );
        assert!(!damaged.path().join("damaged").exists());
        both_are_whole(&damaged).await;
    }
}

#[tokio::test]
async fn flipped_format_file_is_damage_and_written_again() {
    let scratch = two_logs().await;
    let format = scratch.path().join("FORMAT");
    let whole = std::fs::read(&format).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&format, &bytes).unwrap();
        match EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()) {
            // White space around the text has no meaning.
            Ok(_) => assert_eq!(String::from_utf8(bytes).unwrap().trim(), "earcon 1"),
            Err(OpenError::Damaged { reason, .. }) => assert!(reason.contains("FORMAT file"), "bit {bit}: {reason}"),
            Err(other) => panic!("bit {bit}: {other}"),
        }
    }
    std::fs::write(&format, "earcon 3\n").unwrap();
    let text = refusal(&scratch);
    assert!(text.contains("its FORMAT file reads \"earcon 3\", but its marks are of format 1"), "{text}");
    repair(scratch.path(), 5).unwrap();
    both_are_whole(&scratch).await;
}

#[tokio::test]
async fn older_database_with_both_marks_is_noticed_by_the_marks_of_the_logs() {
    for is_closed in [true, false] {
        let scratch = installation(5, 4).await;
        let older = scratch.copied();
        let scratch = if is_closed {
            extend(&scratch, 0, 3).await;
            scratch
        } else {
            let store = scratch.open();
            let (log, meta) = (store.event_log(), store.meta_store());
            for number in 0..3 {
                meta.put(&pass("w"), &format!("later-{number}"), 0, vec![1]).await.unwrap();
            }
            let next = log.open(&pass("w")).await.unwrap().next;
            let event = Event::new(next, 0, KpiName::new("k").unwrap(), KpiEvent::Resumed);
            log.append(&pass("w"), vec![Arc::new(event)]).await.unwrap();
            scratch.copied()
        };
        replace(&scratch, &older, &["db", "db.mark", "log/DATABASE"]);
        let text = refusal(&scratch);
        assert!(text.contains("the database is older than the logs: a mark of a log in"), "{text}");
        assert!(text.contains("the last 3 commits of the settings are lost"), "{text}");
        assert!(text.contains("put back the newer db and db.mark"), "{text}");
        repair(scratch.path(), 5).unwrap();
        let store = scratch.open();
        assert_eq!(store.meta_store().list(&pass("w"), "", None, 100).await.unwrap().len(), 4);
        assert_eq!(events_of(&store).await, if is_closed { 5 } else { 6 });
        drop(store);
        replace(&scratch, &older, &["db", "db.mark", "log/DATABASE"]);
        assert!(refusal(&scratch).contains("the database is older than the logs"), "the same copy is noticed again");
    }
}

/// Nothing is synced besides the appends, as between two watermarks. Also the whole folder of logs
/// may be the older one.
#[tokio::test]
async fn older_copy_of_a_log_is_refused_from_its_first_missing_event_on() {
    for parts in [&["log/w"][..], &["log"]] {
        let scratch = installation(5, 1).await;
        let store = scratch.open();
        let log = store.event_log();
        let next = log.open(&pass("w")).await.unwrap().next;
        let event = |seq| Arc::new(Event::new(seq, 0, KpiName::new("k").unwrap(), KpiEvent::Resumed));
        log.append(&pass("w"), vec![event(next)]).await.unwrap();
        let older = scratch.copied();
        for seq in next + 1..next + 4 {
            log.append(&pass("w"), vec![event(seq)]).await.unwrap();
        }
        // As after a kill.
        let mixed = scratch.copied();
        replace(&mixed, &older, parts);
        let text = refusal(&mixed);
        assert!(text.contains("missing: sequence numbers 7 to unknown, at least to 9"), "{parts:?}: {text}");
        assert!(text.contains("If an older copy of the log was put here, put back the newer one"), "{text}");
        let report = check(mixed.path()).unwrap();
        assert!(report.logs[0].damages.iter().any(|damage| text.contains(&damage.to_string())), "{report:?}");
        let done = repair(mixed.path(), 5).unwrap();
        assert!(done.logs[0].missing[0].to_string().starts_with("sequence numbers 7 to unknown"), "{done:?}");
        let store = mixed.open();
        assert_eq!(events_of(&store).await, 6);
        assert!(store.event_log().open(&pass("w")).await.unwrap().next > 9, "no number is used twice");
    }
}

/// Damages the mark at a path; the other one is that of another log.
type DamageOfMark = fn(&Path, &Path);

#[tokio::test]
async fn second_mark_that_is_lost_foreign_or_no_file_is_named_and_written_again() {
    let whole = two_logs().await;
    let end = |scratch: &Scratch, name: &str| scratch.path().join("ends").join(name);
    let damages: [(&str, DamageOfMark); 4] = [
        ("it is missing", |path, _| std::fs::remove_file(path).unwrap()),
        ("neither of its two records is valid", |path, _| std::fs::write(path, "no mark").unwrap()),
        ("it belongs to another log", |path, other| std::fs::write(path, std::fs::read(other).unwrap()).unwrap()),
        ("it cannot be read", |path, _| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        }),
    ];
    for (sentence, damage) in damages {
        let scratch = whole.copied();
        damage(&end(&scratch, "a"), &end(&scratch, "b"));
        let text = refusal(&scratch);
        assert!(text.contains(&format!("{}: {sentence}", end(&scratch, "a").display())), "{text}");
        let done = repair(scratch.path(), 5).unwrap();
        assert!(done.logs.len() == 1 && done.logs[0].missing.is_empty(), "{done:?}");
        both_are_whole(&scratch).await;
    }
    let scratch = whole.copied();
    std::fs::remove_dir_all(scratch.path().join("ends")).unwrap();
    std::fs::write(scratch.path().join("ends"), "no folder").unwrap();
    assert!(refusal(&scratch).contains("it cannot be read"));
    repair(scratch.path(), 5).unwrap();
    both_are_whole(&scratch).await;
}

fn segment(scratch: &Scratch, workspace: &str) -> std::path::PathBuf {
    log(scratch, workspace).join("00000000000000000001.seg")
}

/// Directories with exchanged segment files, which are whole: only segment, or also a file of
/// another name, or only one of them moved.
fn exchanged(scratch: &Scratch, kind: usize) {
    let (a, b) = (segment(scratch, "a"), segment(scratch, "b"));
    match kind {
        0 => swap(&a, &b),
        1 => std::fs::rename(&a, b.with_file_name("7.seg")).unwrap(),
        _ => {
            std::fs::rename(&a, b.with_file_name("00000000000000000002.seg")).unwrap();
            std::fs::rename(&b, a.with_file_name("b.seg")).unwrap();
        }
    }
}

#[tokio::test]
async fn segments_in_directories_of_other_logs_are_moved_back() {
    let whole = two_logs().await;
    for kind in 0..3 {
        let scratch = whole.copied();
        exchanged(&scratch, kind);
        let text = refusal(&scratch);
        assert!(text.contains("--repair") && !text.contains("swap their names"), "{kind}: {text}");
        let report = check(scratch.path()).unwrap();
        let damages: Vec<&Damage> = report.logs.iter().flat_map(|log| &log.damages).collect();
        assert!(damages.iter().all(|damage| damage.missing.is_none()), "{kind}: nothing is missing: {damages:?}");
        assert!(damages.iter().any(|damage| damage.what.contains("a repair moves it back")), "{kind}: {damages:?}");
        let done = repair(scratch.path(), 5).unwrap();
        assert!(done.logs.iter().all(|log| log.missing.is_empty()), "{kind}: {done:?}");
        assert!(done.logs.iter().all(|log| !log.damages.is_empty()), "{kind}: {done:?}");
        both_are_whole(&scratch).await;
    }
}

/// The log whose segment was copied is whole, so it is not touched.
#[tokio::test]
async fn copy_of_a_segment_in_another_log_is_kept_aside() {
    let scratch = two_logs().await;
    let copy = log(&scratch, "b").join("00000000000000000002.seg");
    std::fs::copy(segment(&scratch, "a"), &copy).unwrap();
    let bytes = std::fs::read(&copy).unwrap();
    let done = repair(scratch.path(), 5).unwrap();
    assert_eq!(done.logs.iter().map(|log| log.workspace.as_str()).collect::<Vec<_>>(), ["b"]);
    both_are_whole(&scratch).await;
    let kept = content(&log(&scratch, "b").join("damaged"));
    assert!(kept.iter().any(|(_, kept, ..)| *kept == bytes), "the copy is kept");
}

#[tokio::test]
async fn file_with_the_extension_of_a_segment_is_named() {
    let scratch = two_logs().await;
    for (name, sentence) in [("7.seg", "The file has no valid header"), ("x.seg", "The file has no valid header")] {
        std::fs::write(log(&scratch, "a").join(name), "a letter").unwrap();
        let text = refusal(&scratch);
        assert!(
            text.contains(&format!("{name}: no segment has this name; names have 20 digits. {sentence}")),
            "{text}"
        );
        repair(scratch.path(), 5).unwrap();
        both_are_whole(&scratch).await;
        assert_eq!(std::fs::read_to_string(log(&scratch, "a").join(format!("damaged/{name}-5"))).unwrap(), "a letter");
    }
}

#[tokio::test]
async fn repair_that_moves_segments_back_can_be_stopped_at_every_step() {
    let whole = two_logs().await;
    for kind in 0..3 {
        let original = whole.copied();
        exchanged(&original, kind);
        let lines = |done: &Repairs, scratch: &Scratch| {
            let text = |log: &Repaired| {
                let record = std::fs::read_to_string(&log.record).unwrap();
                let record = record.replace(scratch.path().to_str().unwrap(), "DIR");
                (log.workspace.clone(), record.split_once('\n').unwrap().1.to_owned())
            };
            done.logs.iter().map(text).collect::<Vec<_>>()
        };
        let undisturbed = original.copied();
        let mut expected = lines(&repair(undisturbed.path(), 5).unwrap(), &undisturbed);
        expected.sort();
        for count in 0.. {
            let scratch = original.copied();
            steps::stop_after(Some(count));
            let is_stopped = repair(scratch.path(), 5).is_err();
            steps::stop_after(None);
            if !is_stopped {
                assert!(count > 10, "{kind}: {count} steps");
                break;
            }
            assert!(EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).is_err(), "{kind}: {count}");
            let done = repair(scratch.path(), 5).unwrap();
            both_are_whole(&scratch).await;
            // A log whose repair had ended is not repaired again.
            let found = lines(&done, &scratch);
            assert!(found.iter().all(|line| expected.contains(line)), "{kind}: {count}: {found:?} {expected:?}");
        }
    }
}
