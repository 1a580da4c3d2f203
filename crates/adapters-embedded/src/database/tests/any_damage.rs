//! Any damage of the database alone: files and folders swapped, renamed, copied, moved, cut, zeroed
//! and removed, several at a time. After a repair, the directory starts and holds all that is
//! whole, and the report names the losses.

use std::fs;
use std::path::{Path, PathBuf};

use super::fixture::{Answers, Ended, answers, directory, open, paths, shown};
use super::random_damage::Chance;
use crate::doctor::{check, repair};
use crate::tests::Scratch;

/// How many cases; `EARCON_DAMAGES` sets another number, `EARCON_DAMAGE_SEED` tries one alone.
const CASES: u64 = 64;

/// Swaps two files or folders.
fn swap(one: &Path, other: &Path) {
    if one == other || one.starts_with(other) || other.starts_with(one) {
        return;
    }
    let aside = one.with_extension("aside");
    fs::rename(one, &aside).unwrap();
    fs::rename(other, one).unwrap();
    fs::rename(&aside, other).unwrap();
}

/// Files and folders of the database.
struct Parts {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Parts {
    fn of(dir: &Path) -> Self {
        let all = paths(&dir.join("db")).into_iter().filter(|path| !path.ends_with("lock"));
        let (folders, files) = all.partition(|path| path.is_dir());
        Self { files, folders }
    }

    /// Files of one kind, so that a swap makes sense.
    fn of_kind(&self, chance: &mut Chance) -> Vec<&PathBuf> {
        let kind = chance.below(4);
        let is_of_kind = |path: &&PathBuf| match kind {
            0 => path.extension().is_some_and(|extension| extension == "jnl"),
            1 => path.parent().is_some_and(|parent| parent.ends_with("tables")),
            2 => path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('v')),
            _ => path.ends_with("current"),
        };
        self.files.iter().filter(is_of_kind).collect()
    }
}

/// A damage that leaves every byte somewhere below `db`. Returns it in words.
fn misplace(dir: &Path, chance: &mut Chance) -> String {
    let parts = Parts::of(dir);
    let tables: Vec<&PathBuf> =
        parts.files.iter().filter(|path| path.parent().is_some_and(|parent| parent.ends_with("tables"))).collect();
    let keyspaces: Vec<&PathBuf> =
        parts.folders.iter().filter(|path| path.parent().is_some_and(|parent| parent.ends_with("keyspaces"))).collect();
    let journals: Vec<&PathBuf> =
        parts.files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "jnl")).collect();
    match chance.below(7) {
        0 | 1 => {
            let (one, other) = (chance.of(&tables), chance.of(&tables));
            swap(one, other);
            format!("table files {} and {} swapped", shown(dir, one), shown(dir, other))
        }
        2 => {
            let (one, other) = (chance.of(&keyspaces), chance.of(&keyspaces));
            swap(one, other);
            format!("folders {} and {} swapped", shown(dir, one), shown(dir, other))
        }
        3 => {
            let (one, other) = (chance.of(&journals), chance.of(&journals));
            swap(one, other);
            format!("journals {} and {} swapped", shown(dir, one), shown(dir, other))
        }
        4 => {
            let from = chance.of(&tables);
            let to = from.with_file_name(chance.of(&["9999", "x", "1.bak"]));
            fs::rename(from, &to).unwrap();
            format!("{} renamed to {}", shown(dir, from), shown(dir, &to))
        }
        5 => {
            let from = chance.of(&keyspaces);
            let to = from.with_file_name(chance.of(&["77", "old"]));
            if !to.exists() {
                fs::rename(from, &to).unwrap();
            }
            format!("{} renamed to {}", shown(dir, from), shown(dir, &to))
        }
        _ => {
            let from = chance.of(&journals);
            let to = from.with_file_name(chance.of(&["x.jnl", "0.jnl.bak", "00.jnl"]));
            fs::rename(from, &to).unwrap();
            format!("{} renamed to {}", shown(dir, from), shown(dir, &to))
        }
    }
}

/// A damage that destroys bytes, or puts a copy over a file. Returns it in words.
fn destroy(dir: &Path, chance: &mut Chance) -> String {
    let parts = Parts::of(dir);
    let of_kind = parts.of_kind(chance);
    let path = if of_kind.is_empty() { &parts.files[0] } else { *chance.of(&of_kind) };
    let bytes = crate::database::written_bytes(path).unwrap();
    let at = chance.below(bytes.len() as u64) as usize;
    let what = match chance.below(7) {
        0 => {
            fs::remove_file(path).unwrap();
            "removed".to_owned()
        }
        1 => {
            fs::write(path, &bytes[..at]).unwrap();
            format!("cut to {at} bytes")
        }
        2 => {
            let start = at / 4_096 * 4_096;
            let mut bytes = bytes;
            let end = (start + 4_096).min(bytes.len());
            bytes[start..end].fill(0);
            fs::write(path, bytes).unwrap();
            format!("page at {start} zeroed")
        }
        3 => {
            fs::write(path, vec![0; bytes.len().min(1 << 20)]).unwrap();
            "zeroed".to_owned()
        }
        4 => {
            let other = *chance.of(&of_kind);
            let bytes = fs::read(other).unwrap();
            fs::write(path, bytes).unwrap();
            format!("replaced by a copy of {}", shown(dir, other))
        }
        5 => {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
            "replaced by a folder".to_owned()
        }
        _ => {
            let folder = chance.of(&parts.folders);
            fs::remove_dir_all(folder).unwrap();
            return format!("folder {} removed", shown(dir, folder));
        }
    };
    format!("{} {what}", shown(dir, path))
}

/// Whether the report says that some of the `words` are lost.
fn is_named(report: &[crate::Finding], words: &str) -> bool {
    let is_lost = |text: &str| text.contains("lost") && !text.contains("none is lost");
    report.iter().any(|finding| finding.damage.contains(words) && is_lost(&finding.damage))
}

async fn try_case(whole: &Scratch, seed: u64) {
    let copy = whole.copied();
    let mut chance = Chance(seed);
    let destroys = seed % 2 == 1;
    let mut what = Vec::new();
    for number in 0..=chance.below(3) {
        let is_destroyed = destroys && number == 0;
        what.push(if is_destroyed { destroy(copy.path(), &mut chance) } else { misplace(copy.path(), &mut chance) });
    }
    let case = format!("seed {seed}: {}", what.join(", "));
    eprintln!("{case}");
    let report = check(copy.path()).unwrap_or_else(|error| panic!("{case}: {error}"));
    if let Some(refusal) = report.refusal(copy.path()) {
        panic!("{case}: {refusal}");
    }
    let done = repair(copy.path(), 1_795_982_406_431).unwrap_or_else(|error| panic!("{case}: {error}"));
    for left in ["db.salvage", "db.new", "db.mark.new", "REPAIRING"] {
        assert!(!copy.path().join(left).exists(), "{case}: {left} is left");
    }
    let report = check(copy.path()).unwrap();
    assert!(report.is_clean(), "{case}: {:?}", report.database);
    let store = open(copy.path()).unwrap_or_else(|error| panic!("{case}: {error}"));
    let found: Answers = answers(&store).await;
    assert_eq!(found.refused, 0, "{case}");
    if !destroys {
        assert!(found.missing.is_empty(), "{case}: {found:?}, {:?}", done.database);
    }
    for record in &found.missing {
        let words = match record {
            record if record.contains("rows") => "history",
            record if record.contains("settings") || record.contains('-') => "settings",
            _ => "snapshots",
        };
        assert!(is_named(&done.database, words), "{case}: {record} is not named in {:?}", done.database);
    }
    store.meta_store().put(&crate::tests::pass("w"), "later", 0, vec![1]).await.unwrap();
}

async fn try_cases(ended: Ended, offset: u64) {
    let from_environment = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let whole = std::sync::Arc::new(directory(ended).await);
    let seeds = match from_environment("EARCON_DAMAGE_SEED") {
        Some(seed) => seed..seed + 1,
        None => offset..offset + from_environment("EARCON_DAMAGES").unwrap_or(CASES) / 2,
    };
    let mut failed = Vec::new();
    for seed in seeds {
        let whole = whole.clone();
        if tokio::spawn(async move { try_case(&whole, seed).await }).await.is_err() {
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "seeds {failed:?} of a directory that was {ended:?}");
}

#[tokio::test]
async fn closed_database_starts_after_a_repair_of_any_damage() {
    try_cases(Ended::Closed, 0).await;
}

#[tokio::test]
async fn killed_database_starts_after_a_repair_of_any_damage() {
    try_cases(Ended::Killed, 5_000).await;
}

#[tokio::test]
async fn two_swapped_table_files_of_two_tables_lose_nothing() {
    let scratch = directory(Ended::Closed).await;
    let first = |table: &str| paths(&scratch.path().join("db/keyspaces").join(table).join("tables"))[0].clone();
    swap(&first("0"), &first("6"));
    let done = repair(scratch.path(), 5).unwrap();
    assert!(answers(&open(scratch.path()).unwrap()).await.is_whole(), "{:?}", done.database);
    let kept = |words: &str| done.database.iter().any(|finding| finding.damage.contains(words));
    assert!(kept("records of the settings were kept, none is lost"), "{:?}", done.database);
}

#[tokio::test]
async fn folders_of_two_tables_that_were_swapped_lose_nothing() {
    let scratch = directory(Ended::Closed).await;
    let folder = |table: &str| scratch.path().join("db/keyspaces").join(table);
    swap(&folder("2"), &folder("3"));
    assert!(!check(scratch.path()).unwrap().is_clean());
    let done = repair(scratch.path(), 5).unwrap();
    assert!(answers(&open(scratch.path()).unwrap()).await.is_whole(), "{:?}", done.database);
}
