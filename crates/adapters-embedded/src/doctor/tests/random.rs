//! Random damages of a whole directory: bits, pages and files, logs in wrong places, and older
//! parts next to newer ones. Data were deleted before. Each case is refused with a sentence, or all
//! is there. A repair is refused, or names all that is lost, and brings back nothing that was
//! deleted.

use std::cell::OnceCell;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::*;
use crate::event_log::damage::Missing;
use earcon_model::{Deletion, DeletionScope, Labels, ScoredSample, SeriesEvent, SeriesSamples, SeriesStatus};
use earcon_ports::{OPENING_RECORD, SeriesQuery, StoredBatch};

/// How many damages; `EARCON_DAMAGES` sets another number. `EARCON_DAMAGE_SEED` tries one alone.
const CASES: u64 = 200;
const SETTINGS: usize = 6;
/// Samples before and from this time on; those before were deleted.
const KEPT_FROM: i64 = 1_000_000;

/// A sequence of numbers from a seed (SplitMix64, Steele et al. 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end.max(1)
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }
}

fn samples(seq: Seq, from_ms: i64) -> Arc<Event> {
    let sample = |i: i64| {
        let (timestamp_ms, value) = (from_ms + i * 1_000, i as f64);
        ScoredSample { timestamp_ms, value, score: Some(0.5), expected: value, lower: value, upper: value }
    };
    let series = SeriesSamples {
        labels: Labels::none(),
        samples: (0..20).map(sample).collect(),
        late: Vec::new(),
        features: None,
        status: SeriesStatus::Normal,
        counter: None,
        looks_like: None,
    };
    Arc::new(Event::new(seq, seq as i64 * 1_000, KpiName::new("k").unwrap(), SeriesEvent::Samples(vec![series])))
}

fn deletion(seq: Seq) -> Arc<Event> {
    let scope = DeletionScope::Samples { labels: Labels::none(), from_ms: 0, to_ms: KEPT_FROM };
    let deleted = KpiEvent::Deleted(Deletion { scope, by: "ann".into() });
    Arc::new(Event::new(seq, seq as i64 * 1_000, KpiName::new("k").unwrap(), deleted))
}

/// Opens a workspace as the server does: history is read again if the log went back. Then history
/// reads the log to its end.
async fn start(store: &EmbeddedStore, workspace: &str) -> Seq {
    let (log, series, meta, pass) = (store.event_log(), store.series_store(), store.meta_store(), pass(workspace));
    let head = log.open(&pass).await.unwrap();
    let known = meta.get(&pass, OPENING_RECORD).await.unwrap();
    let end = match known.as_ref().map(|known| head.epochs.end_of(&String::from_utf8_lossy(&known.value))) {
        None | Some(Some(None)) => head.next,
        Some(Some(Some(end))) => end,
        Some(None) => 0,
    };
    if series.cursor(&pass).await.unwrap() >= end {
        series.rewind(&pass).await.unwrap();
    }
    let revision = known.map_or(0, |known| known.revision);
    meta.put(&pass, OPENING_RECORD, revision, head.epoch().into()).await.unwrap();
    catch_up(store, workspace).await;
    head.next
}

async fn catch_up(store: &EmbeddedStore, workspace: &str) {
    let (series, pass) = (store.series_store(), pass(workspace));
    let from = series.cursor(&pass).await.unwrap() + 1;
    let events = store.event_log().read(&pass, from, usize::MAX).await.unwrap().events;
    series.apply(&pass, StoredBatch { events }).await.unwrap();
    series.flush(&pass).await.unwrap();
}

async fn add(store: &EmbeddedStore, workspace: &str, life: i64) {
    let next = start(store, workspace).await;
    let log = store.event_log();
    for seq in next..next + 12 {
        let from_ms = if life == 0 { 0 } else { KEPT_FROM * life } + seq as i64 * 20_000;
        let event = if life == 1 && seq == next + 5 { deletion(seq) } else { samples(seq, from_ms) };
        log.append(&pass(workspace), vec![event]).await.unwrap();
    }
    catch_up(store, workspace).await;
    for number in 0..SETTINGS / 2 {
        let key = format!("settings/{life}-{number}");
        store.meta_store().put(&pass(workspace), &key, 0, vec![life as u8; 300]).await.unwrap();
    }
    // The watermark of the server records the end of the log.
    log.record_end(&pass(workspace)).await.unwrap();
}

/// A directory now, and an older copy of it. In between, samples and a workspace were deleted.
struct Base {
    now: Scratch,
    older: Scratch,
    events: Vec<(&'static str, Vec<Arc<Event>>)>,
}

impl Base {
    async fn new(is_closed: bool) -> Self {
        let scratch = Scratch::new();
        let store = scratch.open();
        for workspace in ["a", "b", "gone"] {
            add(&store, workspace, 0).await;
        }
        store.close().await.unwrap();
        let older = scratch.copied();
        let store = scratch.open();
        for workspace in ["a", "b"] {
            add(&store, workspace, 1).await;
        }
        let gone = pass("gone");
        store.series_store().remove(&gone).await.unwrap();
        store.snapshot_store().remove(&gone).await.unwrap();
        store.event_log().remove(&gone).await.unwrap();
        store.meta_store().remove(&gone).await.unwrap();
        let mut events = Vec::new();
        for workspace in ["a", "b"] {
            events.push((workspace, store.event_log().read(&pass(workspace), 0, usize::MAX).await.unwrap().events));
        }
        let now = if is_closed {
            store.close().await.unwrap();
            scratch
        } else {
            scratch.copied()
        };
        Self { now, older, events }
    }
}

/// Damages a copy. Returns the damage in words.
fn damage(dir: &Scratch, older: &Scratch, chance: &mut Chance) -> String {
    let (root, old) = (dir.path().to_owned(), OnceCell::new());
    let log = |name: &str| root.join("log").join(name);
    let take = |name: &str| {
        let target = root.join(name);
        if target.is_dir() {
            fs::remove_dir_all(&target).unwrap();
        } else if target.exists() {
            fs::remove_file(&target).unwrap();
        }
        let old: &Scratch = old.get_or_init(|| older.copied());
        fs::rename(old.path().join(name), target).unwrap();
    };
    match chance.below(14) {
        0..=4 => damage_file(&root, chance),
        5 => {
            fs::rename(log("a"), log("aside")).unwrap();
            fs::rename(log("b"), log("a")).unwrap();
            fs::rename(log("aside"), log("b")).unwrap();
            "logs swapped".into()
        }
        6 => {
            let name = chance.of(&["c", "a.old", "a copy", "gone"]);
            fs::rename(log("a"), log(name)).unwrap();
            format!("log a renamed to {name}")
        }
        7 => {
            let (from, name) = (chance.of(&["a", "b"]), chance.of(&["c", "gone"]));
            copy(&log(from), &log(name));
            format!("log {from} copied to {name}")
        }
        8 => {
            let parts: &[&[&str]] =
                &[&["db"], &["db", "db.mark"], &["db", "db.mark", "log/DATABASE"], &["db.mark", "log/DATABASE"]];
            let parts = chance.of(parts);
            parts.iter().for_each(|part| take(part));
            format!("older {parts:?}")
        }
        9 => {
            let name = chance.of(&["log/a", "log/b"]);
            take(name);
            format!("older {name}")
        }
        10 => {
            take("log/gone");
            "the deleted log is back".into()
        }
        11 => {
            let name = chance.of(&["db.mark", "log/DATABASE", "log/a/MARK", "log/b/MARK"]);
            take(name);
            format!("older {name}")
        }
        12 => {
            for part in ["db", "db.mark", "log/DATABASE", "log/gone"] {
                take(part);
            }
            "older database, and the deleted log is back".into()
        }
        _ => {
            for part in ["db", "db.mark", "log/a"] {
                take(part);
            }
            "older database and older log a".into()
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn damage_file(root: &Path, chance: &mut Chance) -> String {
    let mut files = files_below(root);
    files.sort();
    let files: Vec<&PathBuf> = files.iter().filter(|path| !path.ends_with("LOCK") && !path.ends_with("lock")).collect();
    let (journals, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    let group = if chance.below(3) == 0 { &journals } else { &others };
    let path = *chance.of(group);
    let bytes = crate::database::written_bytes(path).unwrap();
    let length = path.metadata().unwrap().len();
    let at = chance.below(bytes.len() as u64);
    let file = fs::File::options().write(true).open(path).unwrap();
    let what = match chance.below(5) {
        0 | 1 => {
            let byte = bytes.get(at as usize).copied().unwrap_or_default() ^ (1 << chance.below(8));
            file.write_all_at(&[byte], at).unwrap();
            format!("bit of byte {at} flipped")
        }
        2 => {
            let start = at / 4_096 * 4_096;
            let count = 4_096.min(length - start) as usize;
            file.write_all_at(&vec![0; count], start).unwrap();
            format!("page at {start} zeroed")
        }
        3 => {
            file.set_len(at).unwrap();
            format!("cut to {at} bytes")
        }
        _ => {
            fs::remove_file(path).unwrap();
            "removed".into()
        }
    };
    format!("{what} in {}", path.display())
}

/// The outcome of one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Refused,
    AllThere,
    /// A repair asks for a rename first, and changes nothing.
    RepairRefused,
    Repaired,
}

/// What a directory has, and what of it was deleted.
struct Found {
    events: Vec<(&'static str, Vec<Arc<Event>>)>,
    settings: usize,
    is_deleted_data_back: bool,
    is_deleted_workspace_back: bool,
    is_history_whole: bool,
}

async fn look(store: &EmbeddedStore) -> Found {
    let names = store.meta_store().workspaces().await.unwrap();
    let mut found = Found {
        events: Vec::new(),
        settings: 0,
        is_deleted_data_back: false,
        is_deleted_workspace_back: names.iter().any(|name| name.as_str() == "gone"),
        is_history_whole: true,
    };
    for workspace in ["a", "b"] {
        let pass = pass(workspace);
        start(store, workspace).await;
        found.events.push((workspace, store.event_log().read(&pass, 0, usize::MAX).await.unwrap().events));
        found.settings += store.meta_store().list(&pass, "settings/", None, 100).await.unwrap().len();
        let query =
            SeriesQuery { kpi: KpiName::new("k").unwrap(), labels: Labels::none(), from_ms: 0, to_ms: i64::MAX };
        let series = store.series_store().samples(&pass, &query, usize::MAX).await.unwrap();
        let times: Vec<i64> = series.iter().flat_map(|series| &series.rows).map(|row| row.timestamp_ms).collect();
        found.is_deleted_data_back |= times.iter().any(|time| *time < KEPT_FROM);
        found.is_history_whole &= times.iter().filter(|time| **time >= KEPT_FROM).count() == 11 * 20;
    }
    found
}

fn is_missing(missing: &[Missing], seq: Seq) -> bool {
    missing.iter().any(|lost| lost.first <= seq && (lost.is_open || lost.last.is_some_and(|last| seq <= last)))
}

async fn try_case(base: &Base, seed: u64) -> (Outcome, Option<Outcome>) {
    let scratch = base.now.copied();
    let what = damage(&scratch, &base.older, &mut Chance(seed));
    let case = format!("seed {seed}: {what}");
    let refusal = match EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()) {
        Ok(store) => {
            let found = look(&store).await;
            assert!(found.events == base.events, "{case}: events");
            assert_eq!(found.settings, 2 * SETTINGS, "{case}");
            assert!(!found.is_deleted_data_back && !found.is_deleted_workspace_back, "{case}: deleted data is back");
            assert!(found.is_history_whole, "{case}: history");
            return (Outcome::AllThere, None);
        }
        Err(error) => error.to_string(),
    };
    assert!(refusal.contains(&scratch.path().display().to_string()), "{case}: {refusal}");
    let report = check(scratch.path()).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert!(!report.is_clean(), "{case}: the doctor finds nothing; {refusal}");
    let before = content(&scratch.path().join("log"));
    let repairs = match repair(scratch.path(), 1_795_982_406_431) {
        Ok(repairs) => repairs,
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("Nothing was changed"), "{case}: {text}");
            assert!(["Rename it", "swap their", "Move "].iter().any(|advice| text.contains(advice)), "{case}: {text}");
            let is_log = |path: &Path| !path.ends_with("DATABASE") && !path.ends_with("DELETED");
            let changed = content(&scratch.path().join("log"))
                .into_iter()
                .find(|file| is_log(&file.0) && !before.iter().any(|old| old.0 == file.0 && old.1 == file.1));
            assert!(changed.is_none(), "{case}: {:?} was changed", changed.map(|file| file.0));
            return (Outcome::Refused, Some(Outcome::RepairRefused));
        }
    };
    let report = check(scratch.path()).unwrap();
    assert!(report.is_clean(), "{case}: {report:?}");
    let store = EmbeddedStore::open(scratch.path(), &EmbeddedSettings::default()).unwrap();
    let found = look(&store).await;
    for ((workspace, kept), (_, expected)) in found.events.iter().zip(&base.events) {
        assert!(kept.iter().all(|event| expected.contains(event)), "{case}: an event of {workspace} was never written");
        let missing: Vec<Missing> = repairs
            .logs
            .iter()
            .filter(|log| log.workspace.as_str() == *workspace)
            .flat_map(|log| log.missing.clone())
            .collect();
        for lost in expected.iter().filter(|event| !kept.contains(event)) {
            let doubted = |doubt: &String| {
                let next = kept.last().map_or(1, |event| event.seq + 1);
                doubt.contains(&format!("workspace {workspace}: the database was an older copy"))
                    && doubt.contains(&format!("number {next} on"))
                    && lost.seq >= next
            };
            let is_named = is_missing(&missing, lost.seq) || repairs.doubts.iter().any(doubted);
            assert!(is_named, "{case}: event {} of {workspace} is not named", lost.seq);
        }
    }
    assert!(!found.is_deleted_workspace_back, "{case}: a deleted workspace is back");
    let is_doubted = !repairs.doubts.is_empty()
        || repairs.database.iter().any(|finding| finding.damage.contains("although they were deleted"));
    assert!(!found.is_deleted_data_back || is_doubted, "{case}: deleted samples are back without a word");
    let lost_settings = found.settings < 2 * SETTINGS;
    let is_named =
        repairs.database.iter().any(|finding| finding.damage.contains("settings") && finding.damage.contains("lost"));
    assert!(!lost_settings || is_named, "{case}: {} settings, {:?}", found.settings, repairs.database);
    (Outcome::Refused, Some(Outcome::Repaired))
}

#[expect(clippy::print_stdout, reason = "a failed run is repeated with its seeds")]
async fn try_cases(is_closed: bool, offset: u64) {
    let from_environment = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let base = Arc::new(Base::new(is_closed).await);
    let seeds = match from_environment("EARCON_DAMAGE_SEED") {
        Some(seed) => seed..seed + 1,
        None => offset..offset + from_environment("EARCON_DAMAGES").unwrap_or(CASES) / 2,
    };
    println!("seeds {seeds:?}");
    let mut outcomes = Vec::new();
    let mut neither = Vec::new();
    for seed in seeds {
        let base = base.clone();
        match tokio::spawn(async move { try_case(&base, seed).await }).await {
            Ok(outcome) => outcomes.push(outcome),
            Err(_) => neither.push(seed),
        }
    }
    let count = |wanted| outcomes.iter().filter(|(start, repair)| *start == wanted || *repair == Some(wanted)).count();
    println!(
        "{} refused, {} all there, {} neither; of the refused {} repaired, {} left alone by the repair",
        count(Outcome::Refused),
        count(Outcome::AllThere),
        neither.len(),
        count(Outcome::Repaired),
        count(Outcome::RepairRefused)
    );
    assert!(neither.is_empty(), "seeds {neither:?} are neither refused nor without loss");
}

#[tokio::test]
async fn damage_of_a_closed_directory_is_refused_or_without_loss() {
    try_cases(true, 0).await;
}

#[tokio::test]
async fn damage_of_a_killed_directory_is_refused_or_without_loss() {
    try_cases(false, 1_000_000).await;
}
