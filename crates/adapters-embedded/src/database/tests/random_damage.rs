//! Random damages: each is refused, found by a read, or harmless.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::fixture::{Ended, answers, directory, open, paths};
use crate::OpenError;
use crate::database::{accept_loss, check};

/// Damages of each directory.
const SEEDS: u64 = 80;
const PAGE: u64 = 4_096;

/// A sequence of numbers from a seed (SplitMix64, Steele et al. 2014).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end.max(1)
    }
}

/// Damages one file or folder of the database or the mark. Returns the damage in words.
fn damage(dir: &Path, chance: &mut Chance) -> String {
    let is_target = |path: &PathBuf| path.starts_with(dir.join("db")) || path.ends_with("db.mark");
    let all: Vec<PathBuf> = paths(dir).into_iter().filter(is_target).collect();
    let (folders, files): (Vec<_>, Vec<_>) = all.into_iter().partition(|path| path.is_dir());
    let group = chance.below(4);
    let is_in_group = |path: &&PathBuf| match group {
        0 => path.extension().is_some_and(|extension| extension == "jnl"),
        1 => path.parent().is_some_and(|parent| parent.ends_with("tables")),
        2 => path.ends_with("db.mark") || path.file_name().is_some_and(|name| name == "current"),
        _ => true,
    };
    let files: Vec<&PathBuf> = files.iter().filter(is_in_group).collect();
    let path = files[chance.below(files.len() as u64) as usize];
    let written = super::super::journal::read(path).unwrap().len() as u64;
    let length = path.metadata().unwrap().len();
    // Zeros behind the content of a journal are rarely interesting.
    let end = if chance.below(8) == 0 { length } else { written };
    let at = chance.below(end);
    let name = |path: &Path| path.strip_prefix(dir).unwrap().display().to_string();
    let write = || OpenOptions::new().write(true).open(path).unwrap();
    match chance.below(12) {
        0..=3 => {
            let mut byte = [0];
            let bit = chance.below(8);
            if File::open(path).unwrap().read_exact_at(&mut byte, at).is_ok() {
                write().write_all_at(&[byte[0] ^ (1 << bit)], at).unwrap();
            }
            format!("bit {bit} of byte {at} of {}", name(path))
        }
        4 | 5 => {
            let start = at / PAGE * PAGE;
            let count = PAGE.min(length - start.min(length));
            write().write_all_at(&vec![0; count as usize], start).unwrap();
            format!("page of zeros at {start} of {}", name(path))
        }
        6 | 7 => {
            write().set_len(at).unwrap();
            format!("{} cut to {at} of {length} bytes", name(path))
        }
        8 | 9 => {
            std::fs::remove_file(path).unwrap();
            format!("{} removed", name(path))
        }
        10 => {
            write().set_len(0).unwrap();
            format!("{} emptied", name(path))
        }
        _ => {
            let folder = &folders[chance.below(folders.len() as u64) as usize];
            std::fs::remove_dir_all(folder).unwrap();
            format!("folder {} removed", name(folder))
        }
    }
}

/// Damages copies of a directory, and counts the outcomes: refused, found by a read, harmless.
async fn outcomes(ended: Ended) -> [u64; 3] {
    let whole = directory(ended).await;
    let mut counts = [0; 3];
    for seed in 0..SEEDS {
        let copy = whole.copied();
        let what = damage(copy.path(), &mut Chance(seed));
        let case = format!("{ended:?}, seed {seed}: {what}");
        eprintln!("{case}");
        let (before, journals) = (paths(copy.path()), journals(copy.path()));
        let repaired = match open(copy.path()) {
            Err(OpenError::Damaged { path, reason }) => {
                counts[0] += 1;
                assert_eq!(path, copy.path(), "{case}");
                assert!(reason.contains(&format!("{}/db", path.display())), "{case}: {reason}");
                assert!(!reason.contains("cannot be opened"), "{case}: fjall noticed it first: {reason}");
                // Damage inside of a table file is found by reading, when fjall already works.
                if !reason.contains("reading the ") {
                    assert_eq!(paths(copy.path()), before, "{case}: files came or went: {reason}");
                    assert!(self::journals(copy.path()) == journals, "{case}: a refused start cut a journal: {reason}");
                }
                true
            }
            Err(other) => panic!("{case}: {other}"),
            Ok(store) => {
                let found = answers(&store).await;
                assert!(found.missing.is_empty(), "{case}: {found:?}");
                counts[if found.is_whole() { 2 } else { 1 }] += 1;
                !found.is_whole()
            }
        };
        if repaired && seed % 4 == 0 {
            repair(copy.path(), &case).await;
        }
    }
    eprintln!("{ended:?}: refused, found by a read, harmless: {counts:?}");
    counts
}

/// The content of all journals without unused space.
fn journals(dir: &Path) -> Vec<Vec<u8>> {
    let is_journal = |path: &PathBuf| path.is_file() && path.extension().is_some_and(|extension| extension == "jnl");
    let journals = paths(dir).into_iter().filter(is_journal);
    journals.map(|path| super::super::journal::read(&path).unwrap()).collect()
}

/// The doctor finds the damage, and after a repair the directory opens with the rest.
async fn repair(dir: &Path, case: &str) {
    let found = check(dir).unwrap();
    assert!(!found.is_empty(), "{case}: the doctor finds nothing");
    let lost = accept_loss(dir).unwrap();
    assert!(lost.len() > found.len(), "{case}: {lost:?}");
    assert_eq!(check(dir).unwrap(), [], "{case}: after the repair");
    let found = answers(&open(dir).unwrap()).await;
    assert_eq!(found.refused, 0, "{case}: after the repair");
}

#[tokio::test]
async fn damage_of_a_closed_directory_is_never_silent() {
    let [refused, ..] = outcomes(Ended::Closed).await;
    assert!(refused > SEEDS / 3);
}

#[tokio::test]
async fn damage_of_a_dropped_directory_is_never_silent() {
    let [refused, ..] = outcomes(Ended::Dropped).await;
    assert!(refused > SEEDS / 3);
}

#[tokio::test]
async fn damage_of_a_killed_directory_is_never_silent() {
    let [refused, ..] = outcomes(Ended::Killed).await;
    assert!(refused > SEEDS / 3);
}
