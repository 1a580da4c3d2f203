//! Records by key in spaces, changed by compare-and-set through lightweight transactions. Settings
//! of a workspace are one space, and the accounts are another.
//!
//! A deleted record leaves a row with `live = false`, so that its revisions never repeat. Each
//! change carries a random `writer`. A writer that got no answer reads the row at serial
//! consistency and compares its `writer`.

use std::cmp::Ordering;
use std::sync::Arc;

use uuid::Uuid;

use super::database::{ConditionalResult, CqlDatabase, Prepared, Purpose};
use earcon_ports::{ErrorKind, MetaRecord, PortError, Revision};

/// Longest key accepted, bytes.
const MAX_KEY: usize = 1_024;
/// Most rows of one page that the database sends.
const LARGEST_PAGE: i32 = 500;
/// Attempts of a change whose result is unknown.
const ATTEMPTS: usize = 4;

/// The records of all spaces. A space is a partition of the table `meta`.
pub(super) struct CqlRecords {
    database: Arc<CqlDatabase>,
    get: Prepared,
    /// Reads at serial consistency.
    decided: Prepared,
    list_from: Prepared,
    list_between: Prepared,
    create: Prepared,
    change: Prepared,
    remove: Prepared,
}

/// A row: its revision, its value if it is live, and its writer.
struct Current {
    revision: i64,
    value: Option<Vec<u8>>,
    writer: Uuid,
}

/// A change of a row.
struct Change {
    /// The revision that it replaces. 0 means that the row does not exist.
    from: i64,
    /// Whether the replaced row is live.
    from_live: bool,
    value: Option<Vec<u8>>,
    writer: Uuid,
}

impl CqlRecords {
    /// Prepares the statements.
    pub(super) async fn open(database: Arc<CqlDatabase>) -> Result<Self, PortError> {
        const ROW: &str = "SELECT revision, live, value, writer FROM meta WHERE workspace = ? AND key = ?";
        const ALL: &str = "SELECT key, revision, live, value FROM meta WHERE workspace = ?";
        let create = "INSERT INTO meta (workspace, key, revision, live, value, writer) VALUES (?, ?, ?, ?, ?, ?) \
                      IF NOT EXISTS";
        let change = "UPDATE meta SET revision = ?, live = ?, value = ?, writer = ? WHERE workspace = ? AND key = ? \
                      IF revision = ? AND live = ?";
        Ok(Self {
            get: database.prepare(ROW, Purpose::Read).await?,
            decided: database.prepare(ROW, Purpose::SerialRead).await?,
            list_from: database.prepare(&format!("{ALL} AND key >= ?"), Purpose::Read).await?,
            list_between: database.prepare(&format!("{ALL} AND key >= ? AND key < ?"), Purpose::Read).await?,
            create: database.prepare(create, Purpose::Conditional).await?,
            change: database.prepare(change, Purpose::Conditional).await?,
            remove: database.prepare("DELETE FROM meta WHERE workspace = ?", Purpose::Write).await?,
            database,
        })
    }

    async fn current(&self, select: &Prepared, at: (&str, &str)) -> Result<Option<Current>, PortError> {
        let rows: Vec<(i64, bool, Option<Vec<u8>>, Uuid)> = self.database.rows(select, at).await?;
        Ok(rows.into_iter().next().map(|(revision, live, value, writer)| {
            let value = live.then(|| value.unwrap_or_default());
            Current { revision, value, writer }
        }))
    }

    /// Sends the change once.
    async fn send(&self, (workspace, key): (&str, &str), change: &Change) -> Result<ConditionalResult, PortError> {
        let (revision, live) = (change.from + 1, change.value.is_some());
        let Change { from, from_live, value, writer } = change;
        if *from == 0 {
            return self.database.conditionally(&self.create, (workspace, key, revision, live, value, writer)).await;
        }
        let values = (revision, live, value, writer, workspace, key, from, from_live);
        self.database.conditionally(&self.change, values).await
    }

    /// Sends the change until its result is known. Returns the new revision.
    async fn decide(&self, at: (&str, &str), expected: Revision, mut change: Change) -> Result<Revision, PortError> {
        let mut silence = None;
        for _ in 0..ATTEMPTS {
            match self.send(at, &change).await? {
                ConditionalResult::Applied => return Ok((change.from + 1) as Revision),
                ConditionalResult::NotApplied => {}
                ConditionalResult::Unknown(error) => silence = Some(error),
            }
            // A read at serial consistency also completes a change that was started and not
            // finished.
            let current = self.current(&self.decided, at).await?;
            let (revision, live) = current.as_ref().map_or((0, false), |row| (row.revision, row.value.is_some()));
            if current.is_some_and(|row| row.writer == change.writer) {
                return Ok(revision as Revision);
            }
            match revision.cmp(&change.from) {
                // Not applied so far. It may still be in flight; sending it again cannot apply it
                // twice.
                Ordering::Equal if live == change.from_live => {}
                // The record was deleted after the first read.
                Ordering::Greater if expected == 0 && !live && silence.is_none() => change.from = revision,
                // This change may have been applied and then overwritten. The result cannot be
                // determined.
                Ordering::Greater if silence.is_some() && revision > change.from + 1 => break,
                _ => return Err(conflict(if live { revision } else { 0 }, expected)),
            }
        }
        Err(silence.unwrap_or_else(|| PortError::new(ErrorKind::Unavailable, "too many changes of one record at once")))
    }

    /// The record under `key` in `space`.
    pub(super) async fn get(&self, space: &str, key: &str) -> Result<Option<MetaRecord>, PortError> {
        valid(key)?;
        Ok(live(key, self.current(&self.get, (space, key)).await?))
    }

    /// The same, at least as new as any change that was finished before.
    pub(super) async fn get_newest(&self, space: &str, key: &str) -> Result<Option<MetaRecord>, PortError> {
        valid(key)?;
        Ok(live(key, self.current(&self.decided, (space, key)).await?))
    }

    /// At most `limit` records of `space` whose key starts with `prefix` and is above `after`.
    pub(super) async fn list(
        &self,
        space: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MetaRecord>, PortError> {
        // The least key above `after` has a zero character behind it.
        let above = after.map(|after| format!("{after}\0")).unwrap_or_default();
        let start = above.as_str().max(prefix);
        let rows = i32::try_from(limit).unwrap_or(i32::MAX).clamp(1, LARGEST_PAGE);
        let mut pages = match end_of(prefix) {
            None => self.database.pages(&self.list_from.clone().in_pages_of(rows), (space, start))?,
            Some(end) if start >= end.as_str() => return Ok(Vec::new()),
            Some(end) => self.database.pages(&self.list_between.clone().in_pages_of(rows), (space, start, end))?,
        };
        let mut records = Vec::new();
        while records.len() < limit
            && let Some(rows) = pages.next().await?
        {
            let rows: Vec<(String, i64, bool, Option<Vec<u8>>)> = rows;
            let live = rows.into_iter().filter(|(_, _, live, _)| *live);
            records.extend(live.take(limit - records.len()).map(|(key, revision, _, value)| MetaRecord {
                key,
                revision: revision as Revision,
                value: value.unwrap_or_default(),
            }));
        }
        Ok(records)
    }

    /// Writes a record if its revision is `expected`. Returns the new revision.
    pub(super) async fn put(
        &self,
        space: &str,
        key: &str,
        expected: Revision,
        value: Vec<u8>,
    ) -> Result<Revision, PortError> {
        valid(key)?;
        let (from, at) = (revision(expected)?, (space, key));
        let mut change = Change { from, from_live: expected != 0, value: Some(value), writer: Uuid::new_v4() };
        // A new record continues the revisions of a deleted one.
        if expected == 0
            && let Some(Current { revision, value: None, .. }) = self.current(&self.get, at).await?
        {
            change.from = revision;
        }
        self.decide(at, expected, change).await
    }

    /// Removes a record if its revision is `expected`.
    pub(super) async fn delete(&self, space: &str, key: &str, expected: Revision) -> Result<(), PortError> {
        valid(key)?;
        if expected == 0 {
            return Err(PortError::new(ErrorKind::Invalid, "a record that does not exist cannot be deleted"));
        }
        let change = Change { from: revision(expected)?, from_live: true, value: None, writer: Uuid::new_v4() };
        self.decide((space, key), expected, change).await.map(|_| ())
    }

    /// Removes all records of a space.
    pub(super) async fn clear(&self, space: &str) -> Result<(), PortError> {
        self.database.execute(&self.remove, (space,)).await.map(drop)
    }
}

fn live(key: &str, current: Option<Current>) -> Option<MetaRecord> {
    let Current { revision, value, .. } = current?;
    Some(MetaRecord { key: key.to_owned(), revision: revision as Revision, value: value? })
}

fn valid(key: &str) -> Result<(), PortError> {
    if key.is_empty() || key.len() > MAX_KEY {
        let text = format!("a key has 1 to {MAX_KEY} bytes, not {}", key.len());
        return Err(PortError::new(ErrorKind::Invalid, text));
    }
    Ok(())
}

/// The revision as the database stores it. A revision outside of its range cannot be current.
fn revision(expected: Revision) -> Result<i64, PortError> {
    let known = i64::try_from(expected).ok().filter(|revision| *revision < i64::MAX);
    known.ok_or_else(|| PortError::new(ErrorKind::Conflict, format!("no record is at revision {expected}")))
}

fn conflict(current: i64, expected: Revision) -> PortError {
    PortError::new(ErrorKind::Conflict, format!("the record is at revision {current}, not at {expected}"))
}

/// The first text after all texts with this `prefix`, in the order of characters. `None` if there
/// is none.
fn end_of(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // The range of characters skips the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_after_a_prefix_is_the_next_one_without_it() {
        assert_eq!(end_of("mix/").as_deref(), Some("mix0"));
        assert_eq!(end_of("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(end_of("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of("\u{10ffff}"), None);
        assert!("mix/\u{10ffff}\u{10ffff}" < "mix0");
    }
}
