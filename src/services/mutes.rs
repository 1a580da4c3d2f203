//! The mutes of each workspace: made, changed and removed here, and kept for those who ask.
//!
//! A change on this node holds at once; a change on another node holds within a few seconds. A
//! scoring actor reads a [snapshot](MuteReader) that a background task keeps fresh, so it waits for
//! no store.
//! **A crash loses** nothing: all mutes are in the meta store.

mod cache;
mod reader;
mod stored;

use std::sync::Arc;

use self::cache::MuteCache;
pub use self::reader::MuteReader;
use self::stored::{MOST, MuteRecord, all, blocking, restored, restored_all};
pub use self::stored::{MuteList, StoredMute};
use super::records::{Family, Records};
use crate::mutes::{Mute, MuteDocument, Mutes};
use earcon_model::{Clock, WorkspaceKey};
use earcon_ports::{ErrorKind, MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// No identifier is longer.
const LONGEST_ID: usize = 64;
/// Mutes that are over are removed this long afterwards, when another is made.
const KEPT_AFTER_MS: i64 = 30 * 86_400_000;

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
    cache: MuteCache,
}

impl MuteService {
    /// Nothing is read yet.
    pub fn new(meta: Arc<dyn MetaStore>, clock: Arc<dyn Clock>) -> Self {
        let records = Records::new(meta, Family::Mute);
        let cache = MuteCache::new(records.clone(), clock.clone());
        Self { records, clock, cache }
    }

    /// The mutes of a workspace, at most a few seconds old; older ones if the store does not answer
    /// in time, and none if it never has.
    pub async fn current(&self, pass: &WorkspacePass) -> Arc<Mutes> {
        self.cache.current(pass).await
    }

    /// The mutes of a workspace as they were last read here. Reads nothing.
    pub fn snapshot(&self, workspace: &WorkspaceKey) -> Arc<Mutes> {
        self.cache.snapshot(workspace)
    }

    /// Reads the mutes of a workspace, and keeps them fresh for as long as the reader or a clone of
    /// it exists.
    ///
    /// # Errors
    /// If they cannot be read and are not known from before: without them, muted series would
    /// alert.
    pub async fn follow(&self, pass: &WorkspacePass) -> Result<MuteReader, PortError> {
        self.cache.refresh_or_keep(pass).await?;
        Ok(MuteReader::start(self.cache.clone(), pass.clone()))
    }

    /// All mutes of a workspace as they are stored now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, pass: &WorkspacePass) -> Result<MuteList, PortError> {
        let (page, now_ms) = (all(&self.records, pass).await?, self.clock.now_ms());
        blocking(move || restored_all(page, now_ms)).await
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
        let page = all(&self.records, pass).await?;
        let mut count = page.count();
        let over = |old: &StoredMute| old.mute.is_over(now_ms - KEPT_AFTER_MS);
        let stored = blocking(move || restored_all(page, now_ms)).await?;
        for old in stored.mutes.iter().filter(|old| over(old)) {
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
        self.cache.refresh(pass).await?;
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
        self.cache.refresh(pass).await?;
        Ok(StoredMute { mute, revision, created_at_ms, created_by })
    }
}

async fn checked(id: String, document: MuteDocument, now_ms: i64) -> Result<Mute, MuteError> {
    blocking(move || Mute::new(&id, document, now_ms)).await?.map_err(MuteError::Invalid)
}

#[cfg(test)]
mod tests;
