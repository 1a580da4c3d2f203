//! Changes of accounts, one after the other on all nodes.
//!
//! One record, `version`, has the number of the newest change and all that it writes. A change is
//! committed by compare-and-set of this record, so it is whole or absent, and it was planned on the
//! newest state: two nodes cannot remove two owners at once. Then its records and audit lines are
//! written. If a node dies in between, the next writer does that first. A record remembers the
//! version of its last change, so writing it again changes nothing.
//!
//! `version` also names the records of the last changes. A node that is behind reads these alone.

mod plan;
mod stored;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use earcon_identity::AccountsView;
use earcon_identity::audit::AuditEntry;
use earcon_identity::record::{Record, RecordKey};
use earcon_model::Clock;
use earcon_ports::{AccountStore, ErrorKind, PortError, Revision};
use earcon_tenancy::AccountsPass;
use tokio::sync::{Mutex, watch};

pub(crate) use self::plan::Plan;
use self::stored::{StoredRecord, VERSION_KEY, VersionRecord, Write};
use crate::audit_trail::AuditTrail;
use crate::error::AccountsError;

/// Attempts when other writers are faster.
const TRIES: usize = 20;
/// Records that one read of the store returns.
const PAGE: usize = 500;
/// Age at which the mark of a removed record goes, milliseconds: a day. A writer that was
/// interrupted earlier will not come back.
const MARK_AGE_MS: i64 = 86_400_000;

/// The view of this node, and the way to change it on all nodes.
pub struct Ledger {
    store: Arc<dyn AccountStore>,
    pass: AccountsPass,
    clock: Arc<dyn Clock>,
    trail: AuditTrail,
    view: RwLock<AccountsView>,
    empty: AccountsView,
    versions: watch::Sender<u64>,
    /// Held by the one who reads or changes the record `version`.
    known: Mutex<Known>,
}

/// What this node knows of the record `version`.
#[derive(Default)]
struct Known {
    /// The version that the view has. `None` before the first read.
    version: Option<u64>,
    /// The newest version whose records are known to be written.
    finished: u64,
}

/// The record `version` as it is now.
struct Current {
    revision: Revision,
    record: VersionRecord,
}

impl Ledger {
    /// A ledger that has read nothing. `empty` is a view without accounts.
    pub(crate) fn new(
        store: Arc<dyn AccountStore>,
        trail: AuditTrail,
        pass: AccountsPass,
        clock: Arc<dyn Clock>,
        empty: AccountsView,
    ) -> Self {
        let (view, versions) = (RwLock::new(empty.clone()), watch::Sender::new(0));
        Self { store, pass, clock, trail, view, empty, versions, known: Mutex::default() }
    }

    /// The accounts as this node knows them. Release it before anything waits.
    pub fn view(&self) -> RwLockReadGuard<'_, AccountsView> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of the view, whenever it changes.
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.versions.subscribe()
    }

    /// Reads what other nodes have changed. Returns the version.
    ///
    /// # Errors
    /// Those of the store; `Corrupt` for a record that cannot be read.
    pub async fn refresh(&self) -> Result<u64, PortError> {
        let mut known = self.known.lock().await;
        Ok(self.catch_up(&mut known).await?.record.version)
    }

    /// Plans a change on the newest view, and commits it. `plan` runs again if another node was
    /// faster; it must have no effects.
    ///
    /// # Errors
    /// Those of `plan` and of the limits; those of the store. After `Unavailable` the change may
    /// have been committed; [`refresh`](Self::refresh) tells.
    pub(crate) async fn change<T>(
        &self,
        mut plan: impl FnMut(&AccountsView) -> Result<Plan<T>, AccountsError>,
    ) -> Result<T, AccountsError> {
        let mut known = self.known.lock().await;
        for _ in 0..TRIES {
            let current = self.catch_up(&mut known).await?;
            self.finish(&mut known, &current.record).await?;
            let planned = {
                let view = self.view();
                let planned = plan(&view)?;
                planned.check_room(&view)?;
                planned
            };
            if planned.writes.is_empty() && planned.touched.is_empty() && planned.audit.is_empty() {
                return Ok(planned.output);
            }
            let next = current.record.next(planned.writes, &planned.touched, planned.audit);
            match self.store.put(&self.pass, VERSION_KEY, current.revision, next.encode()?).await {
                Ok(_) => {
                    self.apply(&next.writes)?;
                    known.version = Some(next.version);
                    self.versions.send_replace(next.version);
                    // The change is committed. What fails now is written before the next change.
                    if let Err(error) = self.finish(&mut known, &next).await {
                        tracing::warn!(%error, version = next.version, "a change of accounts waits to be written");
                    }
                    return Ok(planned.output);
                }
                Err(error) if error.kind == ErrorKind::Conflict => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PortError::new(ErrorKind::Conflict, "the accounts keep changing; try again").into())
    }

    /// Changes one record without a version: other nodes read it with its next version. For what
    /// changes often and matters little elsewhere. `change` returns `None` to leave it as it is.
    ///
    /// # Errors
    /// As [`change`](Self::change); `NotFound` if there is no such record.
    pub(crate) async fn touch<T>(
        &self,
        key: &RecordKey,
        mut change: impl FnMut(Record) -> Result<(Option<Record>, T), AccountsError>,
    ) -> Result<T, AccountsError> {
        let mut known = self.known.lock().await;
        for _ in 0..TRIES {
            let current = self.catch_up(&mut known).await?;
            self.finish(&mut known, &current.record).await?;
            let text = key.text();
            let stored = self.store.get(&self.pass, &text).await?;
            let Some(stored) = stored else { return Err(AccountsError::NotFound("record")) };
            let read = StoredRecord::decode(&text, &stored.value)?;
            let Some(record) = read.record else { return Err(AccountsError::NotFound("record")) };
            let (changed, output) = change(record)?;
            let Some(changed) = changed else { return Ok(output) };
            let value = StoredRecord { record: Some(changed.clone()), ..read };
            match self.store.put(&self.pass, &text, stored.revision, value.encode(&text)?).await {
                Ok(_) => {
                    self.view.write().unwrap_or_else(PoisonError::into_inner).put(changed);
                    return Ok(output);
                }
                Err(error) if error.kind == ErrorKind::Conflict => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PortError::new(ErrorKind::Conflict, "the record keeps changing; try again").into())
    }

    /// Brings the view to the newest version.
    async fn catch_up(&self, known: &mut Known) -> Result<Current, PortError> {
        let (revision, record) = match self.store.get(&self.pass, VERSION_KEY).await? {
            Some(stored) => (stored.revision, VersionRecord::decode(&stored.value)?),
            None => (0, VersionRecord::default()),
        };
        if known.version.is_some_and(|version| version > record.version) {
            // The store was put back to an earlier state.
            known.finished = 0;
        }
        match known.version {
            Some(version) if version == record.version => return Ok(Current { revision, record }),
            Some(version) => match record.keys_after(version) {
                Some(keys) => self.read_again(&keys).await?,
                None => self.read_all().await?,
            },
            None => self.read_all().await?,
        }
        // The last change may not be in its records yet.
        self.apply(&record.writes)?;
        known.version = Some(record.version);
        self.versions.send_replace(record.version);
        Ok(Current { revision, record })
    }

    async fn read_again(&self, keys: &[String]) -> Result<(), PortError> {
        for key in keys {
            let stored = self.store.get(&self.pass, key).await?;
            let read = stored.map(|stored| StoredRecord::decode(key, &stored.value)).transpose()?;
            self.apply(&[Write { key: key.clone(), record: read.and_then(|read| read.record) }])?;
        }
        Ok(())
    }

    async fn read_all(&self) -> Result<(), PortError> {
        let mut view = self.empty.clone();
        let mut after: Option<String> = None;
        loop {
            let page = self.store.list(&self.pass, "", after.as_deref(), PAGE).await?;
            let last = page.len() < PAGE;
            after = page.last().map(|record| record.key.clone());
            for stored in page.iter().filter(|stored| RecordKey::parse(&stored.key).is_some()) {
                if let Some(record) = StoredRecord::decode(&stored.key, &stored.value)?.record {
                    view.put(record);
                }
            }
            if last {
                break;
            }
        }
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view;
        Ok(())
    }

    fn apply(&self, writes: &[Write]) -> Result<(), PortError> {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        for write in writes {
            match &write.record {
                Some(record) => view.put(record.clone()),
                None => view.remove(&write.parsed()?),
            }
        }
        Ok(())
    }

    /// Writes the records and the audit lines of a committed change. May be repeated.
    async fn finish(&self, known: &mut Known, change: &VersionRecord) -> Result<(), PortError> {
        if known.finished >= change.version {
            return Ok(());
        }
        for write in &change.writes {
            self.write(change.version, write).await?;
        }
        for (organisation, entry) in &change.audit {
            let entry = AuditEntry { change: Some(change.version), ..entry.clone() };
            self.trail.append(organisation, entry).await?;
        }
        known.finished = change.version;
        Ok(())
    }

    async fn write(&self, version: u64, write: &Write) -> Result<(), PortError> {
        for _ in 0..TRIES {
            let stored = self.store.get(&self.pass, &write.key).await?;
            let (revision, newest) = match &stored {
                Some(stored) => (stored.revision, StoredRecord::decode(&write.key, &stored.value)?.version),
                None => (0, 0),
            };
            if newest >= version {
                return Ok(());
            }
            let value = StoredRecord { version, at_ms: self.clock.now_ms(), record: write.record.clone() };
            match self.store.put(&self.pass, &write.key, revision, value.encode(&write.key)?).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(PortError::new(ErrorKind::Conflict, format!("the record {} keeps changing", write.key)))
    }

    /// Deletes the marks of records that were removed long ago. Returns how many.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn sweep_marks(&self) -> Result<usize, PortError> {
        let (mut swept, mut after): (usize, Option<String>) = (0, None);
        loop {
            let page = self.store.list(&self.pass, "", after.as_deref(), PAGE).await?;
            let last = page.len() < PAGE;
            after = page.last().map(|record| record.key.clone());
            for stored in page.iter().filter(|stored| RecordKey::parse(&stored.key).is_some()) {
                let read = StoredRecord::decode(&stored.key, &stored.value)?;
                if read.record.is_some() || self.clock.now_ms().saturating_sub(read.at_ms) < MARK_AGE_MS {
                    continue;
                }
                // Identifiers are never used again, but names of organisations are.
                match self.store.delete(&self.pass, &stored.key, stored.revision).await {
                    Ok(()) => swept += 1,
                    Err(error) if error.kind == ErrorKind::Conflict => {}
                    Err(error) => return Err(error),
                }
            }
            if last {
                return Ok(swept);
            }
        }
    }
}
