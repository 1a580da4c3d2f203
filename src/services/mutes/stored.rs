//! Mutes as they are stored.

use serde::{Deserialize, Serialize};

use crate::mutes::{Mute, MuteDocument};
use crate::services::records::{Page, Records, Stored};
use earcon_ports::{ErrorKind, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// Most mutes of a workspace.
pub(super) const MOST: usize = 500;

/// A mute as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MuteRecord {
    pub(super) document: MuteDocument,
    pub(super) created_at: i64,
    pub(super) created_by: String,
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

/// All records of a workspace. Two requests at once may make one mute more than there may be.
pub(super) async fn all(records: &Records<MuteRecord>, pass: &WorkspacePass) -> Result<Page<MuteRecord>, PortError> {
    records.all(pass, 2 * MOST).await
}

/// The mutes of a page, with their windows around `now_ms`.
pub(super) fn restored_all(page: Page<MuteRecord>, now_ms: i64) -> MuteList {
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
pub(super) fn restored(record: Stored<MuteRecord>, now_ms: i64) -> Result<StoredMute, String> {
    let Stored { name, revision, value: MuteRecord { document, created_at, created_by } } = record;
    match Mute::new(&name, document, now_ms) {
        Ok(mute) => Ok(StoredMute { mute, revision, created_at_ms: created_at, created_by }),
        Err(problems) => Err(format!("the stored mute {name} breaks a rule: {}", problems.join("; "))),
    }
}

/// Runs work that may take a while, as calendars do.
pub(super) async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<R, PortError> {
    let failed = |error| PortError::caused(ErrorKind::Unavailable, "the windows of mutes could not be computed", error);
    tokio::task::spawn_blocking(work).await.map_err(failed)
}
