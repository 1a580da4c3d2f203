//! Chosen damages, and the sentences about them.

use std::fs::OpenOptions;
use std::path::Path;

use super::super::table::{TABLES, folder};
use super::fixture::{Ended, answers, directory, open, paths};
use crate::OpenError;
use crate::database::{accept_loss, check};
use crate::tests::{Scratch, pass};
use earcon_model::KpiName;
use earcon_ports::Snapshot;

fn refusal(dir: &Path) -> String {
    match open(dir) {
        Err(error @ OpenError::Damaged { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the directory was opened"),
    }
}

/// A path in the keyspace of the settings.
fn settings(part: &str) -> String {
    let code = TABLES.iter().position(|(name, _)| *name == "meta").unwrap();
    format!("db/keyspaces/{}/{part}", folder(code))
}

#[tokio::test]
async fn whole_directories_open_and_need_no_doctor() {
    for ended in [Ended::Closed, Ended::Dropped, Ended::Killed] {
        let scratch = directory(ended).await;
        let before = paths(scratch.path());
        assert_eq!(check(scratch.path()).unwrap(), [], "{ended:?}");
        assert_eq!(accept_loss(scratch.path()).unwrap(), [], "{ended:?}");
        assert_eq!(paths(scratch.path()), before, "{ended:?}: the doctor leaves nothing behind");
        for _ in 0..2 {
            let store = open(scratch.path()).unwrap();
            let found = answers(&store).await;
            assert!(found.is_whole(), "{ended:?}: {found:?}");
        }
    }
}

#[tokio::test]
async fn lost_end_of_the_journal_is_counted_and_stays_refused() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let meta = store.meta_store();
    for i in 0..10 {
        meta.put(&pass("w"), &format!("k{i}"), 0, vec![1; 100]).await.unwrap();
    }
    let killed = scratch.copied();
    let journal = killed.path().join("db/0.jnl");
    let written = super::super::journal::read(&journal).unwrap().len();
    let commit = 400;
    OpenOptions::new().write(true).open(&journal).unwrap().set_len((written - commit) as u64).unwrap();
    for _ in 0..2 {
        let text = refusal(killed.path());
        assert!(text.contains("0.jnl: the last ") && text.contains("commits of the settings are lost"), "{text}");
        let doctor = format!("earcon doctor --data {} --repair", killed.path().display());
        assert!(text.contains(&doctor), "{text}");
    }
    let lost = accept_loss(killed.path()).unwrap();
    assert!(lost.iter().any(|finding| finding.damage.contains("records of the settings were kept")), "{lost:?}");
    let store = open(killed.path()).unwrap();
    let kept = store.meta_store().list(&pass("w"), "", None, 100).await.unwrap();
    assert!((7..10).contains(&kept.len()), "{} of 10", kept.len());
    assert!(killed.path().join("damaged/1/db/0.jnl").exists(), "the damaged journal is kept");
    store.meta_store().put(&pass("w"), "later", 0, vec![2]).await.unwrap();
    drop(store);
    assert!(open(killed.path()).is_ok(), "a repaired directory is an ordinary one");
}

#[tokio::test]
async fn journal_that_was_put_back_to_an_earlier_day_is_refused() {
    let scratch = Scratch::new();
    let store = scratch.open();
    store.meta_store().put(&pass("w"), "a", 0, vec![1]).await.unwrap();
    let earlier = scratch.copied();
    store.meta_store().put(&pass("w"), "b", 0, vec![1]).await.unwrap();
    let killed = scratch.copied();
    std::fs::copy(earlier.path().join("db/0.jnl"), killed.path().join("db/0.jnl")).unwrap();
    let text = refusal(killed.path());
    assert!(text.contains("the last commit of the settings is lost"), "{text}");
}

#[tokio::test]
async fn database_or_mark_that_is_gone_is_refused() {
    let whole = directory(Ended::Closed).await;
    for (name, sentence) in [
        ("db", "db: the database is missing; the settings are lost, and the history from before"),
        ("db.mark", "db.mark: it is missing or not valid"),
        ("db/keyspaces", "the folder of all tables is missing"),
        (&settings("current"), "it is missing; the settings are lost"),
        ("db/version", "version: it is missing"),
    ] {
        let copy = whole.copied();
        let path = copy.path().join(name);
        if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) }.unwrap();
        let text = refusal(copy.path());
        assert!(text.contains(sentence), "{name}: {text}");
        assert!(!path.exists(), "{name} was created");
    }
    for journal in ["0.jnl", "1.jnl"] {
        let copy = whole.copied();
        std::fs::remove_file(copy.path().join("db").join(journal)).unwrap();
        let text = refusal(copy.path());
        assert!(text.contains("commit"), "{journal}: {text}");
    }
    let copy = whole.copied();
    for journal in paths(&copy.path().join("db")).iter().filter(|path| path.extension().is_some()) {
        std::fs::remove_file(journal).unwrap();
    }
    assert!(refusal(copy.path()).contains("no journal is there"));
}

#[tokio::test]
async fn repair_keeps_the_records_of_the_other_table_files() {
    let scratch = directory(Ended::Closed).await;
    let tables = scratch.path().join(settings("tables"));
    let files: Vec<_> = paths(&tables);
    assert!(files.len() > 1, "{files:?}");
    std::fs::remove_file(&files[0]).unwrap();
    let text = refusal(scratch.path());
    assert!(text.contains("it is missing; a part of the settings is lost"), "{text}");
    accept_loss(scratch.path()).unwrap();
    let store = open(scratch.path()).unwrap();
    let found = answers(&store).await;
    assert!(!found.missing.is_empty() && found.missing.len() < 60, "{found:?}");
    assert!(found.missing.iter().all(|record| record.contains("settings") || record.starts_with('k')), "{found:?}");
}

#[tokio::test]
async fn unknown_shapes_are_refused() {
    let whole = directory(Ended::Closed).await;
    for (name, is_folder) in [
        ("db/x.jnl", false),
        ("db/007.jnl", false),
        ("db/9.jnl", true),
        ("db/keyspaces/99", true),
        ("db/keyspaces/x", true),
        (&settings("tables/x"), false),
        (&settings("tables/77"), true),
    ] {
        let copy = whole.copied();
        let path = copy.path().join(name);
        if is_folder { std::fs::create_dir(&path) } else { std::fs::write(&path, "") }.unwrap();
        let text = refusal(copy.path());
        assert!(text.contains(&path.display().to_string()), "{name}: {text}");
    }
}

#[tokio::test]
async fn first_start_that_ended_anywhere_is_begun_again() {
    let scratch = Scratch::new();
    drop(scratch.open());
    let whole = paths(scratch.path());
    for keep in (0..=whole.len()).step_by(7) {
        let copy = scratch.copied();
        std::fs::write(copy.path().join("db.creating"), "").unwrap();
        for path in &whole[keep..] {
            let path = copy.path().join(path.strip_prefix(scratch.path()).unwrap());
            let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.unwrap_or_default();
        }
        let store = open(copy.path()).unwrap_or_else(|error| panic!("with {keep} files: {error}"));
        store.meta_store().put(&pass("w"), "k", 0, vec![1]).await.unwrap();
        assert!(!copy.path().join("db.creating").exists());
        drop(store);
        let store = open(copy.path()).unwrap();
        assert!(store.meta_store().get(&pass("w"), "k").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn file_of_an_unfinished_creation_deletes_no_commits() {
    let whole = directory(Ended::Closed).await;
    std::fs::write(whole.path().join("db.creating"), "").unwrap();
    let store = open(whole.path()).unwrap();
    assert!(answers(&store).await.is_whole());
    assert!(!whole.path().join("db.creating").exists());
}

#[tokio::test]
async fn torn_batch_that_was_not_acknowledged_is_cut() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let journal = |dir: &Path| dir.join("db/0.jnl");
    store.meta_store().put(&pass("w"), "a", 0, vec![1; 9]).await.unwrap();
    let marks = ["db.mark", "log/DATABASE"].map(|name| (name, std::fs::read(scratch.path().join(name)).unwrap()));
    let before = super::super::journal::read(&journal(scratch.path())).unwrap().len();
    store.meta_store().put(&pass("w"), "b", 0, vec![1; 90]).await.unwrap();
    let whole = super::super::journal::read(&journal(scratch.path())).unwrap();
    let killed = scratch.copied();
    for (cut, zeros) in (before + 1..whole.len()).step_by(17).flat_map(|cut| [(cut, 0), (cut, 900), (before, 900)]) {
        for (name, mark) in &marks {
            std::fs::write(killed.path().join(name), mark).unwrap();
        }
        // The bytes at the end can reach the disk before those in the middle.
        let mut bytes = whole[..cut].to_vec();
        bytes.resize(cut + zeros, 0);
        if cut == before {
            bytes.extend_from_slice(&whole[whole.len() - 20..]);
        }
        std::fs::write(journal(killed.path()), bytes).unwrap();
        let store = open(killed.path()).unwrap();
        let (a, b) = (store.meta_store().get(&pass("w"), "a").await, store.meta_store().get(&pass("w"), "b").await);
        assert!(a.unwrap().is_some() && b.unwrap().is_none(), "{cut} of {before}..{}", whole.len());
        store.meta_store().put(&pass("w"), "c", 0, vec![3]).await.unwrap();
        drop(store);
        assert!(open(killed.path()).unwrap().meta_store().get(&pass("w"), "c").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn commits_of_many_threads_and_large_journals_are_no_damage() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let mut writers = Vec::new();
    for writer in 0..4u64 {
        let (meta, snapshots) = (store.meta_store(), store.snapshot_store());
        writers.push(tokio::spawn(async move {
            for i in 0..60u64 {
                let kpi = KpiName::new(&format!("k{writer}.{i}")).unwrap();
                let size = if i % 8 == 0 { 6 << 20 } else { 10 };
                let state = (0..size).map(|byte: u64| ((byte * 31) >> 3) as u8).collect();
                snapshots.put(&pass("w"), Snapshot { kpi, part: 0, seq: i, state }).await.unwrap();
                meta.put(&pass("w"), &format!("{writer}-{i}"), 0, vec![1]).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    // Not a copy of the live directory: fjall's workers change files while a copy is made.
    drop(store);
    let store = open(scratch.path()).unwrap();
    assert_eq!(store.meta_store().list(&pass("w"), "", None, 1_000).await.unwrap().len(), 240);
    assert_eq!(store.snapshot_store().all(&pass("w")).await.unwrap().len(), 240);
    drop(store);
    assert_eq!(check(scratch.path()).unwrap(), []);
}

#[tokio::test]
async fn lost_format_file_is_written_again_by_a_repair() {
    let scratch = directory(Ended::Closed).await;
    std::fs::remove_file(scratch.path().join("FORMAT")).unwrap();
    assert!(refusal(scratch.path()).contains("no FORMAT file"));
    assert_eq!(check(scratch.path()).unwrap().len(), 1);
    assert_eq!(accept_loss(scratch.path()).unwrap().len(), 1);
    assert!(answers(&open(scratch.path()).unwrap()).await.is_whole());
    let nothing = tempfile::tempdir().unwrap();
    assert!(matches!(check(nothing.path()), Err(OpenError::NoData { .. })));
    assert!(matches!(accept_loss(nothing.path()), Err(OpenError::NoData { .. })));
    assert_eq!(std::fs::read_dir(nothing.path()).unwrap().count(), 0, "a check creates nothing");
}

#[tokio::test]
async fn database_that_was_restored_since_is_not_exchanged_by_an_old_repair() {
    let empty = Scratch::new();
    drop(empty.open());
    let scratch = directory(Ended::Closed).await;
    // As a repair leaves it that was killed just before the exchange.
    std::fs::rename(empty.path().join("db"), scratch.path().join("db.new")).unwrap();
    std::fs::rename(empty.path().join("db.mark"), scratch.path().join("db.mark.new")).unwrap();
    std::fs::create_dir(scratch.path().join("db.salvage")).unwrap();
    assert_eq!(accept_loss(scratch.path()).unwrap(), []);
    for left in ["db.new", "db.mark.new", "db.salvage", "damaged"] {
        assert!(!scratch.path().join(left).exists(), "{left}");
    }
    assert!(answers(&open(scratch.path()).unwrap()).await.is_whole());
}

#[tokio::test]
async fn exchange_that_was_killed_is_ended() {
    for moved in [&["db"][..], &["db", "db.mark"]] {
        let new = directory(Ended::Closed).await;
        let scratch = Scratch::new();
        drop(scratch.open());
        std::fs::rename(new.path().join("db"), scratch.path().join("db.new")).unwrap();
        std::fs::rename(new.path().join("db.mark"), scratch.path().join("db.mark.new")).unwrap();
        for name in moved {
            let path = scratch.path().join(name);
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
        }
        assert_eq!(accept_loss(scratch.path()).unwrap(), [], "{moved:?}");
        assert!(answers(&open(scratch.path()).unwrap()).await.is_whole(), "{moved:?}");
    }
}
