//! One workspace's log: its bounds, its size and its epoch.

use std::sync::{Arc, Mutex};

use async_nats::Client;
use async_nats::jetstream::stream::Info;

use super::frame::Position;
use super::index::Index;
use super::lock::lock;
use super::ownership::{Ownership, Writer};
use super::settings::JetStreamLogSettings;
use super::stream::{LogStream, StoredMessage};
use earcon_model::Seq;
use earcon_ports::{Epochs, LogHead, PortError};

/// One workspace's log, as this process sees it.
#[derive(Debug)]
pub(super) struct WorkspaceLog {
    pub(super) client: Client,
    pub(super) stream: LogStream,
    pub(super) settings: Arc<JetStreamLogSettings>,
    /// Held during an append, so that the appends of this process never overlap.
    pub(super) writer: tokio::sync::Mutex<Writer>,
    /// `None` if this process is not the writer, as far as it knows.
    pub(super) ownership: Mutex<Option<Ownership>>,
    pub(super) index: Mutex<Index>,
    /// The epoch of the stream that the index describes.
    epoch: Mutex<Option<String>>,
}

/// The end of the readable part of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// The last readable sequence.
    pub(super) sequence: u64,
    /// The next event after it.
    pub(super) next: Seq,
}

impl WorkspaceLog {
    pub(super) fn new(client: Client, stream: LogStream, settings: Arc<JetStreamLogSettings>) -> Self {
        let writer = tokio::sync::Mutex::new(Writer::Closed);
        Self {
            client,
            stream,
            settings,
            writer,
            ownership: Mutex::default(),
            index: Mutex::default(),
            epoch: Mutex::default(),
        }
    }

    /// The end of the log for a reader of events from `from` on. `None` if the log holds no
    /// message.
    ///
    /// While this process is the writer, the end is its last acknowledged append, because an append
    /// with an unknown result must not be visible. It notices that it lost the log when another
    /// writer's message is the last one.
    pub(super) async fn bound(&self, from: Seq) -> Result<Option<Bound>, PortError> {
        let ownership = lock(&self.ownership).clone();
        if let Some(ownership) = ownership.as_ref().filter(|ownership| from < ownership.next) {
            return Ok(Some(Bound { sequence: ownership.sequence, next: ownership.next }));
        }
        let Some(last) = self.stream.last().await? else { return Ok(None) };
        if let Some(ownership) = ownership {
            if last.id.writer() == ownership.writer {
                return Ok(Some(Bound { sequence: ownership.sequence, next: ownership.next }));
            }
            self.drop_ownership(&ownership.writer);
        }
        let sequence = last.sequence;
        let position = self.position_before(last).await?;
        Ok(Some(Bound { sequence, next: position.map_or(1, |position| position.next()) }))
    }

    /// Records that another writer has taken over.
    pub(super) fn drop_ownership(&self, writer: &str) {
        let mut ownership = lock(&self.ownership);
        if ownership.as_ref().is_some_and(|ownership| ownership.writer == writer) {
            *ownership = None;
        }
    }

    /// The position of `message`, or of the nearest earlier message that has one.
    pub(super) async fn position_before(&self, mut message: StoredMessage) -> Result<Option<Position>, PortError> {
        loop {
            match (message.position, message.sequence) {
                (Some(position), _) => return Ok(Some(position)),
                (None, ..=1) => return Ok(None),
                (None, sequence) => match self.stream.get_from_leader(sequence - 1).await? {
                    Some(before) => message = before,
                    None => return Ok(None),
                },
            }
        }
    }

    pub(super) async fn head(&self) -> Result<Option<LogHead>, PortError> {
        let Some(info) = self.info().await? else { return Ok(None) };
        let next = self.bound(Seq::MAX).await?.map_or(1, |bound| bound.next);
        Ok(Some(self.head_at(&info, next).await?))
    }

    /// The head of a log whose next event is `next`.
    pub(super) async fn head_at(&self, info: &Info, next: Seq) -> Result<LogHead, PortError> {
        let first = self.first_at(info.state.first_sequence, info.state.last_sequence).await?.unwrap_or(next).min(next);
        Ok(LogHead { epochs: Epochs::new(epoch(info), 1), first, next })
    }

    /// The first event of the messages from sequence `first` to `last`. It may be the next event.
    pub(super) async fn first_at(&self, first: u64, last: u64) -> Result<Option<Seq>, PortError> {
        for sequence in first.max(1)..=last {
            if let Some(position) = self.stream.get(sequence).await?.and_then(|stored| stored.position) {
                return Ok(Some(position.seq));
            }
        }
        Ok(None)
    }

    pub(super) async fn size_bytes(&self) -> Result<u64, PortError> {
        Ok(self.info().await?.map_or(0, |info| info.state.bytes))
    }

    /// The sequence of the first part of the last append, or of the last fence.
    pub(super) async fn start_of_last(&self, bound: Bound) -> Result<u64, PortError> {
        let last = self.stream.get(bound.sequence).await?.and_then(|stored| stored.position);
        Ok(bound.sequence - last.map_or(0, |position| position.part).min(bound.sequence))
    }

    /// The leader's information about the stream. If it is another stream than before, the index is
    /// cleared.
    pub(super) async fn info(&self) -> Result<Option<Info>, PortError> {
        let info = self.stream.info().await?;
        if let Some(info) = &info {
            self.record(info);
        }
        Ok(info)
    }

    pub(super) fn record(&self, info: &Info) {
        let epoch = epoch(info);
        let mut known = lock(&self.epoch);
        if known.as_ref() != Some(&epoch) {
            lock(&self.index).clear();
            *known = Some(epoch);
        }
    }
}

/// The epoch of the log: the creation time of its stream, to the nanosecond. The server keeps it
/// over restarts and changes of settings, and reports the same to every node. A stream that was
/// deleted and created again has another epoch.
pub(super) fn epoch(info: &Info) -> String {
    format!("js{:x}", info.created.unix_timestamp_nanos())
}
