//! The mutes of each workspace: kept in the MetaStore, remembered here.
//!
//! Not an actor: a shared table. A change made on this node holds at once, a change of another node
//! within a few seconds. Streams read a [snapshot](MuteReader) that a task keeps fresh, so they
//! wait for no store. **A crash loses** nothing: all mutes are in the store.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::mutes::{Mute, MuteDocument, Mutes};
use earcon_model::{Clock, EventBody, WorkspaceId};
use earcon_ports::{ErrorKind, MetaRecord, MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// Under which mutes are kept.
const PREFIX: &str = "mute/";
/// How long mutes are believed without another look.
const FRESH: Duration = Duration::from_secs(3);
/// Longest time a caller waits for a reload.
const PATIENCE: Duration = Duration::from_millis(500);
/// Windows of repeated mutes are computed again after this time.
const REWORKED_AFTER_MS: i64 = 86_400_000;
/// No identifier is longer.
const LONGEST_ID: usize = 64;
/// Most mutes of a workspace.
const MOST: usize = 500;
/// Mutes that are over are removed this long afterwards, when another is made.
const KEPT_AFTER_MS: i64 = 30 * 86_400_000;

/// A mute as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    document: MuteDocument,
    created_at: i64,
    created_by: String,
}

/// A mute with its revision and who made it.
#[derive(Debug, Clone)]
pub struct StoredMute {
    /// What it says.
    pub mute: Mute,
    /// For compare-and-set.
    pub revision: Revision,
    /// Wall time, milliseconds UTC.
    pub created_at_ms: i64,
    /// The principal that made it.
    pub created_by: String,
}

/// Why a mute was not kept.
#[derive(Debug, thiserror::Error)]
pub enum MuteError {
    /// What is wrong with the document, all of it.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// The workspace has as many as it may have.
    #[error("a workspace may have at most {MOST} mutes; remove some first")]
    TooMany,
    /// There is no mute with this name.
    #[error("there is no such mute")]
    Unknown,
    /// The store said no.
    #[error(transparent)]
    Store(#[from] PortError),
}

/// The mutes of all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct Muting {
    meta: Arc<dyn MetaStore>,
    clock: Arc<dyn Clock>,
    by_workspace: Arc<RwLock<HashMap<WorkspaceId, Entry>>>,
}

#[derive(Clone)]
struct Entry {
    mutes: Arc<Mutes>,
    /// What the mutes were made of.
    revisions: Arc<Vec<(String, Revision)>>,
    worked_out_ms: i64,
    /// When the read began that found them.
    read_at: Instant,
    /// When the last reload began.
    looked_at: Instant,
}

impl Muting {
    /// Nothing known yet.
    pub fn new(meta: Arc<dyn MetaStore>, clock: Arc<dyn Clock>) -> Self {
        Self { meta, clock, by_workspace: Arc::default() }
    }

    /// The mutes of a workspace, at most a few seconds old; those known before when the store does
    /// not answer in time.
    pub async fn of(&self, pass: &WorkspacePass) -> Arc<Mutes> {
        let known = self.known(pass.workspace());
        if let Some(entry) = &known {
            if entry.looked_at.elapsed() < FRESH {
                return entry.mutes.clone();
            }
            // Other callers use the known mutes during the reload.
            self.remember(pass.workspace(), Entry { looked_at: Instant::now(), ..entry.clone() });
        }
        let failure = match tokio::time::timeout(PATIENCE, self.look(pass)).await {
            Ok(Ok(mutes)) => return mutes,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store does not answer in time".to_owned(),
        };
        tracing::warn!(workspace = %pass.workspace(), error = failure, "mutes cannot be read; what is known holds");
        known.map(|entry| entry.mutes).unwrap_or_default()
    }

    /// Reads the mutes of a workspace and keeps them fresh for as long as the reader or a clone of
    /// it exists.
    ///
    /// # Errors
    /// If they cannot be read and are not known from before: without them, muted anomalies
    /// would alert.
    pub async fn follow(&self, pass: &WorkspacePass) -> Result<MuteReader, PortError> {
        if let Err(error) = self.refresh(pass).await {
            if self.known(pass.workspace()).is_none() {
                return Err(error);
            }
            tracing::warn!(workspace = %pass.workspace(), %error, "mutes cannot be read; the known ones hold");
        }
        Ok(MuteReader::start(self.clone(), pass.clone()))
    }

    async fn refresh(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        let read = tokio::time::timeout(FRESH, self.look(pass)).await;
        let too_slow = |_| PortError::new(ErrorKind::Unavailable, "the store does not answer in time");
        read.map_err(too_slow)?.map(drop)
    }

    /// All mutes of a workspace as they are stored now, in order of their identifiers.
    pub async fn list(&self, pass: &WorkspacePass) -> Result<Vec<StoredMute>, PortError> {
        let now_ms = self.clock.now_ms();
        let records = self.meta.list(pass, PREFIX).await?;
        Ok(records.iter().filter_map(|record| restored(record, now_ms)).collect())
    }

    /// One mute.
    pub async fn one(&self, pass: &WorkspacePass, id: &str) -> Result<Option<StoredMute>, PortError> {
        if id.len() > LONGEST_ID {
            return Ok(None);
        }
        let record = self.meta.get(pass, &format!("{PREFIX}{id}")).await?;
        Ok(record.and_then(|record| restored(&record, self.clock.now_ms())))
    }

    /// Makes a mute, durably.
    pub async fn create(&self, pass: &WorkspacePass, document: MuteDocument) -> Result<StoredMute, MuteError> {
        let now_ms = self.clock.now_ms();
        let id = uuid::Uuid::new_v4().to_string();
        let mute = checked(id.clone(), document, now_ms).await?;
        let mut there = 0;
        for record in self.meta.list(pass, PREFIX).await? {
            let over = restored(&record, now_ms).is_some_and(|old| old.mute.is_over(now_ms - KEPT_AFTER_MS));
            // One that is changed at this moment stays.
            if !over || self.meta.delete(pass, &record.key, record.revision).await.is_err() {
                there += 1;
            }
        }
        if there >= MOST {
            return Err(MuteError::TooMany);
        }
        let created_by = pass.principal().to_string();
        self.keep(pass, mute, 0, now_ms, created_by).await
    }

    /// Replaces a mute, durably. With `expected`, only if that is still its revision.
    pub async fn replace(
        &self,
        pass: &WorkspacePass,
        id: &str,
        document: MuteDocument,
        expected: Option<Revision>,
    ) -> Result<StoredMute, MuteError> {
        let before = self.one(pass, id).await?.ok_or(MuteError::Unknown)?;
        let mute = checked(id.to_owned(), document, self.clock.now_ms()).await?;
        self.keep(pass, mute, expected.unwrap_or(before.revision), before.created_at_ms, before.created_by).await
    }

    /// Removes a mute, durably. With `expected`, only if that is still its revision.
    pub async fn remove(&self, pass: &WorkspacePass, id: &str, expected: Option<Revision>) -> Result<(), MuteError> {
        if id.len() > LONGEST_ID {
            return Err(MuteError::Unknown);
        }
        let key = format!("{PREFIX}{id}");
        let record = self.meta.get(pass, &key).await?.ok_or(MuteError::Unknown)?;
        self.meta.delete(pass, &key, expected.unwrap_or(record.revision)).await?;
        self.look(pass).await?;
        Ok(())
    }

    async fn keep(
        &self,
        pass: &WorkspacePass,
        mute: Mute,
        expected: Revision,
        created_at_ms: i64,
        created_by: String,
    ) -> Result<StoredMute, MuteError> {
        let record =
            Record { document: mute.document().clone(), created_at: created_at_ms, created_by: created_by.clone() };
        let value = serde_json::to_vec(&record)
            .map_err(|error| PortError::caused(ErrorKind::Invalid, "a mute cannot be encoded", error))?;
        let revision = self.meta.put(pass, &format!("{PREFIX}{}", mute.id()), expected, value).await?;
        self.look(pass).await?;
        Ok(StoredMute { mute, revision, created_at_ms, created_by })
    }

    /// Reads the mutes and remembers them.
    async fn look(&self, pass: &WorkspacePass) -> Result<Arc<Mutes>, PortError> {
        let read_at = Instant::now();
        let now_ms = self.clock.now_ms();
        let records = self.meta.list(pass, PREFIX).await?;
        let revisions: Vec<(String, Revision)> =
            records.iter().map(|record| (record.key.clone(), record.revision)).collect();
        let known = self.known(pass.workspace());
        let same = known.filter(|entry| {
            *entry.revisions == revisions && (0..REWORKED_AFTER_MS).contains(&(now_ms - entry.worked_out_ms))
        });
        let entry = match same {
            Some(entry) => Entry { read_at, looked_at: read_at, ..entry },
            None => {
                // Calendars may take a while to work out.
                let work = move || records.iter().filter_map(|record| restored(record, now_ms)).collect::<Vec<_>>();
                let all = tokio::task::spawn_blocking(work).await.map_err(|error| {
                    PortError::caused(ErrorKind::Unavailable, "the mutes could not be worked out", error)
                })?;
                let mutes = Mutes::new(all.into_iter().map(|stored| stored.mute).collect());
                let (mutes, revisions) = (Arc::new(mutes), Arc::new(revisions));
                Entry { mutes, revisions, worked_out_ms: now_ms, read_at, looked_at: read_at }
            }
        };
        let mutes = entry.mutes.clone();
        self.remember(pass.workspace(), entry);
        Ok(mutes)
    }

    fn known(&self, workspace: &WorkspaceId) -> Option<Entry> {
        self.by_workspace.read().unwrap_or_else(PoisonError::into_inner).get(workspace).cloned()
    }

    fn remember(&self, workspace: &WorkspaceId, entry: Entry) {
        let mut all = self.by_workspace.write().unwrap_or_else(PoisonError::into_inner);
        // A slow look must not undo what a later one has found.
        if all.get(workspace).is_none_or(|known| known.read_at <= entry.read_at) {
            all.insert(workspace.clone(), entry);
        }
    }
}

/// Reads the mutes of one workspace without waiting; a task keeps them fresh. Cheap to clone.
#[derive(Clone)]
pub struct MuteReader {
    muting: Muting,
    workspace: WorkspaceId,
    _refresher: Arc<Refresher>,
}

struct Refresher(JoinHandle<()>);

impl Drop for Refresher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl MuteReader {
    fn start(muting: Muting, pass: WorkspacePass) -> Self {
        let workspace = pass.workspace().clone();
        let refresher = Arc::new(Refresher(tokio::spawn(keep_fresh(muting.clone(), pass))));
        Self { muting, workspace, _refresher: refresher }
    }

    /// Notes on anomalies which mute keeps them from alerting at `now_ms`.
    pub fn stamp(&self, bodies: &mut [EventBody], now_ms: i64) {
        let mut mutes = None;
        for body in bodies {
            let (EventBody::AnomalyOpened(anomaly)
            | EventBody::AnomalyUpdated(anomaly)
            | EventBody::AnomalyClosed(anomaly)) = body
            else {
                continue;
            };
            let mutes = mutes.get_or_insert_with(|| self.snapshot());
            let at = |at_ms| mutes.covering(&anomaly.kpi, &anomaly.labels, at_ms);
            // An anomaly that opened under a mute and closes after its end was not worth an alert.
            let found = at(now_ms).or_else(|| anomaly.closed_at_ms.and_then(|_| at(anomaly.opened_at_ms)));
            anomaly.muted = found.map(|found| found.mute.name().to_owned());
        }
    }

    fn snapshot(&self) -> Arc<Mutes> {
        self.muting.known(&self.workspace).map(|entry| entry.mutes).unwrap_or_default()
    }
}

/// A failed read keeps the mutes that are known.
async fn keep_fresh(muting: Muting, pass: WorkspacePass) {
    loop {
        tokio::time::sleep(FRESH).await;
        if let Err(error) = muting.refresh(&pass).await {
            tracing::warn!(workspace = %pass.workspace(), %error, "mutes cannot be read; the known ones hold");
        }
    }
}

async fn checked(id: String, document: MuteDocument, now_ms: i64) -> Result<Mute, MuteError> {
    let work = move || Mute::new(&id, document, now_ms);
    match tokio::task::spawn_blocking(work).await {
        Ok(mute) => mute.map_err(MuteError::Invalid),
        Err(error) => {
            Err(MuteError::Store(PortError::caused(ErrorKind::Unavailable, "the mute could not be worked out", error)))
        }
    }
}

/// A mute from its record; one that another version wrote and this one does not understand is left
/// out, and said.
fn restored(record: &MetaRecord, now_ms: i64) -> Option<StoredMute> {
    let id = record.key.strip_prefix(PREFIX)?;
    let read: Result<Record, _> = serde_json::from_slice(&record.value);
    let Record { document, created_at, created_by } = match read {
        Ok(read) => read,
        Err(error) => {
            tracing::warn!(mute = id, %error, "a stored mute is not understood");
            return None;
        }
    };
    match Mute::new(id, document, now_ms) {
        Ok(mute) => Some(StoredMute { mute, revision: record.revision, created_at_ms: created_at, created_by }),
        Err(problems) => {
            tracing::warn!(mute = id, problems = problems.join("; "), "a stored mute does not hold");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use earcon_model::{KpiName, Labels, ManualClock};
    use earcon_tenancy::Authorizer;

    const NOW: i64 = 1_772_323_200_000;

    /// A store in memory that counts how often it is read, and can stop answering.
    #[derive(Default)]
    struct Records {
        all: Mutex<BTreeMap<String, (Revision, Vec<u8>)>>,
        reads: AtomicUsize,
        asleep: AtomicBool,
    }

    #[async_trait]
    impl MetaStore for Records {
        async fn get(&self, pass: &WorkspacePass, key: &str) -> Result<Option<MetaRecord>, PortError> {
            Ok(self.list(pass, key).await?.into_iter().find(|record| record.key == key))
        }

        async fn list(&self, _pass: &WorkspacePass, prefix: &str) -> Result<Vec<MetaRecord>, PortError> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            if self.asleep.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let all = self.all.lock().unwrap();
            let found = all.iter().filter(|(key, _)| key.starts_with(prefix));
            Ok(found
                .map(|(key, (revision, value))| MetaRecord {
                    key: key.clone(),
                    revision: *revision,
                    value: value.clone(),
                })
                .collect())
        }

        async fn put(
            &self,
            _: &WorkspacePass,
            key: &str,
            expected: Revision,
            value: Vec<u8>,
        ) -> Result<Revision, PortError> {
            let mut all = self.all.lock().unwrap();
            let current = all.get(key).map_or(0, |record| record.0);
            if current != expected {
                return Err(PortError::new(ErrorKind::Conflict, "another revision"));
            }
            all.insert(key.to_owned(), (expected + 1, value));
            Ok(expected + 1)
        }

        async fn delete(&self, _: &WorkspacePass, key: &str, _expected: Revision) -> Result<(), PortError> {
            self.all.lock().unwrap().remove(key);
            Ok(())
        }

        async fn workspaces(&self) -> Result<Vec<WorkspaceId>, PortError> {
            Ok(Vec::new())
        }
    }

    fn start() -> (Arc<Records>, Muting, WorkspacePass, Arc<ManualClock>) {
        let (records, clock) = (Arc::new(Records::default()), Arc::new(ManualClock::at(NOW)));
        let muting = Muting::new(records.clone(), clock.clone());
        (records, muting, Authorizer::new().system(&WorkspaceId::new("w").unwrap()), clock)
    }

    fn document(from: i64, until: i64) -> MuteDocument {
        let json = serde_json::json!({"name": "backup", "kpis": ["disk.*"], "from": from, "until": until});
        serde_json::from_value(json).unwrap()
    }

    fn quiet(mutes: &Mutes) -> bool {
        mutes.covering(&KpiName::new("disk.a").unwrap(), &Labels::none(), NOW).is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_mute_holds_at_once_and_is_read_again_only_after_a_while() {
        let (records, muting, pass, _) = start();
        assert!(!quiet(&*muting.of(&pass).await));
        let made = muting.create(&pass, document(NOW - 1, NOW + 1)).await.unwrap();
        let reads = records.reads.load(Ordering::SeqCst);
        assert!(quiet(&*muting.of(&pass).await));
        assert_eq!(records.reads.load(Ordering::SeqCst), reads, "it is known");
        // Another node removes it.
        records.all.lock().unwrap().clear();
        tokio::time::advance(FRESH).await;
        assert!(!quiet(&*muting.of(&pass).await));
        assert!(matches!(muting.remove(&pass, made.mute.id(), None).await, Err(MuteError::Unknown)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_known_holds_while_the_store_sleeps() {
        let (records, muting, pass, _) = start();
        muting.create(&pass, document(NOW - 1, NOW + 1)).await.unwrap();
        records.asleep.store(true, Ordering::SeqCst);
        tokio::time::advance(FRESH).await;
        let before = Instant::now();
        assert!(quiet(&*muting.of(&pass).await));
        assert!(before.elapsed() >= PATIENCE);
        let again = Instant::now();
        assert!(quiet(&*muting.of(&pass).await));
        assert_eq!(again.elapsed(), Duration::ZERO, "nobody waits twice within a while");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_sees_changes_of_this_node_at_once_and_of_others_within_seconds() {
        let (records, muting, pass, _) = start();
        let reader = muting.follow(&pass).await.unwrap();
        assert!(!quiet(&reader.snapshot()));
        muting.create(&pass, document(NOW - 1, NOW + 1)).await.unwrap();
        assert!(quiet(&reader.snapshot()));
        // Another node removes it.
        records.all.lock().unwrap().clear();
        tokio::time::sleep(FRESH + Duration::from_millis(1)).await;
        eventually_quiet(&reader, false).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_keeps_the_known_mutes_and_never_starts_without_any() {
        let (records, muting, pass, _) = start();
        records.asleep.store(true, Ordering::SeqCst);
        assert!(muting.follow(&pass).await.is_err(), "no mutes are known");
        records.asleep.store(false, Ordering::SeqCst);
        muting.create(&pass, document(NOW - 1, NOW + 1)).await.unwrap();
        let reader = muting.follow(&pass).await.unwrap();
        records.asleep.store(true, Ordering::SeqCst);
        tokio::time::sleep(10 * FRESH).await;
        assert!(quiet(&reader.snapshot()));
        drop(reader);
        let reader = muting.follow(&pass).await.unwrap();
        assert!(quiet(&reader.snapshot()), "they are known from before");
    }

    async fn eventually_quiet(reader: &MuteReader, expected: bool) {
        // The windows of mutes are computed on a thread, which paused time does not wait for.
        while quiet(&reader.snapshot()) != expected {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn mutes_that_are_long_over_make_room_and_changes_are_guarded() {
        let (records, muting, pass, clock) = start();
        let old = muting.create(&pass, document(NOW - 10, NOW - 5)).await.unwrap();
        clock.advance(KEPT_AFTER_MS);
        let new = muting.create(&pass, document(NOW, NOW + 5)).await.unwrap();
        assert!(muting.one(&pass, old.mute.id()).await.unwrap().is_none());
        let stale = muting.replace(&pass, new.mute.id(), document(1, 2), Some(7)).await;
        assert!(matches!(stale, Err(MuteError::Store(error)) if error.kind == ErrorKind::Conflict));
        let changed = muting.replace(&pass, new.mute.id(), document(1, 2), None).await.unwrap();
        assert_eq!((changed.revision, changed.created_by), (2, new.created_by));
        records.all.lock().unwrap().insert("mute/odd".into(), (1, b"{}".to_vec()));
        assert_eq!(muting.list(&pass).await.unwrap().len(), 1, "what is not understood is left out");
        assert!(
            matches!(muting.create(&pass, document(5, 5)).await, Err(MuteError::Invalid(problems)) if problems.len() == 1)
        );
    }
}
