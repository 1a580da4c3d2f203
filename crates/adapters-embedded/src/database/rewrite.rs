//! Writing a new database from the records of a damaged one.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use fjall::{KvPair, PersistMode, UserKey, UserValue};

use super::commit_numbers::{self, AFTER_NUMBERS, Lost};
use super::inspect::{Layout, lost_sentence};
use super::instance::Instance;
use super::mark::Numbers;
use super::marks::StoredMarks;
use super::open::{Failure, create_in, guarded, numbers_of};
use super::salvage::Salvage;
use super::snapshot::{Entry, Snapshot};
use super::table::{TABLES, Table, is_history, words};
use crate::event_log::deleted::KEYS;
use crate::series_store;
use crate::settings::EmbeddedSettings;

/// Records written in one batch.
const BATCH: usize = 1_000;

/// The records that are left of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    records: u64,
    /// Whether a record could not be read.
    is_cut: bool,
    lost: Option<Lost>,
    /// Whether all table files were found, and a mark says that no commit is missing.
    is_all: bool,
}

impl Kept {
    pub(super) fn sentence(&self, code: usize) -> String {
        let mut text = format!("{} records of the {} were kept", self.records, words(code));
        text += match (self.is_cut, self.lost, self.is_all) {
            (true, ..) => ", and at least one was lost",
            (false, None, true) => ", none is lost",
            (false, None, false) => ", and others may be lost",
            (false, Some(_), _) => "",
        };
        if code == Table::of_snapshots().code() && (self.is_cut || self.lost.is_some()) {
            text += "; scoring begins again from the logs";
        }
        if let Some(lost) = self.lost {
            text += &format!("; {}", lost_sentence(code, lost));
        }
        text
    }
}

/// The content of the new database.
pub(super) struct Rewritten {
    pub(super) kept: [Kept; TABLES.len()],
    /// Whether the cursors of history are at the beginning, so that it is read again.
    pub(super) is_rewound: bool,
    /// Whether commits of any table may be lost, except those of the snapshots.
    pub(super) is_lacking: bool,
}

/// Writes the new database at `target`, durably. `numbers` are those of its last commits.
pub(super) fn rewrite(
    salvage: &mut Salvage,
    target: &Path,
    marks: &StoredMarks,
    identity: u64,
    numbers: &Numbers,
) -> Result<Rewritten, Failure> {
    let old = salvage.open()?;
    let snapshot = old.snapshot();
    let new = guarded(|| create_in(&Layout::new(target), &EmbeddedSettings::default(), identity, numbers))?;
    let mut kept = [Kept { records: 0, is_cut: false, lost: None, is_all: false }; TABLES.len()];
    let mut gaps = Vec::new();
    for table in Table::all() {
        let kept = &mut kept[table.code()];
        kept.lost = match guarded(|| Ok(numbers_of(&snapshot, table))) {
            Ok(Ok((present, _))) => commit_numbers::examine(&present, marks.numbers()[table.code()]).err(),
            _ => Some(Lost::Everything),
        };
        kept.is_all = marks.identity().is_some() && !salvage.is_in_doubt(table);
        let mut writer = Writer::new(table, &new);
        if let Some(gap) = writer.copy_table(&snapshot)? {
            kept.is_cut = true;
            gaps.push((table, gap));
        }
        kept.records = writer.end()?;
    }
    drop((snapshot, old));
    if !gaps.is_empty() {
        fill_gaps(salvage, &gaps, &new, &mut kept)?;
    }
    let snapshots = &mut kept[Table::of_snapshots().code()];
    if snapshots.is_cut || snapshots.lost.is_some() || salvage.is_in_doubt(Table::of_snapshots()) {
        // States without some of their parts would hide series. A start that finds none at all
        // scores the logs again.
        guarded(|| clear(&new, Table::of_snapshots()))?;
        (snapshots.records, snapshots.is_cut) = (0, true);
    }
    let is_in_doubt = |table: &Table| {
        let kept = &kept[table.code()];
        kept.is_cut || kept.lost.is_some() || salvage.is_in_doubt(*table)
    };
    let is_rewound = Table::all().iter().any(|table| is_history(table.code()) && is_in_doubt(table));
    let is_lacking = Table::all().iter().any(|table| *table != Table::of_snapshots() && is_in_doubt(table));
    if is_rewound {
        guarded(|| rewind(&new))?;
    }
    guarded(|| new.persist(PersistMode::SyncAll))?;
    Ok(Rewritten { kept, is_rewound, is_lacking })
}

/// Keys between which records could not be read.
type Gap = (Bound<UserKey>, Bound<UserKey>);

/// Copies what the whole table files have between the records that could not be read.
fn fill_gaps(
    salvage: &mut Salvage,
    gaps: &[(Table, Gap)],
    new: &Arc<Instance>,
    kept: &mut [Kept; TABLES.len()],
) -> Result<(), Failure> {
    let old = salvage.open_whole_files()?;
    let snapshot = old.snapshot();
    for (table, gap) in gaps {
        let mut writer = Writer::new(*table, new);
        let mut entries = snapshot.range(*table, gap.clone());
        while let Some(Ok((key, value))) = read(|| entries.next()) {
            writer.add(key, value)?;
        }
        kept[table.code()].records += writer.end()?;
    }
    Ok(())
}

/// Writes the records of a table to the new database.
struct Writer<'a> {
    table: Table,
    to: &'a Arc<Instance>,
    batch: fjall::OwnedWriteBatch,
    count: u64,
}

impl<'a> Writer<'a> {
    fn new(table: Table, to: &'a Arc<Instance>) -> Self {
        Self { table, to, batch: to.batch(BATCH), count: 0 }
    }

    fn add(&mut self, key: UserKey, value: UserValue) -> Result<(), Failure> {
        self.batch.insert(self.to.keyspace(self.table), key, value);
        self.count += 1;
        if self.batch.len() >= BATCH {
            let full = std::mem::replace(&mut self.batch, self.to.batch(BATCH));
            guarded(|| full.commit())?;
        }
        Ok(())
    }

    /// Writes the rest, and returns how many records were added.
    fn end(self) -> Result<u64, Failure> {
        let Self { batch, count, .. } = self;
        guarded(|| batch.commit())?;
        Ok(count)
    }

    /// Copies all records. Behind one that cannot be read, it goes on from the end of the table
    /// backwards. Returns between which keys records are missing.
    fn copy_table(&mut self, from: &Snapshot) -> Result<Option<Gap>, Failure> {
        let mut is_cut = false;
        // They are among the keys that `iter` leaves out.
        let mut deleted = from.prefix(self.table, KEYS);
        while let Some(record) = read(|| deleted.next()) {
            let Ok((key, value)) = record else {
                is_cut = true;
                break;
            };
            self.add(key, value)?;
        }
        let (mut entries, mut last) = (from.iter(self.table), Bound::Included(UserKey::from(AFTER_NUMBERS)));
        loop {
            match read(|| entries.next()) {
                None => break,
                Some(Err(Unreadable)) => {
                    let end = self.copy_backwards(from, &last)?;
                    return Ok(Some((last, end)));
                }
                Some(Ok((key, value))) => {
                    last = Bound::Excluded(key.clone());
                    self.add(key, value)?;
                }
            }
        }
        Ok(is_cut.then_some((last, Bound::Unbounded)))
    }

    /// Copies records from the end on, down to `first`. Returns where it stopped.
    fn copy_backwards(&mut self, from: &Snapshot, first: &Bound<UserKey>) -> Result<Bound<UserKey>, Failure> {
        let (mut entries, mut end) = (from.iter(self.table), Bound::Unbounded);
        while let Some(Ok((key, value))) = read(|| entries.next_back()) {
            if matches!(first, Bound::Excluded(first) if key <= *first) {
                break;
            }
            end = Bound::Excluded(key.clone());
            self.add(key, value)?;
        }
        Ok(end)
    }
}

/// A record that is lost.
struct Unreadable;

/// Reads the next record. A panic of fjall means that the record cannot be read.
fn read(next: impl FnOnce() -> Option<Entry>) -> Option<Result<KvPair, Unreadable>> {
    let record = catch_unwind(AssertUnwindSafe(|| next().map(Entry::into_inner)));
    match record {
        Ok(record) => record.map(|record| record.map_err(|_| Unreadable)),
        Err(_panic) => Some(Err(Unreadable)),
    }
}

/// Puts the cursors of history to the beginning of the logs. One that cannot be read stays.
fn rewind(instance: &Arc<Instance>) -> fjall::Result<()> {
    let table = Table::of_heads();
    let mut batch = instance.batch(0);
    for entry in instance.snapshot().iter(table) {
        let Ok((key, value)) = entry.into_inner() else { break };
        if let Some(rewound) = series_store::rewound(&value) {
            batch.insert(instance.keyspace(table), key, rewound);
        }
    }
    batch.commit()
}

/// Removes the records of a table, but not the numbers of its commits.
fn clear(instance: &Arc<Instance>, table: Table) -> fjall::Result<()> {
    let mut batch = instance.batch(BATCH);
    for entry in instance.snapshot().iter(table) {
        let Ok((key, _)) = entry.into_inner() else { break };
        batch.remove(instance.keyspace(table), key);
        if batch.len() >= BATCH {
            std::mem::replace(&mut batch, instance.batch(BATCH)).commit()?;
        }
    }
    batch.commit()
}
