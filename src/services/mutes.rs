//! The mutes of each workspace: made, changed and removed here, and kept for those who ask.
//!
//! A change on this node holds at once; a change on another node holds within a few seconds. A
//! scoring actor reads a [snapshot](MuteReader) that a background task keeps fresh, so it waits for
//! no store.
//! **A crash loses** nothing: all mutes are in the meta store.

mod reader;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::reader::MuteReader;
use super::cached::{CachePolicy, Cached};
use super::records::{Family, Page, Records, Stored};
use crate::mutes::{Mute, MuteDocument, Mutes};
use earcon_model::{Clock, EventBody, WorkspaceId};
use earcon_ports::{ErrorKind, MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// A caller waits for a read of mutes that are older than this, but not for long.
const POLICY: CachePolicy = CachePolicy {
    fresh_for: Duration::from_secs(3),
    usable_for: Duration::from_secs(3),
    wait_at_most: Duration::from_millis(500),
    most: 10_000,
};
/// Windows of repeated mutes are computed again after this time.
const RECOMPUTE_AFTER_MS: i64 = 86_400_000;
/// No identifier is longer.
const LONGEST_ID: usize = 64;
/// Most mutes of a workspace.
const MOST: usize = 500;
/// Mutes that are over are removed this long afterwards, when another is made.
const KEPT_AFTER_MS: i64 = 30 * 86_400_000;

/// A mute as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct MuteRecord {
    document: MuteDocument,
    created_at: i64,
    created_by: String,
}

/// A mute with its revision and who made it.
#[derive(Debug, Clone)]
pub struct StoredMute {
    /// The mute.
    pub mute: Mute,
    /// For compare-and-set.
    pub revision: Revision,
    /// Wall time, milliseconds UTC.
    pub created_at_ms: i64,
    /// The principal that made it.
    pub created_by: String,
}

/// The mutes of a workspace as they are stored.
#[derive(Debug, Clone)]
pub struct MuteList {
    /// In the order of their identifiers.
    pub mutes: Vec<StoredMute>,
    /// How many cannot be read and are left out.
    pub unreadable: usize,
}

/// Why a mute was not changed.
#[derive(Debug, thiserror::Error)]
pub enum MuteError {
    /// Every problem of the document.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// The workspace has as many as it may have.
    #[error("a workspace may have at most {MOST} mutes; remove some first")]
    TooMany,
    /// There is no mute with this identifier.
    #[error("there is no such mute")]
    Unknown,
    /// The store failed, or another writer was faster.
    #[error(transparent)]
    Store(#[from] PortError),
}

/// The mutes of all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct MuteService {
    records: Records<MuteRecord>,
    clock: Arc<dyn Clock>,
    cached: Cached<Snapshot>,
}

/// The mutes of a workspace with their windows, and the revisions they were computed from.
struct Snapshot {
    mutes: Arc<Mutes>,
    revisions: Vec<(String, Revision)>,
    computed_at_ms: i64,
}

impl MuteService {
    /// Nothing is read yet.
    pub fn new(meta: Arc<dyn MetaStore>, clock: Arc<dyn Clock>) -> Self {
        let records = Records::new(meta, Family::Mute);
        let (source, time) = (records.clone(), clock.clone());
        let cached = Cached::new("mutes", POLICY, move |pass, known| {
            let (records, now_ms) = (source.clone(), time.now_ms());
            async move { load(&records, &pass, known, now_ms).await }
        });
        Self { records, clock, cached }
    }

    /// The mutes of a workspace, at most a few seconds old; older ones if the store does not answer
    /// in time, and none if it never has.
    pub async fn current(&self, pass: &WorkspacePass) -> Arc<Mutes> {
        // The cache has warned about a read that failed.
        self.cached.get(pass).await.map(|snapshot| snapshot.mutes.clone()).unwrap_or_default()
    }

    /// The mutes of a workspace as they were last read here. Reads nothing.
    pub fn snapshot(&self, workspace: &WorkspaceId) -> Arc<Mutes> {
        self.cached.known(workspace).map(|snapshot| snapshot.mutes.clone()).unwrap_or_default()
    }

    /// Reads the mutes of a workspace, waiting for a limited time, and keeps them fresh for as long
    /// as the reader or a clone of it exists.
    pub async fn follow(&self, pass: &WorkspacePass) -> MuteReader {
        MuteReader::start(self.clone(), pass.clone()).await
    }

    /// Notes on anomalies which mute keeps them from alerting at `now_ms`.
    pub async fn stamp(&self, pass: &WorkspacePass, bodies: &mut [EventBody], now_ms: i64) {
        if reader::concerns_anomalies(bodies) {
            reader::stamp(&*self.current(pass).await, bodies, now_ms);
        }
    }

    /// All mutes of a workspace as they are stored now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, pass: &WorkspacePass) -> Result<MuteList, PortError> {
        Ok(restored_all(self.stored(pass).await?, self.clock.now_ms()))
    }

    /// One mute; `None` if there is none with this identifier.
    ///
    /// # Errors
    /// `Corrupt` if it cannot be read; those of the store.
    pub async fn one(&self, pass: &WorkspacePass, id: &str) -> Result<Option<StoredMute>, PortError> {
        if id.len() > LONGEST_ID {
            return Ok(None);
        }
        let Some(record) = self.records.get(pass, id).await? else { return Ok(None) };
        restored(record, self.clock.now_ms()).map(Some).map_err(|text| PortError::new(ErrorKind::Corrupt, text))
    }

    /// Makes a mute, durably. Mutes that have been over for a long time make room.
    ///
    /// # Errors
    /// If the document breaks a rule, there are too many mutes, or the store fails.
    pub async fn create(&self, pass: &WorkspacePass, document: MuteDocument) -> Result<StoredMute, MuteError> {
        let now_ms = self.clock.now_ms();
        let id = uuid::Uuid::new_v4().to_string();
        let mute = checked(id, document, now_ms).await?;
        let stored = self.stored(pass).await?;
        let mut count = stored.count();
        let over = |old: &StoredMute| old.mute.is_over(now_ms - KEPT_AFTER_MS);
        for old in restored_all(stored, now_ms).mutes.iter().filter(|old| over(old)) {
            // One that is changed at this moment stays.
            if self.records.delete(pass, old.mute.id(), old.revision).await.is_ok() {
                count -= 1;
            }
        }
        if count >= MOST {
            return Err(MuteError::TooMany);
        }
        self.put(pass, mute, 0, now_ms, pass.principal().to_string()).await
    }

    /// Replaces a mute, durably. With `expected`, only if that is still its revision.
    ///
    /// # Errors
    /// If there is no such mute, the document breaks a rule, or another writer was faster.
    pub async fn replace(
        &self,
        pass: &WorkspacePass,
        id: &str,
        document: MuteDocument,
        expected: Option<Revision>,
    ) -> Result<StoredMute, MuteError> {
        let before = self.one(pass, id).await?.ok_or(MuteError::Unknown)?;
        let mute = checked(id.to_owned(), document, self.clock.now_ms()).await?;
        self.put(pass, mute, expected.unwrap_or(before.revision), before.created_at_ms, before.created_by).await
    }

    /// Removes a mute, durably, also one that cannot be read. With `expected`, only if that is
    /// still its revision.
    ///
    /// # Errors
    /// If there is no such mute, or another writer was faster.
    pub async fn remove(&self, pass: &WorkspacePass, id: &str, expected: Option<Revision>) -> Result<(), MuteError> {
        let revision = if id.len() > LONGEST_ID { 0 } else { self.records.revision(pass, id).await? };
        if revision == 0 {
            return Err(MuteError::Unknown);
        }
        self.records.delete(pass, id, expected.unwrap_or(revision)).await?;
        self.cached.refresh(pass).await?;
        Ok(())
    }

    async fn put(
        &self,
        pass: &WorkspacePass,
        mute: Mute,
        expected: Revision,
        created_at_ms: i64,
        created_by: String,
    ) -> Result<StoredMute, MuteError> {
        let document = mute.document().clone();
        let record = MuteRecord { document, created_at: created_at_ms, created_by: created_by.clone() };
        let revision = self.records.put(pass, mute.id(), expected, &record).await?;
        self.cached.refresh(pass).await?;
        Ok(StoredMute { mute, revision, created_at_ms, created_by })
    }

    async fn stored(&self, pass: &WorkspacePass) -> Result<Page<MuteRecord>, PortError> {
        stored(&self.records, pass).await
    }
}

/// Two requests at once may make one mute more than there may be.
async fn stored(records: &Records<MuteRecord>, pass: &WorkspacePass) -> Result<Page<MuteRecord>, PortError> {
    records.all(pass, 2 * MOST).await
}

async fn load(
    records: &Records<MuteRecord>,
    pass: &WorkspacePass,
    known: Option<Arc<Snapshot>>,
    now_ms: i64,
) -> Result<Arc<Snapshot>, PortError> {
    let stored = stored(records, pass).await?;
    let revisions: Vec<_> = stored.records.iter().map(|record| (record.name.clone(), record.revision)).collect();
    let recent = |known: &Snapshot| (0..RECOMPUTE_AFTER_MS).contains(&(now_ms - known.computed_at_ms));
    if let Some(known) = known.filter(|known| known.revisions == revisions && recent(known)) {
        return Ok(known);
    }
    // Calendars may take a while to compute.
    let mutes = blocking(move || restored_all(stored, now_ms)).await?.mutes;
    let mutes = Arc::new(Mutes::new(mutes.into_iter().map(|stored| stored.mute).collect()));
    Ok(Arc::new(Snapshot { mutes, revisions, computed_at_ms: now_ms }))
}

async fn checked(id: String, document: MuteDocument, now_ms: i64) -> Result<Mute, MuteError> {
    blocking(move || Mute::new(&id, document, now_ms)).await?.map_err(MuteError::Invalid)
}

async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<R, PortError> {
    let failed = |error| PortError::caused(ErrorKind::Unavailable, "the windows of mutes could not be computed", error);
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

fn restored_all(page: Page<MuteRecord>, now_ms: i64) -> MuteList {
    let mut list = MuteList { mutes: Vec::with_capacity(page.records.len()), unreadable: page.unreadable.len() };
    for record in page.records {
        match restored(record, now_ms) {
            Ok(stored) => list.mutes.push(stored),
            Err(error) => {
                tracing::warn!(error, "a mute is left out of a list");
                list.unreadable += 1;
            }
        }
    }
    list
}

/// A mute from its record.
///
/// # Errors
/// The record breaks a rule that mutes have now.
fn restored(record: Stored<MuteRecord>, now_ms: i64) -> Result<StoredMute, String> {
    let Stored { name, revision, value: MuteRecord { document, created_at, created_by } } = record;
    match Mute::new(&name, document, now_ms) {
        Ok(mute) => Ok(StoredMute { mute, revision, created_at_ms: created_at, created_by }),
        Err(problems) => Err(format!("the stored mute {name} breaks a rule: {}", problems.join("; "))),
    }
}

#[cfg(test)]
mod tests;
