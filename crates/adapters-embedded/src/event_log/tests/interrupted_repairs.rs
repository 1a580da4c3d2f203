//! Repairs that are stopped before each of their steps, as by a kill. Run again, they have the same
//! result as one that nothing disturbed.

use std::fs;

use super::damages::known_log;
use super::*;
use crate::repairs::steps;
use crate::{Missing, doctor};

const NOW_MS: i64 = 1_795_982_406_431;
/// No repair has more steps.
const MOST_STEPS: u64 = 500;

/// What counts of a repaired log.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<Arc<Event>>,
    missing: Vec<Missing>,
    next: Seq,
    gaps: Vec<Missing>,
}

async fn outcome(scratch: &Scratch) -> Outcome {
    let repaired = doctor::repair(scratch.path(), NOW_MS).unwrap();
    let log = repaired.logs.into_iter().find(|log| log.workspace.as_str() == "w").unwrap();
    let record = fs::read_to_string(&log.record).unwrap();
    for missing in &log.missing {
        assert!(record.contains(&missing.to_string()), "{record}");
    }
    let report = doctor::check(scratch.path()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let gaps = report.logs.into_iter().find(|log| log.workspace.as_str() == "w").unwrap().gaps;
    let store = open_small(scratch).unwrap();
    let next = store.event_log().head(&pass("w")).await.unwrap().unwrap().next;
    Outcome { events: all(&store).await, missing: log.missing, next, gaps }
}

/// Whether a repair that may take `steps` steps was stopped.
fn is_stopped(scratch: &Scratch, count: u64) -> bool {
    steps::stop_after(Some(count));
    let result = doctor::repair(scratch.path(), NOW_MS + 1);
    steps::stop_after(None);
    result.is_err()
}

#[expect(clippy::print_stdout, reason = "the steps show what was tried")]
async fn same_result_after_every_stop(name: &str, damage: impl Fn(&Scratch)) {
    let (original, _) = known_log(false).await;
    damage(&original);
    let undisturbed = original.copied();
    let expected = outcome(&undisturbed).await;
    for count in 0..MOST_STEPS {
        let scratch = original.copied();
        if !is_stopped(&scratch, count) {
            println!("{name}: {count} steps");
            assert!(count > 3, "{name}");
            return;
        }
        assert!(open_small(&scratch).is_err(), "{name}: a start after {count} steps is refused");
        // Another stop, at another step.
        if is_stopped(&scratch, count / 2) {
            assert!(open_small(&scratch).is_err(), "{name}: a start after {count} and more steps is refused");
            assert_eq!(outcome(&scratch).await, expected, "{name}: stopped after {count} steps");
        }
    }
    panic!("{name}: the repair did not end");
}

fn swap(scratch: &Scratch, one: usize, other: usize) {
    let (files, aside) = (segments(scratch), log_dir(scratch).join("aside"));
    fs::rename(&files[one], &aside).unwrap();
    fs::rename(&files[other], &files[one]).unwrap();
    fs::rename(&aside, &files[other]).unwrap();
}

fn flip(path: &Path, at: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at as usize] ^= 16;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn swapped_segments() {
    same_result_after_every_stop("swapped", |scratch| swap(scratch, 1, 3)).await;
}

#[tokio::test]
async fn segments_in_a_circle_and_one_damaged_frame() {
    same_result_after_every_stop("circle", |scratch| {
        swap(scratch, 1, 3);
        swap(scratch, 3, 4);
        let damaged = &segments(scratch)[2];
        flip(damaged, written(damaged) / 2);
    })
    .await;
}

#[tokio::test]
async fn segment_in_the_place_of_another() {
    same_result_after_every_stop("copied", |scratch| {
        let files = segments(scratch);
        fs::copy(&files[1], &files[2]).unwrap();
        fs::rename(&files[3], &files[4]).unwrap();
    })
    .await;
}

#[tokio::test]
async fn damaged_header_and_missing_segments() {
    same_result_after_every_stop("header", |scratch| {
        let files = segments(scratch);
        flip(&files[1], 40);
        fs::remove_file(&files[3]).unwrap();
        fs::remove_file(&files[4]).unwrap();
    })
    .await;
}

#[tokio::test]
async fn lost_mark_and_last_segment() {
    same_result_after_every_stop("end", |scratch| {
        fs::remove_file(log_dir(scratch).join("MARK")).unwrap();
        fs::remove_file(segments(scratch).last().unwrap()).unwrap();
    })
    .await;
}

#[tokio::test]
async fn cut_last_segment_and_a_directory_in_the_place_of_another() {
    same_result_after_every_stop("cut", |scratch| {
        let files = segments(scratch);
        let last = files.last().unwrap();
        fs::File::options().write(true).open(last).unwrap().set_len(written(last) / 2).unwrap();
        fs::remove_file(&files[1]).unwrap();
        fs::create_dir(&files[1]).unwrap();
    })
    .await;
}

#[tokio::test]
async fn vanished_directory() {
    same_result_after_every_stop("vanished", |scratch| fs::remove_dir_all(log_dir(scratch)).unwrap()).await;
}

#[tokio::test]
async fn directory_with_nothing_whole() {
    same_result_after_every_stop("nothing", |scratch| {
        segments(scratch).iter().for_each(|path| fs::write(path, "nothing").unwrap());
        fs::write(log_dir(scratch).join("MARK"), "nothing").unwrap();
    })
    .await;
}
