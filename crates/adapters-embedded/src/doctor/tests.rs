//! Directories that were mixed, moved or made read-only, and what the doctor says of them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::EmbeddedStore;
use crate::event_log::repair::Repaired;
use crate::settings::EmbeddedSettings;
use crate::tests::{Scratch, pass};
use earcon_model::{Event, KpiEvent, KpiName, Seq};

mod deletions;
mod ends;
mod interrupted;
mod older_copies;
mod places;
mod plain_files;
mod random;
mod remade;

/// A closed directory with events and settings of workspace `w`.
async fn installation(events: Seq, settings: u64) -> Scratch {
    let scratch = Scratch::new();
    extend(&scratch, events, settings).await;
    scratch
}

async fn extend(scratch: &Scratch, events: Seq, settings: u64) {
    extend_workspace(scratch, "w", events, settings).await;
}

async fn extend_workspace(scratch: &Scratch, workspace: &str, events: Seq, settings: u64) {
    let store = scratch.open();
    let (log, meta) = (store.event_log(), store.meta_store());
    let pass = pass(workspace);
    let from = log.open(&pass).await.unwrap().next;
    let kpi = KpiName::new("k").unwrap();
    let new = (from..from + events).map(|seq| Arc::new(Event::new(seq, 0, kpi.clone(), KpiEvent::Resumed)));
    log.append(&pass, new.collect()).await.unwrap();
    for number in 0..settings {
        meta.put(&pass, &format!("{from}-{number}"), 0, vec![1]).await.unwrap();
    }
    drop((log, meta));
    store.close().await.unwrap();
}

async fn events_of(store: &EmbeddedStore) -> usize {
    events_in(store, "w").await
}

async fn events_in(store: &EmbeddedStore, workspace: &str) -> usize {
    store.event_log().read(&pass(workspace), 0, usize::MAX).await.unwrap().events.len()
}

/// Puts parts of one directory in the place of those of another.
fn replace(to: &Scratch, from: &Scratch, names: &[&str]) {
    let copy = from.copied();
    for name in names {
        let target = to.path().join(name);
        if target.is_dir() { std::fs::remove_dir_all(&target) } else { std::fs::remove_file(&target) }.unwrap();
        std::fs::rename(copy.path().join(name), target).unwrap();
    }
}

/// All files with their bytes, times and modes.
fn content(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>, std::time::SystemTime, u32)> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.metadata().unwrap();
            let bytes = if path.is_dir() { Vec::new() } else { std::fs::read(&path).unwrap() };
            found.push((path.clone(), bytes, metadata.modified().unwrap(), metadata.permissions().mode()));
            if path.is_dir() {
                waiting.push(path);
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn database_of_another_installation_is_refused_and_nothing_is_moved() {
    let other = installation(10, 3).await;
    for names in [&["db"][..], &["db", "db.mark"], &["db", "db.mark", "log/DATABASE"]] {
        let scratch = installation(30, 3).await;
        replace(&scratch, &other, names);
        let before = content(scratch.path());
        let started = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err();
        let Some(OpenError::Foreign { reason, .. }) = &started else { panic!("{names:?}: {started:?}") };
        assert!(reason.contains("another"), "{names:?}: {reason}");
        assert!(check(scratch.path()).unwrap().refusal(scratch.path()).is_some(), "{names:?}");
        let refusal = repair(scratch.path(), 5).unwrap_err();
        let text = refusal.to_string();
        assert!(matches!(refusal, OpenError::Foreign { .. }), "{names:?}: {text}");
        assert!(text.contains("30 events in 1 segments") && text.contains("Put back the db"), "{names:?}: {text}");
        let changed: Vec<_> = content(scratch.path()).into_iter().filter(|file| !before.contains(file)).collect();
        let is_log = |path: &Path| path.starts_with(scratch.path().join("log/w"));
        assert!(changed.iter().all(|(path, ..)| !is_log(path)), "{names:?}: {changed:?}");
        assert!(!scratch.path().join("damaged").exists() && !scratch.path().join("log/w/damaged").exists());
    }
}

/// Its commit numbers end before those of the marks, so they must not count as lost commits.
#[tokio::test]
async fn smaller_database_of_another_installation_is_refused_too() {
    let other = installation(1, 1).await;
    let scratch = installation(300, 60).await;
    replace(&scratch, &other, &["db"]);
    let started = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err();
    assert!(matches!(started, Some(OpenError::Foreign { .. })), "{started:?}");
    assert!(check(scratch.path()).unwrap().refusal(scratch.path()).is_some());
    assert!(matches!(repair(scratch.path(), 5), Err(OpenError::Foreign { .. })));
    assert!(!scratch.path().join("damaged").exists() && !scratch.path().join("log/w/damaged").exists());
}

#[tokio::test]
async fn logs_without_their_database_are_kept_whole() {
    let other = installation(10, 3).await;
    let scratch = installation(30, 3).await;
    replace(&scratch, &other, &["db", "db.mark"]);
    // As the refusal says.
    std::fs::remove_dir_all(scratch.path().join("db")).unwrap();
    std::fs::remove_file(scratch.path().join("db.mark")).unwrap();
    let repairs = repair(scratch.path(), 5).unwrap();
    assert_eq!(repairs.logs.len(), 1);
    assert_eq!(repairs.logs[0].missing, [], "no event is lost");
    assert!(check(scratch.path()).unwrap().is_clean());
    assert_eq!(events_of(&scratch.open()).await, 30);
}

#[tokio::test]
async fn older_database_next_to_newer_logs_is_refused_with_the_lost_commits() {
    let scratch = installation(5, 4).await;
    let older = scratch.copied();
    extend(&scratch, 5, 3).await;
    replace(&scratch, &older, &["db", "db.mark"]);
    let refusal = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err();
    let Some(OpenError::Damaged { reason, .. }) = &refusal else { panic!("{refusal:?}") };
    assert!(reason.contains("the database is older than the logs"), "{reason}");
    assert!(reason.contains("log/DATABASE") && reason.contains("put back the newer db and db.mark"), "{reason}");
    assert!(reason.contains("the last 3 commits of the settings are lost"), "{reason}");
    let report = check(scratch.path()).unwrap();
    assert!(!report.is_clean() && report.logs[0].damages.is_empty(), "{report:?}");
    repair(scratch.path(), 5).unwrap();
    let store = scratch.open();
    assert_eq!(events_of(&store).await, 10, "the logs are whole");
    assert_eq!(store.meta_store().list(&pass("w"), "", None, 100).await.unwrap().len(), 4);
    drop(store);
    replace(&scratch, &older, &["db", "db.mark"]);
    let again = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err();
    assert!(matches!(again, Some(OpenError::Damaged { .. })), "the same copy is noticed after a repair too");
}

/// Foreign logs came with the mark of their database.
#[tokio::test]
async fn foreign_log_with_its_database_mark_costs_no_settings() {
    for name in ["foreign", "w"] {
        let scratch = installation(5, 4).await;
        let other = Scratch::new();
        extend_workspace(&other, name, 7, 1).await;
        let copy = other.copied();
        std::fs::rename(copy.path().join("log/DATABASE"), scratch.path().join("log/DATABASE")).unwrap();
        let place = scratch.path().join("log").join(name);
        let aside = scratch.path().join("aside");
        if place.exists() {
            std::fs::rename(&place, &aside).unwrap();
        }
        std::fs::rename(copy.path().join("log").join(name), &place).unwrap();
        let refusal = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err().unwrap().to_string();
        if name == "w" {
            // As the refusal says.
            assert!(refusal.contains("move these and log/DATABASE out"), "{refusal}");
            std::fs::remove_dir_all(&place).unwrap();
            std::fs::remove_file(scratch.path().join("log/DATABASE")).unwrap();
            std::fs::rename(&aside, &place).unwrap();
        }
        repair(scratch.path(), 5).unwrap_or_else(|error| panic!("{name}: {error}"));
        let store = scratch.open();
        assert_eq!(store.meta_store().list(&pass("w"), "", None, 100).await.unwrap().len(), 4, "{name}");
        assert_eq!(events_of(&store).await, 5, "{name}");
        if name == "foreign" {
            assert_eq!(events_in(&store, "foreign").await, 7, "the other log is kept");
        }
    }
}

#[tokio::test]
async fn file_in_the_place_of_all_logs_is_named_and_set_aside() {
    let scratch = installation(5, 4).await;
    std::fs::remove_dir_all(scratch.path().join("log")).unwrap();
    std::fs::write(scratch.path().join("log"), "no directory").unwrap();
    let refusal = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err();
    let Some(OpenError::Damaged { reason, .. }) = &refusal else { panic!("{refusal:?}") };
    let place = scratch.path().join("log").display().to_string();
    assert!(reason.contains(&format!("{place}: it is a file and no directory")), "{reason}");
    let repairs = repair(scratch.path(), 5).unwrap();
    assert!(repairs.logs[0].missing[0].to_string().contains("to unknown"), "{:?}", repairs.logs);
    assert_eq!(std::fs::read_to_string(scratch.path().join("damaged/1/log")).unwrap(), "no directory");
    let store = scratch.open();
    assert_eq!(store.meta_store().list(&pass("w"), "", None, 100).await.unwrap().len(), 4);
}

#[tokio::test]
async fn stray_journal_is_named_and_costs_nothing() {
    let scratch = installation(5, 4).await;
    let stray = scratch.path().join("db/copy of 0.jnl");
    std::fs::copy(scratch.path().join("db/0.jnl"), &stray).unwrap();
    let refusal = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err().unwrap().to_string();
    assert!(refusal.contains(&stray.display().to_string()) && refusal.contains("not of this database"), "{refusal}");
    let repairs = repair(scratch.path(), 5).unwrap();
    assert!(repairs.database.iter().any(|finding| finding.damage.contains("settings were kept, none is lost")));
    assert!(!stray.exists());
    assert_eq!(scratch.open().meta_store().list(&pass("w"), "", None, 100).await.unwrap().len(), 4);
}

#[tokio::test]
async fn consistent_copy_of_the_whole_directory_is_opened() {
    let scratch = installation(5, 4).await;
    let older = scratch.copied();
    extend(&scratch, 5, 3).await;
    assert!(check(older.path()).unwrap().is_clean());
    assert_eq!(events_of(&older.open()).await, 5);
}

#[tokio::test]
async fn mark_among_the_logs_that_is_gone_is_refused_and_written_again() {
    let scratch = installation(5, 4).await;
    std::fs::remove_file(scratch.path().join("log/DATABASE")).unwrap();
    let refusal = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err().unwrap().to_string();
    assert!(refusal.contains("log/DATABASE: it is missing"), "{refusal}");
    repair(scratch.path(), 5).unwrap();
    let store = scratch.open();
    assert_eq!(store.meta_store().list(&pass("w"), "", None, 100).await.unwrap().len(), 4);
    assert_eq!(events_of(&store).await, 5);
}

#[tokio::test]
async fn damaged_database_says_nothing_about_whole_logs() {
    let whole = installation(5, 4).await;
    for damage in ["db", "db.mark", "db/version", "db/keyspaces/2/current", "db/0.jnl", "FORMAT"] {
        let copy = whole.copied();
        let path = copy.path().join(damage);
        if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) }.unwrap();
        let report = check(copy.path()).unwrap();
        assert!(!report.database.is_empty(), "{damage}");
        assert_eq!(report.logs[0].damages, [], "{damage}");
        assert_eq!(report.logs[0].events, 5, "{damage}");
        repair(copy.path(), 5).unwrap();
        assert_eq!(events_of(&copy.open()).await, 5, "{damage}");
    }
    // One flipped bit at the beginning of the journal: nothing says that all commits are lost.
    let journal = whole.path().join("db/0.jnl");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[900] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let found: Vec<String> = check(whole.path()).unwrap().database.iter().map(ToString::to_string).collect();
    assert!(found.len() == 1 && found[0].contains("acknowledged commits are behind it"), "{found:?}");
}

#[tokio::test]
async fn check_writes_nothing() {
    let whole = installation(30, 3).await;
    let damaged = whole.copied();
    std::fs::remove_file(damaged.path().join("db/version")).unwrap();
    for scratch in [&whole, &damaged] {
        let before = content(scratch.path());
        check(scratch.path()).unwrap();
        assert_eq!(content(scratch.path()), before);
    }
}

#[test]
fn directory_without_data_is_neither_damaged_nor_repaired() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    for path in [dir.path().to_owned(), dir.path().join("mistyped")] {
        for error in [check(&path).unwrap_err(), repair(&path, 5).unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains("holds no Earcon data") && !text.contains("--repair"), "{text}");
        }
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is created");
}

/// The lock file names the process; all other bytes stay.
#[tokio::test]
async fn refused_start_changes_no_byte() {
    let whole = installation(30, 3).await;
    extend_workspace(&whole, "other", 4, 1).await;
    let segment = |scratch: &Scratch| scratch.path().join("log/w/00000000000000000001.seg");
    let flip = |scratch: &Scratch| {
        let mut bytes = std::fs::read(segment(scratch)).unwrap();
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes[last - 50] ^= 1;
        std::fs::write(segment(scratch), bytes).unwrap();
    };
    let damages: [&dyn Fn(&Scratch); 5] = [
        &flip,
        &|scratch| std::fs::remove_dir_all(scratch.path().join("log/w")).unwrap(),
        &|scratch| std::fs::remove_file(scratch.path().join("log/w/MARK")).unwrap(),
        &|scratch| std::fs::rename(scratch.path().join("log/w"), scratch.path().join("log/v")).unwrap(),
        // A deletion was interrupted, and another log is damaged.
        &|scratch| {
            std::fs::rename(scratch.path().join("log/other"), scratch.path().join("log/.deleted-other")).unwrap();
            flip(scratch);
        },
    ];
    let files = |scratch: &Scratch| {
        let all = content(scratch.path()).into_iter().filter(|(path, ..)| !path.ends_with("LOCK"));
        all.map(|(path, bytes, ..)| (path, bytes)).collect::<Vec<_>>()
    };
    for (at, damage) in damages.into_iter().enumerate() {
        let scratch = whole.copied();
        damage(&scratch);
        let before = files(&scratch);
        assert!(EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).is_err(), "{at}");
        let after = files(&scratch);
        let names = |list: &[(std::path::PathBuf, _)]| list.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        let new: Vec<_> = names(&after).into_iter().filter(|path| !names(&before).contains(path)).collect();
        assert!(new.is_empty() && before.len() == after.len(), "{at}: {new:?}");
        let changed = after.iter().zip(&before).find(|(one, other)| one.1 != other.1).map(|(one, _)| &one.0);
        assert_eq!(changed, None, "{at}");
    }
}

#[tokio::test]
async fn unreadable_sector_of_the_journal_is_damage_that_a_repair_passes() {
    let whole = installation(5, 0).await;
    extend(&whole, 0, 60).await;
    let used = crate::database::written_bytes(&whole.path().join("db/0.jnl")).unwrap().len() as u64;
    assert!(used > 3 * 4_096, "{used}");
    let mut lost = 0;
    for page in 0..used / 4_096 {
        let scratch = whole.copied();
        let journal = scratch.path().join("db/0.jnl");
        crate::database::make_unreadable(&journal, page * 4_096..page * 4_096 + 512);
        let text = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).err().unwrap().to_string();
        let sentence = format!("the journal cannot be read from the disk at byte {}", page * 4_096);
        assert!(text.contains(&sentence) && text.contains("--repair"), "{text}");
        assert!(check(scratch.path()).unwrap().database.iter().any(|finding| finding.damage.contains(&sentence)));
        let done = repair(scratch.path(), 5).unwrap();
        let store = scratch.open();
        assert_eq!(events_of(&store).await, 5);
        let kept = store.meta_store().list(&pass("w"), "", None, 100).await.unwrap().len();
        let is_named = done.database.iter().any(|finding| finding.damage.contains("of the settings are lost"));
        assert!(kept == 60 || is_named, "{kept}: {done:?}");
        assert!(kept > 0, "commits outside of the sector are kept");
        lost += 60 - kept;
    }
    assert!(lost > 0);
}
