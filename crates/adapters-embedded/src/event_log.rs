//! The event log: append-only segment files with checksums, one directory for each workspace. An
//! append costs one write and one `fdatasync`.
//!
//! Group commit happens above this port: the log writer hands over many events at once.
//!
//! # Damage
//! Every start reads and checks every byte of every log. A log with damage is refused with a
//! sentence that names the place. Only a torn tail is left out in silence: bytes behind the last
//! append that was acknowledged. `docs/adr/0040-the-log-is-segment-files.md` describes the format.
//!
//! # After a failed append
//! This process never shows any part of the append, and closes the segment for ever. The next
//! append begins a new segment. A restart before that finds all of the failed append or nothing.
//!
//! A caller that stops waiting for `append` does not stop it. The next append from the same
//! sequence number is then a conflict.

mod buffers;
mod check;
pub(crate) mod damage;
pub(crate) mod deleted;
pub(crate) mod deletion;
mod ends;
pub(crate) mod files;
mod frame;
mod header;
mod log;
pub(crate) mod mark;
pub(crate) mod places;
mod reader;
pub(crate) mod registry;
pub(crate) mod remade;
pub(crate) mod repair;
pub(crate) mod report;
mod scan;
pub(crate) mod states;
pub(crate) mod wanderers;
mod writer;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use self::buffers::Buffers;
use self::check::Registered;
pub(crate) use self::files::create_dir;
use self::frame::Draft;
use self::log::{Log, lock};
use self::registry::{RESERVE, record_end, record_epoch, register, reserve};
use self::writer::{Faults, SegmentLimits};
use super::database::{Database, blocking};
use crate::disk::FileInUse;
use crate::open_error::OpenError;
use crate::settings::EmbeddedSettings;
use earcon_model::{Event, Seq, WorkspaceId};
use earcon_ports::{ErrorKind, EventLog, LogHead, Page, PortError};
use earcon_tenancy::WorkspacePass;

pub(super) struct EmbeddedLog {
    inner: Arc<Inner>,
}

struct Inner {
    database: Arc<Database>,
    dir: PathBuf,
    limits: SegmentLimits,
    faults: Arc<Faults>,
    logs: Mutex<HashMap<WorkspaceId, Arc<Log>>>,
    buffers: Buffers,
    /// Held while a log is created, so that it is created once. Never taken while `logs` is held.
    creating: Mutex<()>,
}

impl EmbeddedLog {
    /// Checks and opens the logs of all workspaces.
    pub(super) fn open(database: Arc<Database>, settings: &EmbeddedSettings) -> Result<Self, OpenError> {
        let limits = limits(settings);
        let faults = Arc::new(Faults::default());
        let logs = registry::load_all(&database, limits, &faults)?;
        let dir = database.log_dir();
        let logs = Mutex::new(logs.into_iter().map(|(workspace, log)| (workspace, Arc::new(log))).collect());
        let (creating, buffers) = (Mutex::new(()), Buffers::default());
        Ok(Self { inner: Arc::new(Inner { database, dir, limits, faults, logs, creating, buffers }) })
    }

    async fn run<T, F>(&self, pass: &WorkspacePass, work: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Inner, &WorkspaceId) -> Result<T, PortError> + Send + 'static,
    {
        let (inner, workspace) = (self.inner.clone(), pass.workspace().clone());
        blocking(move || work(&inner, &workspace)).await
    }

    /// Records how far all logs went. The marks are durable then, and the records in the database
    /// with its next sync.
    pub(super) async fn record_ends(&self) -> Result<(), PortError> {
        let inner = self.inner.clone();
        blocking(move || {
            let logs: Vec<_> = lock(&inner.logs).iter().map(|(id, log)| (id.clone(), log.clone())).collect();
            logs.iter().try_for_each(|(id, log)| record_end(&inner.database, id, log))
        })
        .await
    }

    /// The files of all logs that must stay where they are. The function does not keep the data
    /// directory in use.
    pub(super) fn files_in_use(&self) -> impl Fn() -> Vec<FileInUse> + Send + Sync + use<> {
        let inner = Arc::downgrade(&self.inner);
        move || {
            let logs: Vec<_> = inner
                .upgrade()
                .iter()
                .flat_map(|inner| lock(&inner.logs).values().cloned().collect::<Vec<_>>())
                .collect();
            logs.iter().flat_map(|log| log.files_in_use()).collect()
        }
    }

    /// Finds damage of segments under the running process. The function does not keep the data
    /// directory in use.
    pub(super) fn damage(&self) -> impl Fn() -> Option<String> + Send + Sync + use<> {
        let inner = Arc::downgrade(&self.inner);
        move || {
            let logs: Vec<_> = lock(&inner.upgrade()?.logs).values().cloned().collect();
            logs.iter().find_map(|log| log.damage())
        }
    }

    #[cfg(test)]
    fn set_fault(&self, fault: Option<writer::Fault>) {
        self.inner.faults.set(fault);
    }
}

fn new_epoch() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Limits of segments, from the settings.
pub(crate) fn limits(settings: &EmbeddedSettings) -> SegmentLimits {
    let age_ms = i64::try_from(settings.log_segment_age.as_millis()).unwrap_or(i64::MAX);
    SegmentLimits { bytes: settings.log_segment_bytes, age_ms }
}

#[async_trait]
impl EventLog for EmbeddedLog {
    async fn open(&self, pass: &WorkspacePass) -> Result<LogHead, PortError> {
        self.run(pass, |inner, workspace| {
            let log = inner.find_or_create(workspace)?;
            inner.begin_epoch(workspace, &log)
        })
        .await
    }

    async fn head(&self, pass: &WorkspacePass) -> Result<Option<LogHead>, PortError> {
        self.run(pass, |inner, workspace| Ok(inner.find(workspace).and_then(|log| log.head()))).await
    }

    async fn append(&self, pass: &WorkspacePass, events: Vec<Arc<Event>>) -> Result<(), PortError> {
        self.run(pass, move |inner, workspace| inner.append(workspace, &events)).await
    }

    async fn read(&self, pass: &WorkspacePass, from: Seq, max_events: usize) -> Result<Page, PortError> {
        self.run(pass, move |inner, workspace| match inner.find(workspace) {
            Some(log) => log.read(from, max_events),
            None => Ok(Page::default()),
        })
        .await
    }

    async fn trim(&self, pass: &WorkspacePass, before: Seq) -> Result<Seq, PortError> {
        self.run(pass, move |inner, workspace| inner.find(workspace).map_or(Ok(1), |log| log.trim(before))).await
    }

    async fn seq_at(&self, pass: &WorkspacePass, time_ms: i64) -> Result<Seq, PortError> {
        self.run(pass, move |inner, workspace| inner.find(workspace).map_or(Ok(1), |log| log.seq_at(time_ms))).await
    }

    async fn record_end(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        self.run(pass, |inner, workspace| match inner.find(workspace) {
            Some(log) => record_end(&inner.database, workspace, &log),
            None => Ok(()),
        })
        .await
    }

    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        self.run(pass, |inner, workspace| {
            let _creating = lock(&inner.creating);
            let log = lock(&inner.logs).remove(workspace);
            deletion::remove(&inner.database, workspace, log.as_deref())
        })
        .await
    }

    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError> {
        self.run(pass, |inner, workspace| Ok(inner.find(workspace).map_or(0, |log| log.size_bytes()))).await
    }
}

impl Inner {
    fn find(&self, workspace: &WorkspaceId) -> Option<Arc<Log>> {
        lock(&self.logs).get(workspace).cloned()
    }

    fn find_or_create(&self, workspace: &WorkspaceId) -> Result<Arc<Log>, PortError> {
        if let Some(log) = self.find(workspace) {
            return Ok(log);
        }
        // Not `logs`: others use their logs during the syncs.
        let _creating = lock(&self.creating);
        if let Some(log) = self.find(workspace) {
            return Ok(log);
        }
        let log_id = uuid::Uuid::new_v4().as_u64_pair().0;
        let dir = self.dir.join(workspace.as_str());
        let log = Log::create(
            &dir,
            workspace,
            (log_id, 1),
            (self.limits, self.faults.clone(), self.database.synced_commits()),
        )?;
        let registered = Registered { next: 1, reserved: 1 + RESERVE, ..Registered::of(log_id) };
        register(&self.database, workspace, registered)?;
        *lock(&log.registered) = registered;
        let log = Arc::new(log);
        lock(&self.logs).insert(workspace.clone(), log.clone());
        Ok(log)
    }

    fn begin_epoch(&self, workspace: &WorkspaceId, log: &Log) -> Result<LogHead, PortError> {
        let head = log.begin_epoch(&new_epoch())?;
        record_epoch(&self.database, workspace, log);
        Ok(head)
    }

    fn append(&self, workspace: &WorkspaceId, events: &[Arc<Event>]) -> Result<(), PortError> {
        let Some(first) = events.first() else { return Ok(()) };
        if events.windows(2).any(|pair| pair[0].seq.checked_add(1) != Some(pair[1].seq)) {
            return Err(PortError::new(ErrorKind::Invalid, "the events of an append are not consecutive"));
        }
        let mut draft = Draft::of_events(events, self.buffers.take())?;
        let log = self.find_or_create(workspace)?;
        if !log.has_epoch() {
            self.begin_epoch(workspace, &log)?;
        }
        reserve(&self.database, workspace, &log, first.seq.saturating_add(events.len() as Seq - 1))?;
        let appended = log.append(workspace, first.seq, &mut draft);
        self.buffers.keep(draft.into_buffer());
        appended
    }
}

#[cfg(test)]
mod tests;
