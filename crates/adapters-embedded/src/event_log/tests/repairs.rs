//! Kinds of damage, one by one: what a refused start says, and what a repair keeps and never does.

use std::fs;

use super::super::frame::{Frame, HEADER, Seed};
use super::super::reader::{FrameReader, Step};
use super::damages::{EVENTS, known_log, sequences};
use super::*;
use crate::database::Fault;
use crate::{Missing, doctor};
use earcon_ports::Snapshot;

const NOW_MS: i64 = 1_795_982_406_431;

fn refusal(scratch: &Scratch) -> String {
    open_small(scratch).err().expect("the start is refused").to_string()
}

/// Repairs the log, checks that it is whole then, and returns the losses and the record.
fn repaired(scratch: &Scratch) -> (Vec<Missing>, String) {
    let done = doctor::repair(scratch.path(), NOW_MS).unwrap();
    let log = done.logs.into_iter().find(|log| log.workspace.as_str() == "w").unwrap();
    let report = doctor::check(scratch.path()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    (log.missing, fs::read_to_string(log.record).unwrap())
}

async fn next(store: &EmbeddedStore) -> Seq {
    store.event_log().head(&pass("w")).await.unwrap().unwrap().next
}

/// Damages a log whose end is unknown afterwards: no number of it may be used again.
async fn never_uses_numbers_again(close: bool, damage: impl Fn(&Scratch)) {
    let (original, first) = known_log(close).await;
    let scratch = original.copied();
    damage(&scratch);
    let text = refusal(&scratch);
    assert!(text.contains("to unknown"), "the extent of the loss is not understated: {text}");
    let (missing, record) = repaired(&scratch);
    let (_, open) = sequences(&missing);
    assert!(open.is_some_and(|open| open <= EVENTS + 1) && record.contains("to unknown"), "{record}");
    let store = open_small(&scratch).unwrap();
    assert!(next(&store).await > EVENTS + 1, "a number that was acknowledged is not used again");
    let kept = all(&store).await;
    assert!(kept.iter().all(|event| events(first..=EVENTS).contains(event)));
    let again = next(&store).await;
    store.event_log().append(&pass("w"), events(again..=again + 3)).await.unwrap();
    drop(store);
    assert_eq!(all(&open_small(&scratch).unwrap()).await.len(), kept.len() + 4);
}

#[tokio::test]
async fn vanished_directory_is_created_again_behind_all_numbers() {
    for close in [true, false] {
        never_uses_numbers_again(close, |scratch| {
            fs::remove_dir_all(log_dir(scratch)).unwrap();
            let text = refusal(scratch);
            assert!(text.contains("the directory of the log is missing"), "{text}");
            assert!(!close || text.contains("at least to 260"), "{text}");
        })
        .await;
    }
}

#[tokio::test]
async fn directory_without_files_is_created_again() {
    never_uses_numbers_again(true, |scratch| {
        fs::read_dir(log_dir(scratch)).unwrap().for_each(|entry| fs::remove_file(entry.unwrap().path()).unwrap());
    })
    .await;
}

#[tokio::test]
async fn segments_without_any_content_are_created_again() {
    never_uses_numbers_again(false, |scratch| {
        segments(scratch).iter().for_each(|path| fs::write(path, "nothing").unwrap());
        fs::remove_file(log_dir(scratch).join("MARK")).unwrap();
    })
    .await;
}

#[tokio::test]
async fn lost_mark_and_last_segment_leave_the_end_unknown() {
    never_uses_numbers_again(false, |scratch| {
        fs::remove_file(log_dir(scratch).join("MARK")).unwrap();
        fs::remove_file(segments(scratch).last().unwrap()).unwrap();
    })
    .await;
}

#[tokio::test]
async fn lost_mark_leaves_the_beginning_unknown() {
    let (original, first) = known_log(true).await;
    for count in [0, 1, 3] {
        let scratch = original.copied();
        fs::remove_file(log_dir(&scratch).join("MARK")).unwrap();
        let files = segments(&scratch);
        files[..count].iter().for_each(|path| fs::remove_file(path).unwrap());
        let (header, _) = super::super::check::read_header(&files[count]).unwrap().unwrap();
        let last = header.first - 1;
        let text = refusal(&scratch);
        let stated = text.split(&format!("sequence numbers 1 to {last} (before ")).nth(1).expect(&text);
        assert!(stated.contains("), or retention removed them"), "{text}");
        let (missing, record) = repaired(&scratch);
        assert_eq!((missing[0].first, missing[0].last, missing[0].or_removed), (1, Some(last), true));
        let stated = record.split("Events that are lost:").nth(1).unwrap();
        assert!(stated.contains(&format!("  sequence numbers 1 to {last} (before ")), "{record}");
        assert!(stated.contains("), or retention removed them\n"), "{record}");
        assert_eq!(all(&open_small(&scratch).unwrap()).await, events(first.max(last + 1)..=EVENTS));
    }
}

#[tokio::test]
async fn lost_last_segment_behind_an_old_mark_leaves_the_end_unknown() {
    let (original, _) = known_log(false).await;
    let store = open_small(&original).unwrap();
    let mark = fs::read(log_dir(&original).join("MARK")).unwrap();
    store.event_log().append(&pass("w"), events(EVENTS + 1..=EVENTS + 2)).await.unwrap();
    drop(store);
    let scratch = original.copied();
    // As after a power cut.
    fs::write(log_dir(&scratch).join("MARK"), mark).unwrap();
    fs::remove_file(segments(&scratch).last().unwrap()).unwrap();
    repaired(&scratch);
    assert!(next(&open_small(&scratch).unwrap()).await > EVENTS + 3);
}

#[tokio::test]
async fn log_goes_on_behind_snapshots_and_history() {
    let (original, _) = known_log(false).await;
    let store = open_small(&original).unwrap();
    let far = 1 << 40;
    let snapshot = Snapshot { kpi: KpiName::new("k").unwrap(), part: 0, seq: far, state: vec![1] };
    store.snapshot_store().put(&pass("w"), snapshot).await.unwrap();
    store.close().await.unwrap();
    fs::remove_dir_all(log_dir(&original)).unwrap();
    repaired(&original);
    assert!(next(&open_small(&original).unwrap()).await > far);
}

#[tokio::test]
async fn end_that_only_the_database_knows_is_missed() {
    let (original, _) = known_log(false).await;
    let old = original.copied();
    let store = open_small(&original).unwrap();
    store.event_log().append(&pass("w"), events(EVENTS + 1..=EVENTS + 9)).await.unwrap();
    store.event_log().record_end(&pass("w")).await.unwrap();
    // A synced write of the settings makes the record durable, as the watermark does.
    store.meta_store().put(&pass("w"), "k", 0, vec![1]).await.unwrap();
    drop(store);
    let scratch = original.copied();
    fs::remove_dir_all(log_dir(&scratch)).unwrap();
    fs::rename(log_dir(&old), log_dir(&scratch)).unwrap();
    fs::copy(old.path().join("ends/w"), scratch.path().join("ends/w")).unwrap();
    let text = refusal(&scratch);
    assert!(text.contains("the log ends earlier than the database knows"), "{text}");
    assert!(text.contains("261 to unknown, at least to 269"), "{text}");
    repaired(&scratch);
    assert!(next(&open_small(&scratch).unwrap()).await > EVENTS + 10);
}

#[tokio::test]
async fn numbers_are_reserved_before_they_are_used() {
    let scratch = Scratch::new();
    let store = open_small(&scratch).unwrap();
    let log = store.event_log();
    log.append(&pass("w"), events(1..=3)).await.unwrap();
    let inner = &store.log.inner;
    let state = inner.find(pass("w").workspace()).unwrap();
    let used_up = Registered { reserved: 5, ..*lock(&state.registered) };
    *lock(&state.registered) = used_up;
    *inner.database.fault.lock().unwrap() = Some(Fault::BeforeTheWrite);
    log.append(&pass("w"), events(4..=4)).await.unwrap();
    assert_eq!(lock(&state.registered).reserved, 5, "what is left may be used while the database is away");
    log.append(&pass("w"), events(5..=6)).await.unwrap_err();
    assert_eq!(all(&store).await, events(1..=4), "no event has a number that is not reserved");
}

#[tokio::test]
async fn unreadable_file_is_a_damage_with_its_place_and_the_rest_is_kept() {
    for name in [None, Some("MARK")] {
        let (original, first) = known_log(true).await;
        let scratch = original.copied();
        let files = segments(&scratch);
        let target = name.map_or_else(|| files[files.len() / 2].clone(), |name| log_dir(&scratch).join(name));
        fs::remove_file(&target).unwrap();
        // Reading a directory fails as a file on a bad disk does.
        fs::create_dir(&target).unwrap();
        fs::write(target.join("x"), "x").unwrap();
        let text = refusal(&scratch);
        assert!(text.contains(&target.display().to_string()) && text.contains("cannot be read"), "{text}");
        let report = doctor::check(scratch.path()).unwrap();
        assert!(report.logs.iter().any(|log| log.workspace.as_str() == "other" && log.damages.is_empty()));
        let (missing, record) = repaired(&scratch);
        assert!(record.contains("damaged"), "{record}");
        let kept = all(&open_small(&scratch).unwrap()).await;
        let (lost, _) = sequences(&missing);
        assert_eq!(kept.len() + lost.len(), (EVENTS + 1 - first) as usize, "{missing:?}");
        assert_eq!(lost.is_empty(), name.is_some());
    }
}

#[tokio::test]
async fn file_in_the_place_of_a_log_is_set_aside() {
    never_uses_numbers_again(true, |scratch| {
        fs::remove_dir_all(log_dir(scratch)).unwrap();
        fs::write(log_dir(scratch), "no directory").unwrap();
        let text = refusal(scratch);
        assert!(text.contains("cannot be read"), "{text}");
    })
    .await;
}

/// The offsets and the headers of all frames of a segment.
fn frames(path: &Path, log_id: u64, number: u64) -> Vec<(u64, Frame)> {
    let file = fs::File::open(path).unwrap();
    let (_, start) = super::super::check::read_header(path).unwrap().unwrap();
    let mut reader = FrameReader::new(&file, Seed::new(log_id, number), start, written(path));
    let mut found = Vec::new();
    while let Step::Frame { offset, frame, .. } = reader.next().unwrap() {
        found.push((offset, frame));
    }
    found
}

#[tokio::test]
async fn numbers_that_are_left_out_between_whole_frames_become_a_gap() {
    let (original, first) = known_log(true).await;
    let scratch = original.copied();
    let path = &segments(&scratch)[2];
    let (header, _) = super::super::check::read_header(path).unwrap().unwrap();
    let frames = frames(path, header.log_id, header.number);
    let at = frames.iter().skip(1).position(|(_, frame)| frame.count > 0).unwrap() + 1;
    // The frame before becomes part of the one in front, so that its numbers are nowhere.
    let (offset, frame) = frames[at - 1];
    let mut bytes = [0; HEADER];
    let without = Frame { count: 0, kind: super::super::frame::Kind::Epoch, ..frame };
    without.write(Seed::new(header.log_id, header.number), offset, &mut bytes);
    let mut content = fs::read(path).unwrap();
    content[offset as usize..offset as usize + HEADER].copy_from_slice(&bytes);
    fs::write(path, content).unwrap();
    let text = refusal(&scratch);
    assert!(text.contains("sequence numbers are left out"), "{text}");
    let (missing, _) = repaired(&scratch);
    assert_eq!(sequences(&missing), ((frame.first..frame.next()).collect(), None));
    let store = open_small(&scratch).unwrap();
    assert_eq!(all(&store).await.len() as u64, EVENTS + 1 - first - frame.count);
    drop(store);
    let report = doctor::check(scratch.path()).unwrap();
    let log = report.logs.iter().find(|log| log.workspace.as_str() == "w").unwrap();
    assert_eq!(sequences(&log.gaps), sequences(&missing), "the doctor lists what is missing since");
}

#[tokio::test]
async fn stray_file_with_a_huge_number_is_one_damage() {
    for number in ["18446744073709551000", "18446744073709551615", "00000000000000000000"] {
        let (original, first) = known_log(true).await;
        for with_mark in [true, false] {
            let scratch = original.copied();
            let stray = log_dir(&scratch).join(format!("{number}.seg"));
            fs::write(&stray, "").unwrap();
            if !with_mark {
                fs::remove_file(log_dir(&scratch).join("MARK")).unwrap();
            }
            if number.starts_with('0') && with_mark {
                // An older segment than the oldest is the rest of a trim.
                assert_eq!(all(&open_small(&scratch).unwrap()).await, events(first..=EVENTS));
                continue;
            }
            let text = refusal(&scratch);
            assert!(text.contains(&stray.display().to_string()), "{text}");
            let report = doctor::check(scratch.path()).unwrap();
            // The mark, the stray file, the beginning and the end.
            assert!(report.logs.iter().all(|log| log.damages.len() <= 4), "{report:?}");
            repaired(&scratch);
            assert!(!stray.exists());
            assert_eq!(all(&open_small(&scratch).unwrap()).await, events(first..=EVENTS));
        }
    }
}

/// Renames segment `from` (counted from the oldest) to `to`, with and without the mark.
async fn renamed_segment_is_put_back(from: usize, to: u64) {
    let (original, first) = known_log(true).await;
    for with_mark in [true, false] {
        let scratch = original.copied();
        let (path, name) = (segments(&scratch)[from].clone(), segment_path(&log_dir(&scratch), to));
        fs::rename(&path, &name).unwrap();
        if !with_mark {
            fs::remove_file(log_dir(&scratch).join("MARK")).unwrap();
        }
        let text = refusal(&scratch);
        assert!(text.contains(&name.display().to_string()) && !text.contains("nothing in the file"), "{text}");
        let (missing, record) = repaired(&scratch);
        assert!(record.contains(&name.display().to_string()), "{record}");
        assert!(path.exists() && !name.exists(), "{from} to {to}, mark {with_mark}");
        assert_eq!(sequences(&missing).1.is_some(), !with_mark, "{missing:?}");
        assert_eq!(all(&open_small(&scratch).unwrap()).await, events(first..=EVENTS), "{from} to {to}");
    }
}

#[tokio::test]
async fn segment_that_was_renamed_is_put_back() {
    let (original, _) = known_log(true).await;
    let last = segments(&original).len() - 1;
    for from in [0, 1, last / 2, last] {
        for to in [0, 1, 7_000] {
            renamed_segment_is_put_back(from, to).await;
        }
    }
}

#[tokio::test]
async fn copy_of_a_segment_under_another_name_is_kept_as_damaged() {
    let (original, first) = known_log(true).await;
    for (to, with_header) in [(0, true), (0, false), (7_000, true)] {
        let scratch = original.copied();
        let name = segment_path(&log_dir(&scratch), to);
        let mut bytes = fs::read(&segments(&scratch)[1]).unwrap();
        if !with_header {
            bytes[0] ^= 1;
        }
        fs::write(&name, &bytes).unwrap();
        let text = refusal(&scratch);
        assert!(text.contains(&name.display().to_string()), "{text}");
        repaired(&scratch);
        assert_eq!(all(&open_small(&scratch).unwrap()).await, events(first..=EVENTS));
        let kept = fs::read_dir(log_dir(&scratch).join("damaged")).unwrap();
        assert!(kept.into_iter().any(|entry| fs::read(entry.unwrap().path()).unwrap() == bytes), "{name:?} is kept");
    }
}

#[tokio::test]
async fn run_of_missing_segments_is_one_damage() {
    let (original, first) = known_log(true).await;
    let scratch = original.copied();
    let files = segments(&scratch);
    let lost = &files[1..files.len() - 1];
    lost.iter().for_each(|path| fs::remove_file(path).unwrap());
    let report = doctor::check(scratch.path()).unwrap();
    let damages: Vec<_> = report.logs.iter().flat_map(|log| &log.damages).collect();
    assert_eq!(damages.len(), 1, "{damages:?}");
    assert!(damages[0].to_string().contains(&format!("those of the {} segments behind it", lost.len() - 1)));
    let (missing, _) = repaired(&scratch);
    let kept = all(&open_small(&scratch).unwrap()).await;
    assert_eq!(sequences(&missing).0.len() + kept.len(), (EVENTS + 1 - first) as usize);
    assert_eq!(next(&open_small(&scratch).unwrap()).await, EVENTS + 1);
}

#[tokio::test]
async fn record_names_the_originals_only_if_there_are_some() {
    let (original, _) = known_log(true).await;
    let scratch = original.copied();
    fs::remove_dir_all(log_dir(&scratch)).unwrap();
    let (_, record) = repaired(&scratch);
    assert!(!record.contains("original files"), "{record}");
}

#[tokio::test]
async fn file_of_a_running_log_that_is_moved_away_refuses_appends() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let log = store.event_log();
    log.append(&pass("w"), events(1..=3)).await.unwrap();
    let disk = store.disk().unwrap();
    disk.free_bytes().unwrap();
    let aside = scratch.path().join("aside");
    fs::rename(log_dir(&scratch), &aside).unwrap();
    let problem = disk.free_bytes().unwrap_err();
    assert!(problem.contains(&log_dir(&scratch).display().to_string()), "{problem}");
    let error = log.append(&pass("w"), events(4..=4)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    fs::rename(&aside, log_dir(&scratch)).unwrap();
    disk.free_bytes().unwrap();
    log.append(&pass("w"), events(4..=4)).await.unwrap();
    drop((log, store));
    assert_eq!(all(&scratch.open()).await, events(1..=4));
}

#[tokio::test]
async fn segment_that_is_removed_under_the_server_is_not_replaced_by_a_new_one() {
    let scratch = Scratch::new();
    let store = open_small(&scratch).unwrap();
    let log = store.event_log();
    log.append(&pass("w"), events(1..=3)).await.unwrap();
    let disk = store.disk().unwrap();
    disk.free_bytes().unwrap();
    let active = segments(&scratch)[0].clone();
    fs::remove_file(&active).unwrap();
    // It would need another segment.
    for _ in 0..2 {
        let error = log.append(&pass("w"), events(4..=60)).await.unwrap_err();
        assert!(error.to_string().contains(&active.display().to_string()), "{error}");
        assert!(disk.free_bytes().unwrap_err().contains(&active.display().to_string()));
    }
    assert!(segments(&scratch).is_empty());
}

/// The doctor says the same of a loss before and after the repair: numbers and times.
#[tokio::test]
async fn losses_have_the_same_numbers_and_times_after_a_repair() {
    let (original, _) = known_log(true).await;
    let files = segments(&original);
    let length = written(&files[2]) as usize;
    let middle = length - 200;
    let zero = |path: &std::path::Path, from: usize, to: usize| {
        let mut bytes = fs::read(path).unwrap();
        let to = to.min(bytes.len());
        bytes[from..to].fill(0);
        fs::write(path, bytes).unwrap();
    };
    let name = |at: usize| files[at].file_name().unwrap().to_owned();
    let damages: [&dyn Fn(&Scratch); 5] = [
        &|scratch| zero(&log_dir(scratch).join(name(2)), middle, middle + 40),
        &|scratch| zero(&log_dir(scratch).join(name(2)), 0, middle),
        &|scratch| zero(&log_dir(scratch).join(name(2)), middle, usize::MAX),
        &|scratch| fs::remove_file(log_dir(scratch).join(name(2))).unwrap(),
        &|scratch| [2, 3, 4].iter().for_each(|at| fs::remove_file(log_dir(scratch).join(name(*at))).unwrap()),
    ];
    for (at, damage) in damages.into_iter().enumerate() {
        let scratch = original.copied();
        damage(&scratch);
        let of = |scratch: &Scratch| {
            let logs = doctor::check(scratch.path()).unwrap().logs;
            logs.into_iter().find(|log| log.workspace.as_str() == "w").unwrap()
        };
        let before: Vec<Missing> = of(&scratch).damages.iter().filter_map(|damage| damage.missing).collect();
        assert!(!before.is_empty(), "{at}");
        let (repaired, _) = repaired(&scratch);
        assert_eq!(repaired, before, "{at}");
        let after = of(&scratch).gaps;
        // Segments that follow each other have a gap each.
        let after = match (after.first(), after.last()) {
            (Some(first), Some(last)) => vec![Missing { last: last.last, before_ms: last.before_ms, ..*first }],
            _ => Vec::new(),
        };
        assert_eq!(after, before, "{at}");
    }
}
