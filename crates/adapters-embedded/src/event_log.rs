//! The event log over fjall. Each append is stored as one value (a *frame*, or several if it is
//! large) and costs one `fdatasync`.
//!
//! The key of a frame is: workspace, zero, first sequence number in big endian. Each workspace also
//! has a head record with the epochs, the bounds and the size. It is written in the same batch as
//! the frames, so both always agree. Group commit happens above this port: the log writer hands
//! over many events at once.
//!
//! # After a failed append
//! This process never shows any part of the append and refuses every later write: after a failed
//! `fdatasync` the content of the disk is unknown. A restart finds the same as after a crash in the
//! middle of that append: all of it or nothing.
//!
//! A caller that stops waiting for `append` does not stop it. The next append from the same
//! sequence number is then a conflict.

mod frame;

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use fjall::{Readable, Snapshot};
use serde::{Deserialize, Serialize};

use super::database::{Database, Durability, blocking, corrupt, prefix, unreadable};
use earcon_model::{Event, Seq, WorkspaceId};
use earcon_ports::{EpochStart, Epochs, ErrorKind, EventLog, LogHead, Page, PortError};
use earcon_tenancy::WorkspacePass;

/// Frames removed in one batch by a trim, so that a long trim delays appends only briefly.
const TRIM_FRAMES: usize = 1_024;

/// The head record of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredHead {
    version: u8,
    /// The names of the epochs, oldest first, and their first events.
    epochs: Vec<(String, Seq)>,
    first: Seq,
    next: Seq,
    bytes: u64,
}

impl StoredHead {
    fn bounds(&self) -> Result<LogHead, PortError> {
        let starts = self.epochs.iter().map(|(epoch, first)| EpochStart { epoch: epoch.clone(), first: *first });
        let epochs = Epochs::from_starts(starts.collect()).ok_or_else(|| corrupt("the epochs of a log"))?;
        Ok(LogHead { epochs, first: self.first, next: self.next })
    }
}

/// One workspace's log. The lock is held across the commit, so this process is the single writer.
type Slot = Arc<Mutex<Option<StoredHead>>>;

pub(super) struct EmbeddedLog {
    inner: Arc<Inner>,
}

struct Inner {
    database: Arc<Database>,
    slots: Mutex<HashMap<WorkspaceId, Slot>>,
}

impl EmbeddedLog {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { inner: Arc::new(Inner { database, slots: Mutex::default() }) }
    }

    async fn run<T, F>(&self, pass: &WorkspacePass, work: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Inner, &WorkspaceId) -> Result<T, PortError> + Send + 'static,
    {
        let (inner, workspace) = (self.inner.clone(), pass.workspace().clone());
        blocking(move || work(&inner, &workspace)).await
    }
}

#[async_trait]
impl EventLog for EmbeddedLog {
    async fn open(&self, pass: &WorkspacePass) -> Result<LogHead, PortError> {
        self.run(pass, |inner, workspace| {
            let slot = inner.slot(workspace)?;
            let mut head = lock(&slot);
            inner.begin_epoch(workspace, &mut head)?.bounds()
        })
        .await
    }

    async fn head(&self, pass: &WorkspacePass) -> Result<Option<LogHead>, PortError> {
        self.run(pass, |inner, workspace| {
            let slot = inner.slot(workspace)?;
            let head = lock(&slot);
            head.as_ref().map(StoredHead::bounds).transpose()
        })
        .await
    }

    async fn append(&self, pass: &WorkspacePass, events: Vec<Arc<Event>>) -> Result<(), PortError> {
        self.run(pass, move |inner, workspace| inner.append(workspace, &events)).await
    }

    async fn read(&self, pass: &WorkspacePass, from: Seq, max_events: usize) -> Result<Page, PortError> {
        self.run(pass, move |inner, workspace| inner.read(workspace, from, max_events)).await
    }

    async fn trim(&self, pass: &WorkspacePass, before: Seq) -> Result<Seq, PortError> {
        self.run(pass, move |inner, workspace| {
            loop {
                let (first, more) = inner.trim_some(workspace, before)?;
                if !more {
                    return Ok(first);
                }
            }
        })
        .await
    }

    async fn seq_at(&self, pass: &WorkspacePass, time_ms: i64) -> Result<Seq, PortError> {
        self.run(pass, move |inner, workspace| inner.seq_at(workspace, time_ms)).await
    }

    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError> {
        self.run(pass, |inner, workspace| {
            let slot = inner.slot(workspace)?;
            let bytes = lock(&slot).as_ref().map_or(0, |head| head.bytes);
            Ok(bytes)
        })
        .await
    }
}

impl Inner {
    /// The workspace's slot. The first call reads it from the database.
    fn slot(&self, workspace: &WorkspaceId) -> Result<Slot, PortError> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(workspace) {
            return Ok(slot.clone());
        }
        let stored = self.database.snapshot().get(&self.database.log_heads, workspace.as_str()).map_err(unreadable)?;
        let head = stored.map(|bytes| decode_head(&bytes)).transpose()?;
        let slot = Arc::new(Mutex::new(head));
        slots.insert(workspace.clone(), slot.clone());
        Ok(slot)
    }

    fn begin_epoch<'a>(
        &self,
        workspace: &WorkspaceId,
        slot: &'a mut Option<StoredHead>,
    ) -> Result<&'a mut StoredHead, PortError> {
        let epoch = uuid::Uuid::new_v4().to_string();
        let head = match slot {
            None => StoredHead { version: 1, epochs: vec![(epoch, 1)], first: 1, next: 1, bytes: 0 },
            Some(head) => {
                let mut epochs = head.bounds()?.epochs;
                epochs.forget_before(head.first);
                epochs.begin(epoch, head.next);
                let epochs = epochs.starts().map(|start| (start.epoch.clone(), start.first)).collect();
                StoredHead { epochs, ..head.clone() }
            }
        };
        let mut batch = self.database.batch();
        batch.insert(&self.database.log_heads, workspace.as_str(), encode_head(&head)?);
        self.database.commit(batch, Durability::Synced)?;
        Ok(slot.insert(head))
    }

    fn append(&self, workspace: &WorkspaceId, events: &[Arc<Event>]) -> Result<(), PortError> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
        if events.windows(2).any(|pair| pair[0].seq.checked_add(1) != Some(pair[1].seq)) {
            return Err(PortError::new(ErrorKind::Invalid, "the events of an append are not consecutive"));
        }
        let frames = frame::encode(events)?;
        let slot = self.slot(workspace)?;
        let mut slot = lock(&slot);
        let head = match &mut *slot {
            Some(head) => head,
            slot => self.begin_epoch(workspace, slot)?,
        };
        if first.seq != head.next {
            let text = format!("the log of {workspace} continues at {}, not at {}", head.next, first.seq);
            return Err(PortError::new(ErrorKind::Conflict, text));
        }
        let bytes: usize = frames.iter().map(|(_, frame)| frame.len()).sum();
        let after = StoredHead { next: last.seq + 1, bytes: head.bytes + bytes as u64, ..head.clone() };
        let mut batch = self.database.batch();
        for (seq, frame) in frames {
            batch.insert(&self.database.log_frames, frame_key(workspace, seq), frame);
        }
        batch.insert(&self.database.log_heads, workspace.as_str(), encode_head(&after)?);
        self.database.commit(batch, Durability::Synced)?;
        *head = after;
        Ok(())
    }

    fn read(&self, workspace: &WorkspaceId, from: Seq, max_events: usize) -> Result<Page, PortError> {
        let snapshot = self.database.snapshot();
        let start = match self.frame_at(&snapshot, workspace, from)? {
            Some((seq, _)) => seq,
            None => 0,
        };
        let mut events = Vec::new();
        for frame in
            snapshot.range(&self.database.log_frames, frame_key(workspace, start)..=frame_key(workspace, Seq::MAX))
        {
            if events.len() >= max_events {
                break;
            }
            let (key, bytes) = frame.into_inner().map_err(unreadable)?;
            if frame_seq(&key)? + u64::from(frame::header(&bytes)?.count) <= from {
                continue;
            }
            events.extend(frame::decode(&bytes)?.into_iter().filter(|event| event.seq >= from));
        }
        Ok(Page { events })
    }

    /// The last frame that starts at or before `seq`.
    fn frame_at(
        &self,
        snapshot: &Snapshot,
        workspace: &WorkspaceId,
        seq: Seq,
    ) -> Result<Option<(Seq, fjall::UserValue)>, PortError> {
        let keys = frame_key(workspace, 0)..=frame_key(workspace, seq);
        let Some(frame) = snapshot.range(&self.database.log_frames, keys).next_back() else { return Ok(None) };
        let (key, bytes) = frame.into_inner().map_err(unreadable)?;
        Ok(Some((frame_seq(&key)?, bytes)))
    }

    /// Removes up to [`TRIM_FRAMES`] frames that end before `before`. Returns the log's first
    /// sequence number, and whether more frames may have to be removed.
    fn trim_some(&self, workspace: &WorkspaceId, before: Seq) -> Result<(Seq, bool), PortError> {
        let slot = self.slot(workspace)?;
        let mut slot = lock(&slot);
        let Some(head) = slot.as_mut() else { return Ok((1, false)) };
        let mut after = head.clone();
        let mut batch = self.database.batch();
        let bounds = (
            Bound::Included(frame_key(workspace, head.first)),
            Bound::Excluded(frame_key(workspace, before.min(head.next))),
        );
        if before > head.first {
            for frame in self.database.snapshot().range(&self.database.log_frames, bounds) {
                let (key, bytes) = frame.into_inner().map_err(unreadable)?;
                let end = frame_seq(&key)? + u64::from(frame::header(&bytes)?.count);
                if end > before || batch.len() == TRIM_FRAMES {
                    break;
                }
                after.first = end;
                after.bytes = after.bytes.saturating_sub(bytes.len() as u64);
                batch.remove(&self.database.log_frames, key);
            }
        }
        let more = batch.len() == TRIM_FRAMES;
        if !batch.is_empty() {
            batch.insert(&self.database.log_heads, workspace.as_str(), encode_head(&after)?);
            // Not synced: a lost trim is repeated later.
            self.database.commit(batch, Durability::Buffered)?;
            *head = after;
        }
        Ok((head.first, more))
    }

    /// Binary search over the frames. Exact if commit times do not decrease.
    fn seq_at(&self, workspace: &WorkspaceId, time_ms: i64) -> Result<Seq, PortError> {
        let slot = self.slot(workspace)?;
        let bounds = lock(&slot).as_ref().map(|head| (head.first, head.next));
        let Some((mut low, mut high)) = bounds else { return Ok(1) };
        let snapshot = self.database.snapshot();
        while low < high {
            let Some((seq, bytes)) = self.frame_at(&snapshot, workspace, low + (high - low) / 2)? else { break };
            let header = frame::header(&bytes)?;
            if header.last_time_ms < time_ms {
                low = seq + u64::from(header.count);
            } else if header.first_time_ms >= time_ms {
                high = seq.max(low);
            } else {
                let found = frame::decode(&bytes)?.iter().find(|event| event.time_ms >= time_ms).map(|event| event.seq);
                return found.ok_or_else(|| corrupt("a frame of the log"));
            }
        }
        Ok(low)
    }
}

fn frame_key(workspace: &WorkspaceId, seq: Seq) -> Vec<u8> {
    let mut key = prefix(workspace);
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

fn frame_seq(key: &[u8]) -> Result<Seq, PortError> {
    key.last_chunk().map(|bytes| Seq::from_be_bytes(*bytes)).ok_or_else(|| corrupt("a key of the log"))
}

fn encode_head(head: &StoredHead) -> Result<Vec<u8>, PortError> {
    postcard::to_stdvec(head)
        .map_err(|error| PortError::caused(ErrorKind::Invalid, "the head of a log cannot be encoded", error))
}

fn decode_head(bytes: &[u8]) -> Result<StoredHead, PortError> {
    match postcard::from_bytes::<StoredHead>(bytes) {
        Ok(head) if head.version == 1 => Ok(head),
        _ => Err(corrupt("the head of a log")),
    }
}

/// A panic under the lock leaves the head unchanged: only a successful commit replaces it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
