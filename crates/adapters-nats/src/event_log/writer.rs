//! Writing: taking the log over, and appending to it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::header::{HeaderMap, NATS_EXPECTED_LAST_SEQUENCE};
use async_nats::jetstream::stream::Info;
use bytes::Bytes;

use super::frame::{self, MessageId, POSITION_HEADER, Position};
use super::lock::lock;
use super::ownership::{OpenWriter, Writer};
use super::stream::LogStream;
use super::workspace_log::WorkspaceLog;
use crate::failure;
use crate::publish::{Outgoing, Patience, Refusal, publish};
use earcon_model::{Event, Seq};
use earcon_ports::{Epochs, ErrorKind, LogHead, PortError};

/// How long to wait for an answer before sending a message again. Repeating costs only the message.
const ANSWER: Duration = Duration::from_secs(2);
/// Bytes of a message in addition to its payload: subject, headers, and the server's overhead.
const OVERHEAD: usize = 512;
/// After this many refused fences, the present writer is stopped, because it writes too fast to
/// catch up with.
const FENCE_ATTEMPTS: u32 = 3;

impl WorkspaceLog {
    /// Takes the log over, and creates it if there is none.
    pub(super) async fn open(&self) -> Result<LogHead, PortError> {
        let mut writer = self.writer.lock().await;
        self.stream.prepare(&self.settings).await?;
        let mut refused = 0;
        loop {
            let Some(info) = self.info().await? else {
                return Err(failure::unanswered("cannot open the log", "its stream is gone again"));
            };
            let (mut open, first) = self.catch_up(&info).await?;
            match self.fence(&mut open).await {
                Ok(()) => {
                    *lock(&self.ownership) = Some(open.ownership());
                    let head = LogHead { epochs: open.epochs.as_ref().clone(), first, next: open.next };
                    *writer = Writer::Open(open);
                    return Ok(head);
                }
                Err(Failed::Overtaken) => refused += 1,
                Err(Failed::Refused(error) | Failed::Unsure(error)) => return Err(error),
            }
            if refused >= FENCE_ATTEMPTS {
                self.halt(&open).await?;
            }
        }
    }

    /// A new writer that knows the end of the stream, and the oldest event held.
    async fn catch_up(&self, info: &Info) -> Result<(OpenWriter, Seq), PortError> {
        let sequence = info.state.last_sequence;
        let (mut position, mut epochs) = (None, None);
        if sequence > 0 {
            let last = self.stream.get_from_leader(sequence).await?;
            let last = match last {
                Some(last) => self.positioned(last).await?,
                None if info.state.messages == 0 => return Err(emptied_error(&self.stream)),
                None => return Err(failure::unanswered("cannot open the log", "its last message cannot be read yet")),
            };
            if let Some(last) = last {
                position = last.position;
                epochs = self.epochs_at(&last).await?;
            }
        }
        let id = uuid::Uuid::new_v4().simple().to_string();
        let next = position.map_or(1, |position| position.next());
        let first = self.first_event(info, next).await?;
        let epochs = match epochs.map(Arc::unwrap_or_clone) {
            Some(mut epochs) => {
                epochs.forget_before(first);
                epochs.begin(&id, next);
                epochs
            }
            // A new log, or one whose fence is gone: no earlier position is known to belong to it.
            None => Epochs::new(&id, next),
        };
        let open = OpenWriter {
            id,
            next,
            sequence,
            last_time_ms: position.map_or(i64::MIN, |position| position.last_time_ms),
            appends: 0,
            bytes: info.state.bytes,
            epochs: Arc::new(epochs),
            fence: 0,
        };
        Ok((open, first))
    }

    /// Advances the stream without any condition, so that its present writer is refused.
    async fn halt(&self, open: &OpenWriter) -> Result<(), PortError> {
        let id = MessageId::new(&open.id, u64::MAX, 0).as_str().to_owned();
        let (subject, headers) = (self.stream.subject.clone(), HeaderMap::new());
        match publish(&self.client, &Outgoing { subject, id, headers, payload: Bytes::new() }, self.patience()).await {
            Ok(_) => Ok(()),
            Err(refusal) => Err(match self.classify(refusal) {
                Failed::Overtaken => conflict(&self.stream.name),
                Failed::Refused(error) | Failed::Unsure(error) => error,
            }),
        }
    }

    async fn fence(&self, open: &mut OpenWriter) -> Result<(), Failed> {
        let position = Position::fence(open.next, open.last_time_ms);
        let payload = frame::encode_epochs(&open.epochs).map_err(Failed::Refused)?;
        self.send(open, position, payload).await?;
        open.appends += 1;
        open.fence = open.sequence;
        Ok(())
    }

    /// Adds a fence after the last append, if this process is the writer. Returns the sequence of
    /// the fence.
    pub(super) async fn fence_behind_last(&self) -> Result<Option<u64>, PortError> {
        let mut writer = self.writer.lock().await;
        let Writer::Open(open) = &*writer else { return Ok(None) };
        let mut open = open.clone();
        let result = self.fence(&mut open).await;
        let sequence = open.sequence;
        self.finish_write(&mut writer, open, result).map(|()| Some(sequence))
    }

    /// Whether this process is the writer, as far as it knows, and may write again.
    pub(super) async fn is_writer(&self) -> bool {
        matches!(*self.writer.lock().await, Writer::Open(_))
    }

    /// Appends `events`. See the port.
    pub(super) async fn append(&self, events: &[Arc<Event>]) -> Result<(), PortError> {
        let Some(first) = events.first() else { return Ok(()) };
        if events.windows(2).any(|pair| pair[0].seq.checked_add(1) != Some(pair[1].seq)) {
            return Err(PortError::new(ErrorKind::Invalid, "the events of an append are not consecutive"));
        }
        let bytes = frame::encode(events)?;
        let mut writer = self.writer.lock().await;
        let mut open = match &*writer {
            Writer::Open(open) => open.clone(),
            Writer::Lost => return Err(conflict(&self.stream.name)),
            Writer::Closed => {
                let text = format!("{} must be opened before it is appended to", self.stream.name);
                return Err(PortError::new(ErrorKind::Conflict, text));
            }
            Writer::Unsure => {
                let text = format!("an earlier append to {} may be lost; it must be opened again", self.stream.name);
                return Err(PortError::new(ErrorKind::Unavailable, text));
            }
        };
        if first.seq != open.next {
            let text = format!("the log {} continues at {}, not at {}", self.stream.name, open.next, first.seq);
            return Err(PortError::new(ErrorKind::Conflict, text));
        }
        self.check_room(&mut open, bytes.len() as u64).await?;
        let (before, result) = (open.sequence, self.send_parts(&mut open, events, bytes).await);
        if result.is_ok() {
            lock(&self.index).record(first.seq, before + 1);
        }
        self.finish_write(&mut writer, open, result)
    }

    /// Sends an append, split into messages that the server accepts.
    async fn send_parts(&self, open: &mut OpenWriter, events: &[Arc<Event>], bytes: Bytes) -> Result<(), Failed> {
        let largest = self.client.server_info().max_payload.saturating_sub(OVERHEAD).max(1);
        let parts = bytes.len().div_ceil(largest).max(1);
        let Some(position) = Position::from_events(events, parts as u64, open.fence) else { return Ok(()) };
        for part in 0..parts {
            let payload = bytes.slice(part * largest..bytes.len().min((part + 1) * largest));
            self.send(open, Position { part: part as u64, ..position }, payload).await?;
        }
        open.appends += 1;
        open.next = position.seq + position.count;
        open.last_time_ms = position.last_time_ms;
        Ok(())
    }

    /// Sends one message, which must follow the last one.
    async fn send(&self, open: &mut OpenWriter, position: Position, payload: Bytes) -> Result<(), Failed> {
        let id = MessageId::new(&open.id, open.appends, position.part);
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SEQUENCE, open.sequence.to_string());
        headers.insert(POSITION_HEADER, position.to_header());
        let size = payload.len() + OVERHEAD;
        let message = Outgoing { subject: self.stream.subject.clone(), id: id.as_str().to_owned(), headers, payload };
        match publish(&self.client, &message, self.patience()).await {
            Ok(sequence) => open.sequence = sequence,
            // The message there may be an earlier copy of this one.
            Err(Refusal::WrongLast) => match self.stream.get_from_leader(open.sequence + 1).await {
                Ok(Some(found)) if found.id == id => open.sequence += 1,
                Ok(_) => return Err(Failed::Overtaken),
                Err(error) => return Err(Failed::Unsure(error)),
            },
            Err(refusal) => return Err(self.classify(refusal)),
        }
        open.bytes += size as u64;
        Ok(())
    }

    fn patience(&self) -> Patience {
        Patience { each: ANSWER, all: self.settings.retry_for }
    }

    fn classify(&self, refusal: Refusal) -> Failed {
        match refusal {
            Refusal::WrongLast => Failed::Overtaken,
            Refusal::Full(error) => Failed::Refused(failure::refused("JetStream is full", error)),
            Refusal::Denied(error) => Failed::Refused(error),
            Refusal::Unknown(error) => Failed::Unsure(error),
        }
    }

    /// Refuses an append that would exceed the limit of the log.
    async fn check_room(&self, open: &mut OpenWriter, more: u64) -> Result<(), PortError> {
        let limit = self.settings.limit_bytes;
        if open.bytes + more > limit {
            // The log may have been trimmed since.
            open.bytes = self.info().await?.map_or(open.bytes, |info| info.state.bytes);
        }
        if open.bytes + more <= limit {
            return Ok(());
        }
        let text = format!(
            "{} is full: it holds {} of {limit} bytes; raise storage.log_megabytes, or see why it is not trimmed (history or \
             snapshots that lag hold it back)",
            self.stream.name, open.bytes
        );
        Err(PortError::new(ErrorKind::Unavailable, text))
    }

    /// Sets the writer's state after a write.
    fn finish_write(&self, writer: &mut Writer, open: OpenWriter, result: Result<(), Failed>) -> Result<(), PortError> {
        match result {
            Ok(()) => {
                *lock(&self.ownership) = Some(open.ownership());
                *writer = Writer::Open(open);
                Ok(())
            }
            Err(Failed::Refused(error)) => {
                // Parts accepted before the refusal stay in the stream as an unfinished append.
                *writer = Writer::Open(OpenWriter { appends: open.appends + 1, ..open });
                Err(error)
            }
            Err(Failed::Overtaken) => {
                self.drop_ownership(&open.id);
                *writer = Writer::Lost;
                Err(conflict(&self.stream.name))
            }
            Err(Failed::Unsure(error)) => {
                *writer = Writer::Unsure;
                Err(error)
            }
        }
    }
}

/// Why a message is not in the log.
enum Failed {
    /// Another writer has written.
    Overtaken,
    /// It is not in the log. The next append may succeed.
    Refused(PortError),
    /// The result is unknown.
    Unsure(PortError),
}

fn conflict(name: &str) -> PortError {
    PortError::new(ErrorKind::Conflict, format!("another writer has taken {name} over"))
}

/// The error for a stream whose messages were all deleted, so that the next event is unknown.
fn emptied_error(stream: &LogStream) -> PortError {
    let text = format!(
        "the stream {} was emptied by something else than Earcon, so nothing says which event comes next; delete it to \
         begin a new log",
        stream.name
    );
    PortError::new(ErrorKind::Corrupt, text)
}
