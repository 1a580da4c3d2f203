//! A directory with known content, in table files and in several journals.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::tests::{Scratch, pass};
use crate::{EmbeddedSettings, EmbeddedStore};
use earcon_model::{Event, KpiName, Labels, ScoredSample, SeriesEvent, SeriesSamples, SeriesStatus};
use earcon_ports::{ErrorKind, PortError, SeriesQuery, Snapshot, StoredBatch};

/// Parts of the content, and records in each part.
pub(super) const PARTS: u64 = 3;
const SETTINGS: u64 = 40;
const SNAPSHOTS: u64 = 3;
const ROWS: i64 = 600;

/// How the last process that used a directory ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    Closed,
    Dropped,
    /// A copy of the files of a running process, as they are after `kill -9`.
    Killed,
}

/// A directory with all parts.
pub(super) async fn directory(ended: Ended) -> Scratch {
    let scratch = Scratch::new();
    let store = scratch.open();
    for part in 0..PARTS {
        add(&store, part).await;
        if part + 1 < PARTS {
            write_table_files(&store, part);
        }
    }
    let scratch = match ended {
        Ended::Closed => {
            store.close().await.unwrap();
            scratch
        }
        Ended::Dropped => {
            drop(store);
            scratch
        }
        Ended::Killed => scratch.copied(),
    };
    split_journal(scratch.path());
    scratch
}

/// Makes three journals of the one, as if it had grown large, and shortens the zeros at the ends.
fn split_journal(dir: &Path) {
    let path = |number: u64| dir.join(format!("db/{number}.jnl"));
    let bytes = super::super::journal::read(&path(0)).unwrap();
    let ends = super::super::journal::ends(&bytes);
    let cuts = [0, ends[ends.len() / 3], ends[ends.len() * 2 / 3], bytes.len()];
    for (number, cut) in cuts.windows(2).enumerate() {
        let journal = [&bytes[cut[0]..cut[1]], &[0; 9_000]].concat();
        std::fs::write(path(number as u64), journal).unwrap();
    }
}

/// Writes one part of the content. Its last commit is synced.
async fn add(store: &EmbeddedStore, part: u64) {
    let (meta, series, snapshots) = (store.meta_store(), store.series_store(), store.snapshot_store());
    for i in 0..SETTINGS {
        if i % (SETTINGS / SNAPSHOTS) == 1 {
            snapshots.put(&pass("w"), snapshot(part, i)).await.unwrap();
        }
        meta.put(&pass("w"), &format!("k{part}-{i:03}"), 0, value(part, i)).await.unwrap();
    }
    series.apply(&pass("w"), StoredBatch { events: vec![event(part)] }).await.unwrap();
    series.flush(&pass("w")).await.unwrap();
}

/// Table files for some tables only, so that older journals are kept for the others.
fn write_table_files(store: &EmbeddedStore, part: u64) {
    let database = &store.database;
    let tables = match part {
        0 => vec![database.meta, database.history.blocks],
        _ => vec![database.meta, database.snapshots, database.history.open],
    };
    for table in tables {
        database.current.reading().unwrap().keyspace(table).rotate_memtable_and_wait().unwrap();
    }
}

fn value(part: u64, i: u64) -> Vec<u8> {
    format!("value {part} {i} ").into_bytes().repeat(8)
}

fn snapshot(part: u64, i: u64) -> Snapshot {
    let kpi = KpiName::new(&format!("k{part}.{i}")).unwrap();
    Snapshot { kpi, part: 0, seq: i, state: vec![i as u8; 5_000] }
}

fn event(part: u64) -> Arc<Event> {
    let sample = |i: i64| {
        let value = ((i * 7 + part as i64) % 1_009) as f64 / 3.0;
        let timestamp_ms = (part as i64 * ROWS + i) * 1_000;
        ScoredSample { timestamp_ms, value, score: Some(0.5), expected: value, lower: value, upper: value }
    };
    let part_of_series = SeriesSamples {
        labels: Labels::none(),
        samples: (0..ROWS).map(sample).collect(),
        late: Vec::new(),
        features: None,
        status: SeriesStatus::Normal,
        counter: None,
        looks_like: None,
    };
    Arc::new(Event::new(part + 1, 0, KpiName::new("k").unwrap(), SeriesEvent::Samples(vec![part_of_series])))
}

/// What a store of the directory answers. A failed read counts only if the error says where.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// Reads that failed as damage.
    pub(super) refused: usize,
    /// Records that are not as they were written.
    pub(super) missing: Vec<String>,
}

impl Answers {
    pub(super) fn is_whole(&self) -> bool {
        self.refused == 0 && self.missing.is_empty()
    }

    fn read<T>(&mut self, result: Result<T, PortError>) -> Option<T> {
        match result {
            Ok(found) => Some(found),
            Err(error) => {
                let text = error.to_string();
                assert_eq!(error.kind, ErrorKind::Corrupt, "{text}");
                assert!(text.contains("db/keyspaces/") && text.contains("earcon doctor"), "{text}");
                assert!(!text.contains("Error"), "a name of the code: {text}");
                self.refused += 1;
                None
            }
        }
    }

    fn expect(&mut self, is_there: bool, record: impl FnOnce() -> String) {
        if !is_there {
            self.missing.push(record());
        }
    }
}

/// Reads everything.
pub(super) async fn answers(store: &EmbeddedStore) -> Answers {
    let mut answers = Answers::default();
    let (meta, snapshots) = (store.meta_store(), store.snapshot_store());
    for part in 0..PARTS {
        for i in 0..SETTINGS {
            let key = format!("k{part}-{i:03}");
            if let Some(found) = answers.read(meta.get(&pass("w"), &key).await) {
                answers.expect(found.is_some_and(|record| record.value == value(part, i)), || key);
            }
            if i % (SETTINGS / SNAPSHOTS) == 1 {
                let wanted = snapshot(part, i);
                if let Some(found) = answers.read(snapshots.get(&pass("w"), &wanted.kpi).await) {
                    answers.expect(found == [wanted.clone()], || wanted.kpi.to_string());
                }
            }
        }
    }
    if let Some(list) = answers.read(meta.list(&pass("w"), "k", None, usize::MAX).await) {
        answers.expect(list.len() as u64 == PARTS * SETTINGS, || format!("{} settings in the list", list.len()));
    }
    let query = SeriesQuery { kpi: KpiName::new("k").unwrap(), labels: Labels::none(), from_ms: 0, to_ms: i64::MAX };
    if let Some(found) = answers.read(store.series_store().samples(&pass("w"), &query, usize::MAX).await) {
        let rows: usize = found.iter().map(|series| series.rows.len()).sum();
        answers.expect(rows as i64 == PARTS as i64 * ROWS, || format!("{rows} rows of history"));
    }
    answers
}

pub(super) fn open(dir: &Path) -> Result<EmbeddedStore, crate::OpenError> {
    EmbeddedStore::open(dir, &EmbeddedSettings::default())
}

/// All files and folders below `path`, in order.
pub(super) fn paths(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(paths(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

/// The name of a file in the data directory.
pub(super) fn shown(dir: &Path, path: &Path) -> String {
    path.strip_prefix(dir).unwrap_or(path).display().to_string()
}
