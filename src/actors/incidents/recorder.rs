//! Writes incidents and the state of the engine to the meta store, in a task of its own, so that a
//! slow store delays no alert.
//!
//! A newer record replaces one that still waits, so the number of waiting records is bounded by the
//! number of incidents. Stored records are bounded in number and age; a store that fails is tried
//! again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::services::incidents::{EngineRecord, IncidentRecord, IncidentRecords, MAX_RECORDS};
use crate::telemetry::Repeats;
use earcon_model::{Clock, DeletionScope, Incident, IncidentId, KpiName, Seq};
use earcon_ports::{Epochs, ErrorKind, PortError, Revision};
use earcon_tenancy::WorkspacePass;

const PAUSE: Duration = Duration::from_secs(2);
/// How long a shutdown waits for a slow store. One that fails is not waited for.
const FINISH: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Waiting {
    incidents: BTreeMap<IncidentId, Incident>,
    /// Incidents all of whose members were deleted: their records go.
    emptied: BTreeSet<IncidentId>,
    /// Deletions that the records have to follow.
    deletions: VecDeque<(KpiName, DeletionScope)>,
    state: Option<(Seq, Vec<u8>)>,
    /// No more records will come.
    closed: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    news: Notify,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle to the task. Dropping it ends the task.
pub(super) struct Recorder {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Starts the task. `open` are the incidents under way; other records of open incidents are
    /// closed.
    pub(super) fn start(
        records: IncidentRecords,
        pass: WorkspacePass,
        clock: Arc<dyn Clock>,
        keep: Duration,
        epochs: Arc<Epochs>,
        open: Vec<Incident>,
    ) -> Self {
        let shared = Arc::<Shared>::default();
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let worker = Worker {
            records,
            pass,
            clock,
            keep_ms,
            epochs,
            known: None,
            state: (0, 0),
            begun: false,
            shared: shared.clone(),
        };
        Self { shared, task: tokio::spawn(worker.run(open)) }
    }

    pub(super) fn record(&self, incident: Incident) {
        self.shared.waiting().incidents.insert(incident.id, incident);
        self.shared.news.notify_one();
    }

    /// Removes the record of an incident all of whose members were deleted.
    pub(super) fn forget(&self, id: IncidentId) {
        let mut waiting = self.shared.waiting();
        waiting.incidents.remove(&id);
        waiting.emptied.insert(id);
        drop(waiting);
        self.shared.news.notify_one();
    }

    /// Removes what deletions cover from the records. They are done before a state that includes
    /// them is saved, so that a crash repeats them.
    pub(super) fn erase(&self, deletions: Vec<(KpiName, DeletionScope)>) {
        if !deletions.is_empty() {
            self.shared.waiting().deletions.extend(deletions);
            self.shared.news.notify_one();
        }
    }

    pub(super) fn save(&self, seq: Seq, state: Vec<u8>) {
        self.shared.waiting().state = Some((seq, state));
        self.shared.news.notify_one();
    }

    /// Waits until everything is written, for a limited time.
    pub(super) async fn finish(&mut self) {
        self.shared.waiting().closed = true;
        self.shared.news.notify_one();
        if tokio::time::timeout(FINISH, &mut self.task).await.is_err() {
            tracing::warn!("incidents were not recorded in time; the log has them");
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The stored records, as far as they are known.
#[derive(Default)]
struct Known {
    /// The record's revision in the store, and the incident's own.
    revisions: BTreeMap<IncidentId, (Revision, u32)>,
    /// The closed incidents, by the time they were written.
    closed: BTreeSet<(i64, IncidentId)>,
}

struct Worker {
    records: IncidentRecords,
    pass: WorkspacePass,
    clock: Arc<dyn Clock>,
    keep_ms: i64,
    epochs: Arc<Epochs>,
    /// `None` until the records could be read.
    known: Option<Known>,
    /// Revision of the saved state, and the last event it includes.
    state: (Revision, Seq),
    /// Whether the records were read before. Records without an open incident are closed only at
    /// the first read.
    begun: bool,
    shared: Arc<Shared>,
}

impl Worker {
    async fn run(mut self, open: Vec<Incident>) {
        let mut repeats = Repeats::default();
        loop {
            let closed = self.shared.waiting().closed;
            match self.write(&open).await {
                Ok(true) if closed => return,
                Ok(true) => self.shared.news.notified().await,
                Ok(false) => {}
                Err(error) => {
                    if let Some(unlogged) = repeats.failed(&error.to_string()) {
                        let workspace = self.pass.workspace();
                        tracing::warn!(%workspace, %error, unlogged, "incidents could not be recorded, trying again");
                    }
                    let closed = self.shared.waiting().closed;
                    match (closed, error.kind) {
                        // Another writer was faster. The next attempt reads its records.
                        (true, ErrorKind::Conflict) => {}
                        // The log has them. Another attempt would only hold up the shutdown.
                        (true, _) => return,
                        (false, _) => self.pause().await,
                    }
                }
            }
        }
    }

    /// Waits before another attempt, or until no more records will come.
    async fn pause(&self) {
        let pause = tokio::time::sleep(PAUSE);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return,
                () = self.shared.news.notified() => {
                    if self.shared.waiting().closed {
                        return;
                    }
                }
            }
        }
    }

    /// Writes one waiting record; returns whether it was the last.
    async fn write(&mut self, open: &[Incident]) -> Result<bool, PortError> {
        if self.known.is_none() {
            self.load(open).await?;
        }
        let next = self.shared.waiting().incidents.pop_first();
        if let Some((id, incident)) = next {
            if let Err(error) = self.put(&incident).await {
                self.shared.waiting().incidents.entry(id).or_insert(incident);
                return Err(error);
            }
            return Ok(false);
        }
        let next = self.shared.waiting().emptied.first().copied();
        if let Some(id) = next {
            self.forget(id).await?;
            self.shared.waiting().emptied.remove(&id);
            return Ok(false);
        }
        let next = self.shared.waiting().deletions.front().cloned();
        if let Some((kpi, scope)) = next {
            self.erase(&kpi, &scope).await?;
            self.shared.waiting().deletions.pop_front();
            return Ok(false);
        }
        let next = self.shared.waiting().state.take();
        if let Some((seq, state)) = next {
            let saved = EngineRecord { epoch: self.epochs.epoch_of(seq).to_owned(), seq, state };
            if let Err(error) = self.put_state(&saved).await {
                self.shared.waiting().state.get_or_insert((saved.seq, saved.state));
                return Err(error);
            }
            return Ok(false);
        }
        self.forget_one().await.map(|forgotten| !forgotten)
    }

    async fn load(&mut self, open: &[Incident]) -> Result<(), PortError> {
        let (saved, revision) = self.records.load_engine(&self.pass).await?;
        let newest = match saved {
            Some(saved) if self.epochs.contains(&saved.epoch, saved.seq) => saved.seq,
            // Written since this writer began, by a later one.
            Some(saved) if self.begun && self.epochs.end_of(&saved.epoch).is_none() => Seq::MAX,
            // The state of another history: the log went back.
            _ => 0,
        };
        self.state = (revision, newest);
        let mut known = Known::default();
        let page = self.records.all(&self.pass).await?;
        for record in page.records {
            let IncidentRecord { at_ms, mut incident } = record.value;
            known.revisions.insert(incident.id, (record.revision, incident.revision));
            let under_way = open.iter().filter(|_| !self.begun).find(|open| open.id == incident.id);
            let mut waiting = self.shared.waiting();
            match under_way {
                Some(newer) if newer.revision > incident.revision => {
                    waiting.incidents.entry(newer.id).or_insert_with(|| newer.clone());
                }
                Some(_) => {}
                None if incident.closed_at_ms.is_none() && !self.begun => {
                    // Its end was written to the log only, or its log was replaced.
                    incident.closed_at_ms = Some(self.clock.now_ms());
                    incident.members_open = 0;
                    waiting.incidents.entry(incident.id).or_insert(incident);
                }
                None if incident.closed_at_ms.is_none() => {}
                None => {
                    known.closed.insert((at_ms, incident.id));
                }
            }
        }
        let mut waiting = self.shared.waiting();
        let open = open.iter().filter(|_| !self.begun);
        for incident in open.filter(|incident| !known.revisions.contains_key(&incident.id)) {
            waiting.incidents.entry(incident.id).or_insert_with(|| incident.clone());
        }
        drop(waiting);
        // Unreadable records stay. They count towards the limit, and a newer record of the same
        // incident replaces them.
        for unreadable in page.unreadable {
            if let Ok(id) = unreadable.name.parse() {
                known.revisions.insert(IncidentId(id), (unreadable.revision, 0));
            }
        }
        self.known = Some(known);
        self.begun = true;
        Ok(())
    }

    async fn put(&mut self, incident: &Incident) -> Result<(), PortError> {
        let Some(known) = &mut self.known else { return Ok(()) };
        let at_ms = self.clock.now_ms();
        let (expected, newest) = known.revisions.get(&incident.id).copied().unwrap_or((0, 0));
        if newest > incident.revision {
            return Ok(());
        }
        let record = IncidentRecord { at_ms, incident: incident.clone() };
        match self.records.put(&self.pass, &record, expected).await {
            Ok(revision) => {
                known.revisions.insert(incident.id, (revision, incident.revision));
                if incident.closed_at_ms.is_some() {
                    known.closed.insert((at_ms, incident.id));
                }
                Ok(())
            }
            Err(error) => self.conflicted(error),
        }
    }

    async fn forget(&mut self, id: IncidentId) -> Result<(), PortError> {
        let Some(known) = &mut self.known else { return Ok(()) };
        known.closed.retain(|(_, closed)| *closed != id);
        let Some((revision, _)) = known.revisions.remove(&id) else { return Ok(()) };
        match self.records.delete(&self.pass, &id.to_string(), revision).await {
            Ok(()) => Ok(()),
            Err(error) => self.conflicted(error),
        }
    }

    /// Removes what a deletion covers from all records. A record without members goes.
    async fn erase(&mut self, kpi: &KpiName, scope: &DeletionScope) -> Result<(), PortError> {
        for mut stored in self.records.all(&self.pass).await?.records {
            let incident = &mut stored.value.incident;
            if !incident.erase(kpi, scope) {
                continue;
            }
            let (id, revision) = (incident.id, incident.revision);
            let emptied = incident.members.is_empty() && incident.closed_at_ms.is_some();
            let written = if emptied {
                self.records.delete(&self.pass, &stored.name, stored.revision).await.map(|()| None)
            } else {
                self.records.put(&self.pass, &stored.value, stored.revision).await.map(Some)
            };
            match written {
                Ok(written) => {
                    let Some(known) = &mut self.known else { continue };
                    match written {
                        Some(written) => drop(known.revisions.insert(id, (written, revision))),
                        None => {
                            known.revisions.remove(&id);
                            known.closed.retain(|(_, closed)| *closed != id);
                        }
                    }
                }
                Err(error) => return self.conflicted(error),
            }
        }
        Ok(())
    }

    async fn put_state(&mut self, saved: &EngineRecord) -> Result<(), PortError> {
        let (expected, newest) = self.state;
        if newest > saved.seq {
            return Ok(());
        }
        match self.records.save_engine(&self.pass, saved, expected).await {
            Ok(revision) => {
                self.state = (revision, saved.seq);
                Ok(())
            }
            Err(error) => self.conflicted(error),
        }
    }

    /// Another writer was faster: a former owner that has not noticed its loss yet, or an earlier
    /// write that arrived after all. The records are read again before the next try.
    fn conflicted(&mut self, error: PortError) -> Result<(), PortError> {
        if error.kind == ErrorKind::Conflict {
            self.known = None;
        }
        Err(error)
    }

    /// Removes the oldest closed record if it is too old, or one too many. Returns whether it did.
    async fn forget_one(&mut self) -> Result<bool, PortError> {
        let Some(known) = &mut self.known else { return Ok(false) };
        let Some(&(at_ms, id)) = known.closed.first() else { return Ok(false) };
        let too_old = self.clock.now_ms().saturating_sub(at_ms) > self.keep_ms;
        if !too_old && known.revisions.len() <= MAX_RECORDS {
            return Ok(false);
        }
        known.closed.remove(&(at_ms, id));
        if let Some((revision, _)) = known.revisions.remove(&id) {
            match self.records.delete(&self.pass, &id.to_string(), revision).await {
                Err(error) if error.kind == ErrorKind::Conflict => self.known = None,
                result => result?,
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
