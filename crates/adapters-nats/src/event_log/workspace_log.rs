//! One workspace's log: where it begins and ends, how large it is, and what is forgotten of it.

use std::sync::{Arc, Mutex};

use async_nats::Client;
use async_nats::jetstream::stream::Info;

use super::JetStreamLogSettings;
use super::frame::Place;
use super::index::Index;
use super::lock;
use super::stream::{LogStream, Stored};
use super::writer::Writer;
use earcon_model::Seq;
use earcon_ports::{ErrorKind, LogHead, PortError};

/// What this process has written and knows to be durable, since it opened the log.
#[derive(Debug, Clone)]
pub(super) struct Own {
    /// The writer's name in its messages.
    pub(super) writer: String,
    /// The event that comes next.
    pub(super) next: Seq,
    /// The last sequence that was acknowledged.
    pub(super) sequence: u64,
}

/// One workspace's log, as this process sees it.
#[derive(Debug)]
pub(super) struct WorkspaceLog {
    pub(super) client: Client,
    pub(super) stream: LogStream,
    pub(super) settings: Arc<JetStreamLogSettings>,
    /// Held through an append, so that appends of this process come one after the other.
    pub(super) writer: tokio::sync::Mutex<Writer>,
    /// `None` when this process is not the writer, as far as it knows.
    pub(super) own: Mutex<Option<Own>>,
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
            own: Mutex::default(),
            index: Mutex::default(),
            epoch: Mutex::default(),
        }
    }

    /// How far a reader may go who wants events from `from` on; `None` when the log holds nothing at all.
    ///
    /// As long as this process is the writer, that is what was acknowledged to it: of an append whose outcome is unknown
    /// nothing may be seen. It notices that it is the writer no more when somebody else has written last.
    pub(super) async fn bound(&self, from: Seq) -> Result<Option<Bound>, PortError> {
        let own = lock(&self.own).clone();
        if let Some(own) = own.as_ref().filter(|own| from < own.next) {
            return Ok(Some(Bound { sequence: own.sequence, next: own.next }));
        }
        let Some(last) = self.stream.last().await? else { return Ok(None) };
        if let Some(own) = own {
            if last.id.writer() == own.writer {
                return Ok(Some(Bound { sequence: own.sequence, next: own.next }));
            }
            self.disown(&own.writer);
        }
        let sequence = last.sequence;
        let place = self.place_before(last).await?;
        Ok(Some(Bound { sequence, next: place.map_or(1, |place| place.next()) }))
    }

    /// Somebody else writes now.
    pub(super) fn disown(&self, writer: &str) {
        let mut own = lock(&self.own);
        if own.as_ref().is_some_and(|own| own.writer == writer) {
            *own = None;
        }
    }

    /// The place of `message`, or of the nearest one before it that has one.
    pub(super) async fn place_before(&self, mut message: Stored) -> Result<Option<Place>, PortError> {
        loop {
            match (message.place, message.sequence) {
                (Some(place), _) => return Ok(Some(place)),
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
            if let Some(place) = self.stream.get(sequence).await?.and_then(|stored| stored.place) {
                return Ok(Some(place.seq));
            }
        }
        Ok(None)
    }

    pub(super) async fn size_bytes(&self) -> Result<u64, PortError> {
        Ok(self.info().await?.map_or(0, |info| info.state.bytes))
    }

    /// The first part of the append that the log ends with, or the fence it ends with.
    pub(super) async fn start_of_last(&self, bound: Bound) -> Result<u64, PortError> {
        let last = self.stream.get(bound.sequence).await?.and_then(|stored| stored.place);
        Ok(bound.sequence - last.map_or(0, |place| place.part).min(bound.sequence))
    }

    /// Forgets whole appends before `before`. The last message stays, because it says where the log goes on; so only its
    /// writer, who can put a fence behind it, forgets the last append.
    pub(super) async fn trim(&self, before: Seq) -> Result<Seq, PortError> {
        let (Some(info), Some(bound)) = (self.info().await?, self.bound(Seq::MAX).await?) else { return Ok(1) };
        let mut keep = self.start_of_last(bound).await?;
        if before < bound.next {
            keep = keep.min(self.start_of(before, bound).await?);
        } else {
            // First make room: the fence may need it.
            self.purge(&info, keep).await?;
            match self.fence_behind_last().await {
                Ok(Some(fence)) => keep = fence,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(stream = self.stream.name, %error, "the last append cannot be trimmed yet")
                }
            }
        }
        self.purge(&info, keep).await?;
        let first = info.state.first_sequence.max(keep);
        Ok(self.first_at(first, bound.sequence.max(keep)).await?.unwrap_or(bound.next).min(bound.next))
    }

    /// What the leader says of the stream. When it is another stream than before, what was known of the old one is forgotten.
    pub(super) async fn info(&self) -> Result<Option<Info>, PortError> {
        let info = self.stream.info().await?;
        if let Some(info) = &info {
            self.saw(info);
        }
        Ok(info)
    }

    pub(super) fn saw(&self, info: &Info) {
        let epoch = epoch(info);
        let mut known = lock(&self.epoch);
        if known.as_ref() != Some(&epoch) {
            lock(&self.index).clear();
            *known = Some(epoch);
        }
    }

    async fn purge(&self, info: &Info, keep: u64) -> Result<(), PortError> {
        if keep > info.state.first_sequence {
            self.stream.purge_before(keep).await?;
            lock(&self.index).forget_before(keep);
        }
        Ok(())
    }
}

/// Names the life of the log: when its stream was made, to the nanosecond. The server keeps that over restarts and changes of
/// settings and tells it every node; a stream that was deleted and made again has another.
pub(super) fn epoch(info: &Info) -> String {
    format!("js{:x}", info.created.unix_timestamp_nanos())
}

/// The stream has no messages, but it had some: nothing says any more where the log goes on.
pub(super) fn emptied(stream: &LogStream) -> PortError {
    let text = format!(
        "the stream {} was emptied by something else than Earcon, so nothing says which event comes next; delete it to \
         begin a new log",
        stream.name
    );
    PortError::new(ErrorKind::Corrupt, text)
}
