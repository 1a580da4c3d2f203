//! One workspace's log: where it begins and ends, how large it is, and what is forgotten of it.

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
use earcon_ports::{LogHead, PortError};

/// One workspace's log, as this process sees it.
#[derive(Debug)]
pub(super) struct WorkspaceLog {
    pub(super) client: Client,
    pub(super) stream: LogStream,
    pub(super) settings: Arc<JetStreamLogSettings>,
    /// Held through an append, so that appends of this process come one after the other.
    pub(super) writer: tokio::sync::Mutex<Writer>,
    /// `None` when this process is not the writer, as far as it knows.
    pub(super) ownership: Mutex<Option<Ownership>>,
    pub(super) index: Mutex<Index>,
    /// Of the stream the index is of.
    epoch: Mutex<Option<String>>,
}

/// How far a reader may go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// The last sequence to read.
    pub(super) sequence: u64,
    /// The event that comes after it.
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

    /// How far a reader may go who wants events from `from` on; `None` when the log holds nothing at all.
    ///
    /// As long as this process is the writer, that is what was acknowledged to it: of an append whose outcome is unknown
    /// nothing may be seen. It notices that it is the writer no more when somebody else has written last.
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

    /// Somebody else writes now.
    pub(super) fn drop_ownership(&self, writer: &str) {
        let mut ownership = lock(&self.ownership);
        if ownership.as_ref().is_some_and(|ownership| ownership.writer == writer) {
            *ownership = None;
        }
    }

    /// The position of `message`, or of the nearest one before it that has one.
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

    /// The head of a log that continues with `next`.
    pub(super) async fn head_at(&self, info: &Info, next: Seq) -> Result<LogHead, PortError> {
        let first = self.first_at(info.state.first_sequence, info.state.last_sequence).await?.unwrap_or(next).min(next);
        Ok(LogHead { epoch: epoch(info), first, next })
    }

    /// The event that the messages from sequence `first` to `last` begin with, which need not be there yet.
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

    /// The first part of the append that the log ends with, or the fence it ends with.
    pub(super) async fn start_of_last(&self, bound: Bound) -> Result<u64, PortError> {
        let last = self.stream.get(bound.sequence).await?.and_then(|stored| stored.position);
        Ok(bound.sequence - last.map_or(0, |position| position.part).min(bound.sequence))
    }

    /// What the leader says of the stream. When it is another stream than before, what was known of the old one is forgotten.
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

/// Names the life of the log: when its stream was made, to the nanosecond. The server keeps that over restarts and changes of
/// settings and tells it every node; a stream that was deleted and made again has another.
pub(super) fn epoch(info: &Info) -> String {
    format!("js{:x}", info.created.unix_timestamp_nanos())
}
