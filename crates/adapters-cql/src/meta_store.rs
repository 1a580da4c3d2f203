//! Settings with compare-and-set, through lightweight transactions.
//!
//! A deleted record leaves a row with `live = false`, so that its revisions never repeat. Each
//! change carries a random `writer`. A writer that got no answer reads the row at serial
//! consistency and compares its `writer`.

use std::cmp::Ordering;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::database::{ConditionalResult, CqlDatabase, Prepared, Purpose};
use super::workspace_names::WorkspaceNames;
use earcon_model::WorkspaceKey;
use earcon_ports::{ErrorKind, MetaRecord, MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// Longest key accepted, bytes.
const MAX_KEY: usize = 1_024;
/// Most rows of one page that the database sends.
const LARGEST_PAGE: i32 = 500;
/// Attempts of a change whose result is unknown.
const ATTEMPTS: usize = 4;

/// The settings of all workspaces.
pub struct CqlMeta {
    database: Arc<CqlDatabase>,
    names: WorkspaceNames,
    get: Prepared,
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

impl CqlMeta {
    /// Prepares the statements.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn open(database: Arc<CqlDatabase>) -> Result<Self, PortError> {
        const ROW: &str = "SELECT revision, live, value, writer FROM meta WHERE workspace = ? AND key = ?";
        const ALL: &str = "SELECT key, revision, live, value FROM meta WHERE workspace = ?";
        let create = "INSERT INTO meta (workspace, key, revision, live, value, writer) VALUES (?, ?, ?, ?, ?, ?) \
                      IF NOT EXISTS";
        let change = "UPDATE meta SET revision = ?, live = ?, value = ?, writer = ? WHERE workspace = ? AND key = ? \
                      IF revision = ? AND live = ?";
        Ok(Self {
            names: WorkspaceNames::open(database.clone()).await?,
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
}

#[async_trait]
impl MetaStore for CqlMeta {
    async fn get(&self, pass: &WorkspacePass, key: &str) -> Result<Option<MetaRecord>, PortError> {
        valid(key)?;
        let current = self.current(&self.get, (pass.key().as_str(), key)).await?;
        Ok(current.and_then(|row| {
            let revision = row.revision as Revision;
            row.value.map(|value| MetaRecord { key: key.to_owned(), revision, value })
        }))
    }

    async fn list(
        &self,
        pass: &WorkspacePass,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MetaRecord>, PortError> {
        let workspace = pass.key().as_str();
        // The least key above `after` has a zero character behind it.
        let above = after.map(|after| format!("{after}\0")).unwrap_or_default();
        let start = above.as_str().max(prefix);
        let rows = i32::try_from(limit).unwrap_or(i32::MAX).clamp(1, LARGEST_PAGE);
        let mut pages = match end_of(prefix) {
            None => self.database.pages(&self.list_from.clone().in_pages_of(rows), (workspace, start))?,
            Some(end) if start >= end.as_str() => return Ok(Vec::new()),
            Some(end) => self.database.pages(&self.list_between.clone().in_pages_of(rows), (workspace, start, end))?,
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

    async fn put(
        &self,
        pass: &WorkspacePass,
        key: &str,
        expected: Revision,
        value: Vec<u8>,
    ) -> Result<Revision, PortError> {
        valid(key)?;
        let from = revision(expected)?;
        self.names.remember(pass.key()).await?;
        let at = (pass.key().as_str(), key);
        let mut change = Change { from, from_live: expected != 0, value: Some(value), writer: Uuid::new_v4() };
        // A new record continues the revisions of a deleted one.
        if expected == 0
            && let Some(Current { revision, value: None, .. }) = self.current(&self.get, at).await?
        {
            change.from = revision;
        }
        self.decide(at, expected, change).await
    }

    async fn delete(&self, pass: &WorkspacePass, key: &str, expected: Revision) -> Result<(), PortError> {
        valid(key)?;
        if expected == 0 {
            return Err(PortError::new(ErrorKind::Invalid, "a record that does not exist cannot be deleted"));
        }
        let from = revision(expected)?;
        let change = Change { from, from_live: true, value: None, writer: Uuid::new_v4() };
        self.decide((pass.key().as_str(), key), expected, change).await.map(|_| ())
    }

    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        self.database.execute(&self.remove, (pass.key().as_str(),)).await?;
        self.names.forget(pass.key()).await
    }

    async fn workspaces(&self) -> Result<Vec<WorkspaceKey>, PortError> {
        self.names.all().await
    }
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
    use super::super::tests::{Proxy, fresh, migrated, open};
    use super::*;
    use crate::CqlSettings;
    use earcon_contract as contract;

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn keeps_the_contract() {
        let database = open().await;
        let store = Arc::new(CqlMeta::open(database).await.unwrap());
        contract::meta_store(|| store.clone()).await;
    }

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn revisions_continue_after_a_deletion_on_another_node() {
        let database = open().await;
        let (one, other) = (CqlMeta::open(database.clone()).await.unwrap(), CqlMeta::open(database).await.unwrap());
        let pass = fresh();
        assert_eq!(one.put(&pass, "k", 0, vec![1]).await.unwrap(), 1);
        other.delete(&pass, "k", 1).await.unwrap();
        assert_eq!(one.put(&pass, "k", 0, vec![2]).await.unwrap(), 3);
        other.delete(&pass, "k", 3).await.unwrap();
        assert_eq!(other.get(&pass, "k").await.unwrap(), None);
        assert_eq!(other.put(&pass, "k", 3, vec![3]).await.unwrap_err().kind, ErrorKind::Conflict);
    }

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn change_without_an_answer_is_applied_once() {
        let settings = migrated().await;
        let proxy = Proxy::before(settings.nodes[0].clone()).await;
        let settings = CqlSettings { nodes: vec![proxy.address.clone()], ..settings };
        let store = CqlMeta::open(Arc::new(CqlDatabase::open(&settings).await.unwrap())).await.unwrap();
        let pass = fresh();
        store.put(&pass, "other", 0, vec![]).await.unwrap();
        let lossy = async |change: std::pin::Pin<Box<dyn Future<Output = Result<Revision, PortError>> + Send + '_>>| {
            proxy.lose_answers();
            tokio::join!(change, proxy.after_a_loss()).0.unwrap()
        };
        assert_eq!(lossy(store.put(&pass, "k", 0, vec![1])).await, 1);
        assert_eq!(lossy(store.put(&pass, "k", 1, vec![2])).await, 2);
        assert_eq!(store.get(&pass, "k").await.unwrap().unwrap().value, [2]);
        lossy(Box::pin(async { store.delete(&pass, "k", 2).await.map(|()| 0) })).await;
        assert_eq!(store.get(&pass, "k").await.unwrap(), None);
        assert_eq!(lossy(store.put(&pass, "k", 0, vec![4])).await, 4);
    }

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn more_records_than_a_page_are_listed() {
        let database = open().await;
        let store = &CqlMeta::open(database).await.unwrap();
        let pass = &fresh();
        let keys: Vec<String> = (0..40).map(|i| format!("p/{i:02}")).collect();
        for key in keys.iter().map(String::as_str).chain(["p", "p0", "q/1"]) {
            store.put(pass, key, 0, key.into()).await.unwrap();
        }
        let listed = async |after: Option<&str>, limit| {
            let records = store.list(pass, "p/", after, limit).await.unwrap();
            records.into_iter().map(|record| record.key).collect::<Vec<_>>()
        };
        assert_eq!(listed(None, 100).await, keys);
        assert_eq!(listed(Some("p/06"), 7).await, keys[7..14]);
        // Tombstones fill whole pages of rows.
        for key in &keys[3..20] {
            store.delete(pass, key, 1).await.unwrap();
        }
        assert_eq!(listed(Some("p/01"), 3).await, ["p/02", "p/20", "p/21"]);
    }

    #[test]
    fn text_after_a_prefix_is_the_next_one_without_it() {
        assert_eq!(end_of("mix/").as_deref(), Some("mix0"));
        assert_eq!(end_of("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(end_of("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of("\u{10ffff}"), None);
        assert!("mix/\u{10ffff}\u{10ffff}" < "mix0");
    }
}
