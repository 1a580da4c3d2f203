//! One workspace's log: its bounds and its size.

use std::sync::{Arc, Mutex};

use async_nats::Client;
use async_nats::jetstream::stream::Info;

use super::epochs::KnownEpochs;
use super::frame::Position;
use super::index::Index;
use super::lock::lock;
use super::ownership::{Ownership, Writer};
use super::settings::JetStreamLogSettings;
use super::stream::{LogStream, StoredMessage};
use earcon_model::Seq;
use earcon_ports::{Epochs, ErrorKind, LogHead, PortError};

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
    /// The creation time of the stream that the index describes, nanoseconds UTC.
    created: Mutex<Option<i128>>,
    pub(super) epochs: Mutex<Option<KnownEpochs>>,
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
            created: Mutex::default(),
            epochs: Mutex::default(),
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
        Ok(self.end().await?.map(|(bound, _)| bound))
    }

    /// The end of the log, and its epochs if their fence is there.
    async fn end(&self) -> Result<Option<(Bound, Option<Arc<Epochs>>)>, PortError> {
        let ownership = lock(&self.ownership).clone();
        let Some(last) = self.stream.last().await? else { return Ok(None) };
        if let Some(ownership) = ownership {
            if last.id.writer() == ownership.writer {
                let bound = Bound { sequence: ownership.sequence, next: ownership.next };
                return Ok(Some((bound, Some(ownership.epochs))));
            }
            self.drop_ownership(&ownership.writer);
        }
        let sequence = last.sequence;
        let Some(message) = self.positioned(last).await? else { return Ok(Some((Bound { sequence, next: 1 }, None))) };
        let next = message.position.map_or(1, |position| position.next());
        Ok(Some((Bound { sequence, next }, self.epochs_at(&message).await?)))
    }

    /// Records that another writer has taken over.
    pub(super) fn drop_ownership(&self, writer: &str) {
        let mut ownership = lock(&self.ownership);
        if ownership.as_ref().is_some_and(|ownership| ownership.writer == writer) {
            *ownership = None;
        }
    }

    /// The position of `message`, or of the nearest earlier message that has one.
    pub(super) async fn position_before(&self, message: StoredMessage) -> Result<Option<Position>, PortError> {
        Ok(self.positioned(message).await?.and_then(|message| message.position))
    }

    /// `message`, or the nearest earlier message that has a position.
    pub(super) async fn positioned(&self, mut message: StoredMessage) -> Result<Option<StoredMessage>, PortError> {
        loop {
            match (message.position, message.sequence) {
                (Some(_), _) => return Ok(Some(message)),
                (None, ..=1) => return Ok(None),
                (None, sequence) => match self.stream.get_from_leader(sequence - 1).await? {
                    Some(before) => message = before,
                    None => return Ok(None),
                },
            }
        }
    }

    /// The present head. `None` if there is no log, or no writer has opened it yet.
    pub(super) async fn head(&self) -> Result<Option<LogHead>, PortError> {
        let Some(info) = self.info().await? else { return Ok(None) };
        let Some((bound, epochs)) = self.end().await? else { return Ok(None) };
        let Some(epochs) = epochs else {
            let text = format!("the fence of {} is missing; the next opening of the log adds one", self.stream.name);
            return Err(PortError::new(ErrorKind::Unavailable, text));
        };
        let first = self.first_event(&info, bound.next).await?;
        Ok(Some(LogHead { epochs: epochs.as_ref().clone(), first, next: bound.next }))
    }

    /// The oldest event held in a log whose next event is `next`.
    pub(super) async fn first_event(&self, info: &Info, next: Seq) -> Result<Seq, PortError> {
        let first = self.first_at(info.state.first_sequence, info.state.last_sequence).await?;
        Ok(first.unwrap_or(next).min(next))
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

    /// Deletes the log. This process is no longer its writer.
    pub(super) async fn remove(&self) -> Result<(), PortError> {
        let mut writer = self.writer.lock().await;
        *writer = Writer::Closed;
        *lock(&self.ownership) = None;
        self.stream.delete().await
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
        let created = info.created.unix_timestamp_nanos();
        if lock(&self.created).replace(created).is_some_and(|known| known != created) {
            lock(&self.index).clear();
        }
    }
}
