//! Random damages of a log of known content. Opening refuses with a sentence that names the file,
//! or all acknowledged events are there. A repair keeps all whole events and names the others.

use super::*;
use crate::doctor;
use crate::{Missing, Repaired};

/// How many damages; `EARCON_DAMAGES` sets another number. `EARCON_DAMAGE_SEED` tries one alone.
const CASES: u64 = 200;
pub(super) const EVENTS: Seq = 260;

/// A small generator of random numbers (SplitMix64), so that a seed names a case on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// A log of known content, written in several lives, and the oldest event it holds.
pub(super) async fn known_log(close: bool) -> (Scratch, Seq) {
    let scratch = Scratch::new();
    let mut next = 1;
    let mut random = Random(42);
    let mut first = 1;
    while next <= EVENTS {
        let store = open_small(&scratch).unwrap();
        let log = store.event_log();
        log.open(&pass("w")).await.unwrap();
        log.open(&pass("other")).await.unwrap();
        let end = (next + 89).min(EVENTS);
        while next <= end {
            let last = (next + random.below(6)).min(end);
            log.append(&pass("w"), events(next..=last)).await.unwrap();
            next = last + 1;
        }
        log.append(&pass("other"), Vec::new()).await.unwrap();
        first = log.trim(&pass("w"), 40).await.unwrap();
        drop(log);
        if close {
            store.close().await.unwrap();
        }
    }
    assert!(first > 1 && segments(&scratch).len() > 5);
    (scratch, first)
}

/// Damages a copy of the log. Returns a description, and the damaged files.
fn damage(scratch: &Scratch, random: &mut Random) -> (String, Vec<PathBuf>) {
    let files = segments(scratch);
    let mark = log_dir(scratch).join("MARK");
    let one = files[random.below(files.len() as u64) as usize].clone();
    let target = if random.below(8) == 0 { mark.clone() } else { one };
    let mut bytes = std::fs::read(&target).unwrap();
    let used = if target == mark { bytes.len() as u64 } else { written(&target) };
    let what = match random.below(7) {
        0 | 1 => {
            let bit = random.below(used * 8);
            bytes[bit as usize / 8] ^= 1 << (bit % 8);
            std::fs::write(&target, &bytes).unwrap();
            format!("bit {bit} flipped in {}", target.display())
        }
        2 => {
            let page = random.below(used.div_ceil(512)) as usize * 512;
            let end = (page + 512).min(bytes.len());
            bytes[page..end].fill(0);
            std::fs::write(&target, &bytes).unwrap();
            format!("page at {page} zeroed in {}", target.display())
        }
        3 => {
            let length = random.below(used);
            std::fs::write(&target, &bytes[..length as usize]).unwrap();
            format!("{} cut to {length} bytes", target.display())
        }
        4 => {
            std::fs::remove_file(&target).unwrap();
            format!("{} removed", target.display())
        }
        5 => {
            let (one, other) = (random.below(files.len() as u64), random.below(files.len() as u64));
            let (one, other) = (&files[one as usize], &files[other as usize]);
            let aside = log_dir(scratch).join("aside");
            std::fs::rename(one, &aside).unwrap();
            if one != other {
                std::fs::rename(other, one).unwrap();
            }
            std::fs::rename(&aside, other).unwrap();
            return (format!("{} and {} swapped", one.display(), other.display()), vec![one.clone(), other.clone()]);
        }
        _ => {
            let foreign = scratch.path().join("log/other").join("00000000000000000001.seg");
            std::fs::copy(foreign, &target).unwrap();
            format!("{} replaced by a file of another workspace", target.display())
        }
    };
    (what, vec![target])
}

/// The sequence numbers of certain losses whose extent is known, and where a loss of unknown extent
/// begins.
pub(super) fn sequences<'a>(missing: impl IntoIterator<Item = &'a Missing>) -> (Vec<Seq>, Option<Seq>) {
    let (mut sequences, mut open) = (Vec::new(), None);
    for missing in missing.into_iter().filter(|missing| !missing.or_removed) {
        if missing.is_open {
            open = Some(open.map_or(missing.first, |open: Seq| open.min(missing.first)));
        } else {
            sequences.extend(missing.first..=missing.last.unwrap());
        }
    }
    sequences.sort_unstable();
    sequences.dedup();
    (sequences, open)
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Tries one damage. Returns whether the log was refused.
async fn try_damage(original: &Scratch, first: Seq, seed: u64) -> bool {
    let scratch = original.copied();
    let (what, files) = damage(&scratch, &mut Random(seed));
    let case = format!("seed {seed}: {what}");
    let expected = events(first..=EVENTS);
    match open_small(&scratch) {
        Ok(store) => {
            assert_eq!(all(&store).await, expected, "{case}");
            let head = store.event_log().head(&pass("w")).await.unwrap().unwrap();
            assert_eq!((head.first, head.next), (first, EVENTS + 1), "{case}");
            return false;
        }
        Err(error) => {
            let text = error.to_string();
            assert!(matches!(error, OpenError::DamagedLog { .. }), "{case}: {text}");
            assert!(files.iter().any(|file| text.contains(&file.display().to_string())), "{case}: {text}");
            assert!(text.contains("--repair"), "{case}: {text}");
        }
    }
    let report = doctor::check(scratch.path()).unwrap();
    assert!(!report.is_clean(), "{case}");
    let damages = report.logs.iter().flat_map(|log| &log.damages);
    let (stated, stated_open) = sequences(damages.filter_map(|damage| damage.missing.as_ref()));
    let repaired = doctor::repair(scratch.path(), 1_795_982_406_431).unwrap();
    let [Repaired { workspace, missing, record, .. }] = &repaired.logs[..] else { panic!("{case}: {repaired:?}") };
    assert_eq!(workspace.as_str(), "w");
    assert!(std::fs::read_to_string(record).unwrap().contains("Damages found"), "{case}");
    let report = doctor::check(scratch.path()).unwrap();
    assert!(report.is_clean(), "{case}: {report:?}");

    let store = open_small(&scratch).unwrap_or_else(|error| panic!("{case}: {error}"));
    let kept = all(&store).await;
    let lost: Vec<Seq> = expected.iter().filter(|event| !kept.contains(event)).map(|event| event.seq).collect();
    assert!(kept.iter().all(|event| expected.contains(event)), "{case}: an event was never written");
    let (named, open) = sequences(missing);
    let before_open = |seq: &&Seq| open.is_none_or(|open| **seq < open);
    let named: Vec<Seq> = named.iter().filter(before_open).copied().collect();
    let lost_before: Vec<Seq> = lost.iter().filter(before_open).copied().collect();
    assert_eq!(named, lost_before, "{case}: the report names exactly the missing events");
    // A segment with a wrong name leaves the end unknown until it is in its place.
    let is_put_back = what.ends_with("swapped") && open.is_none();
    assert!(is_put_back || open == stated_open, "{case}: the refusal says whether the end is certain");
    for seq in &lost {
        assert!(stated.contains(seq) || stated_open.is_some_and(|open| *seq >= open), "{case}: {seq} is not named");
    }
    if !what.ends_with("swapped") {
        assert!(stated.iter().all(|seq| lost.contains(seq)), "{case}: {stated:?} were named, {lost:?} are lost");
    }
    assert!(lost.len() < 60, "{case}: {} events are lost with one damage", lost.len());
    let head = store.event_log().head(&pass("w")).await.unwrap().unwrap();
    match open {
        None => assert_eq!(head.next, EVENTS + 1, "{case}: all numbers are known"),
        Some(open) => assert!(open <= EVENTS + 1 && head.next > EVENTS + 1, "{case}: no number is used twice"),
    }
    store.event_log().append(&pass("w"), events(head.next..=head.next + 4)).await.unwrap();
    drop(store);
    let store = open_small(&scratch).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(all(&store).await.len(), kept.len() + 5, "{case}");
    true
}

#[expect(clippy::print_stdout, reason = "a failed run is repeated with its seeds")]
async fn try_damages(close: bool, offset: u64) {
    let (original, first) = known_log(close).await;
    assert_eq!(all(&open_small(&original.copied()).unwrap()).await, events(first..=EVENTS));
    let seeds = match from_environment("EARCON_DAMAGE_SEED") {
        Some(seed) => seed..seed + 1,
        None => offset..offset + from_environment("EARCON_DAMAGES").unwrap_or(CASES) / 2,
    };
    println!("seeds {seeds:?}");
    let (mut refused, count) = (0, seeds.end - seeds.start);
    for seed in seeds {
        refused += u64::from(try_damage(&original, first, seed).await);
    }
    println!("{refused} of {count} damages were refused");
    assert!(count < 50 || (count / 2..count).contains(&refused), "both outcomes occur: {refused} of {count} refused");
}

#[tokio::test]
async fn damage_of_a_closed_log_is_refused_or_without_loss() {
    try_damages(true, 0).await;
}

#[tokio::test]
async fn damage_of_a_killed_log_is_refused_or_without_loss() {
    try_damages(false, 1_000_000).await;
}

#[tokio::test]
async fn log_that_the_database_does_not_know_is_refused() {
    let (original, _) = known_log(true).await;
    let scratch = original.copied();
    let unknown = scratch.path().join("log/unknown");
    std::fs::rename(scratch.path().join("log/other"), &unknown).unwrap();
    let text = open_small(&scratch).err().unwrap().to_string();
    let home = scratch.path().join("log/other");
    let sentence =
        format!("{}: it holds the log of workspace other. Rename it to {}", unknown.display(), home.display());
    assert!(text.contains(&sentence), "{text}");
}

#[tokio::test]
async fn log_is_kept_if_the_database_is_lost() {
    let (original, first) = known_log(true).await;
    let scratch = original.copied();
    std::fs::remove_dir_all(scratch.path().join("db")).unwrap();
    let text = open_small(&scratch).err().unwrap().to_string();
    assert!(text.contains("the database is missing"), "{text}");
    let report = doctor::check(scratch.path()).unwrap();
    assert!(!report.is_clean() && report.logs.iter().any(|log| log.next == EVENTS + 1), "{report:?}");
    doctor::repair(scratch.path(), 0).unwrap();
    assert_eq!(all(&open_small(&scratch).unwrap()).await, events(first..=EVENTS));
}

#[tokio::test]
async fn doctor_refuses_a_directory_in_use_and_one_that_is_missing() {
    let (original, _) = known_log(true).await;
    let store = open_small(&original).unwrap();
    assert!(matches!(doctor::check(original.path()), Err(OpenError::InUse { .. })));
    drop(store);
    let report = doctor::check(original.path()).unwrap();
    assert!(report.is_clean());
    let log = report.logs.iter().find(|log| log.workspace.as_str() == "w").unwrap();
    assert_eq!((log.next, log.events, log.epochs), (EVENTS + 1, EVENTS + 1 - log.first, 3));
    assert!(doctor::repair(original.path(), 0).unwrap().logs.is_empty(), "nothing is changed without damage");
    let missing = original.path().join("nothing");
    assert!(matches!(doctor::check(&missing), Err(OpenError::NoData { .. })) && !missing.exists());
    let empty = Scratch::new();
    assert!(matches!(doctor::check(empty.path()), Err(OpenError::NoData { .. })));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "a check creates nothing");
}
