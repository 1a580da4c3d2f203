//! Writing: taking the log over, and appending to it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::header::{HeaderMap, NATS_EXPECTED_LAST_SEQUENCE};
use async_nats::jetstream::stream::Info;
use bytes::Bytes;

use super::frame::{self, MessageId, PLACE, Place};
use super::lock;
use super::workspace_log::{Own, WorkspaceLog, emptied};
use crate::failure;
use crate::publish::{Outgoing, Patience, Refusal, publish};
use earcon_model::{Event, Seq};
use earcon_ports::{ErrorKind, LogHead, PortError};

/// How long to wait for one answer before asking again, which costs nothing but the message.
const ANSWER: Duration = Duration::from_secs(2);
/// Bytes of a message besides its payload: subject, headers, and what the server adds.
const OVERHEAD: usize = 512;
/// Refused fences after which the present writer is stopped, because it writes faster than it can be caught up with.
const POLITE: u32 = 3;

/// What this process is to the log.
#[derive(Debug)]
pub(super) enum Writer {
    /// It has not opened it.
    Closed,
    /// It is the writer.
    Open(Open),
    /// Somebody else has taken over.
    Lost,
    /// An append failed without anybody knowing whether it is in the log.
    Unsure,
}

/// The state of a writer.
#[derive(Debug, Clone)]
pub(super) struct Open {
    /// Its name, in its message ids.
    id: String,
    next: Seq,
    /// The stream's last sequence.
    sequence: u64,
    last_time_ms: i64,
    /// Messages ids were given to this many appends and fences.
    appends: u64,
    /// About how large the stream is.
    bytes: u64,
}

impl WorkspaceLog {
    /// Takes the log over, making it if there is none.
    pub(super) async fn open(&self) -> Result<LogHead, PortError> {
        let mut writer = self.writer.lock().await;
        self.stream.prepare(&self.settings).await?;
        let mut refused = 0;
        loop {
            let Some(info) = self.info().await? else {
                return Err(failure::unanswered("cannot open the log", "its stream is gone again"));
            };
            let mut open = self.catch_up(&info).await?;
            match self.fence(&mut open).await {
                Ok(()) => {
                    let head = self.head_at(&info, open.next).await?;
                    *lock(&self.own) = Some(open.own());
                    *writer = Writer::Open(open);
                    return Ok(head);
                }
                Err(Failed::Overtaken) => refused += 1,
                Err(Failed::Refused(error) | Failed::Unsure(error)) => return Err(error),
            }
            if refused >= POLITE {
                self.halt(&open).await?;
            }
        }
    }

    /// A new writer that knows where the stream ends.
    async fn catch_up(&self, info: &Info) -> Result<Open, PortError> {
        let sequence = info.state.last_sequence;
        let mut place = None;
        if sequence > 0 {
            let last = self.stream.get_from_leader(sequence).await?;
            place = match last {
                Some(last) => self.place_before(last).await?,
                None if info.state.messages == 0 => return Err(emptied(&self.stream)),
                None => return Err(failure::unanswered("cannot open the log", "its last message cannot be read yet")),
            };
        }
        Ok(Open {
            id: uuid::Uuid::new_v4().simple().to_string(),
            next: place.map_or(1, |place| place.next()),
            sequence,
            last_time_ms: place.map_or(i64::MIN, |place| place.last_time_ms),
            appends: 0,
            bytes: info.state.bytes,
        })
    }

    /// Moves the stream on whatever it holds, so that its present writer is refused.
    async fn halt(&self, open: &Open) -> Result<(), PortError> {
        let id = MessageId::new(&open.id, u64::MAX, 0).as_str().to_owned();
        let (subject, headers) = (self.stream.subject.clone(), HeaderMap::new());
        match publish(&self.client, &Outgoing { subject, id, headers, payload: Bytes::new() }, self.patience()).await {
            Ok(_) => Ok(()),
            Err(refusal) => Err(match self.judge(refusal) {
                Failed::Overtaken => conflict(&self.stream.name),
                Failed::Refused(error) | Failed::Unsure(error) => error,
            }),
        }
    }

    async fn fence(&self, open: &mut Open) -> Result<(), Failed> {
        let place = Place::fence(open.next, open.last_time_ms);
        self.send(open, place, Bytes::new()).await?;
        open.appends += 1;
        Ok(())
    }

    /// Puts a fence behind the last append, if this process is the writer; gives the sequence of the fence that the log ends
    /// with then.
    pub(super) async fn fence_behind_last(&self) -> Result<Option<u64>, PortError> {
        let mut writer = self.writer.lock().await;
        let Writer::Open(open) = &*writer else { return Ok(None) };
        let mut open = open.clone();
        let result = self.fence(&mut open).await;
        let sequence = open.sequence;
        self.settle(&mut writer, open, result).map(|()| Some(sequence))
    }

    /// Appends `events`; see the port.
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
            lock(&self.index).saw(first.seq, before + 1);
        }
        self.settle(&mut writer, open, result)
    }

    /// Sends an append, cut to what the server takes.
    async fn send_parts(&self, open: &mut Open, events: &[Arc<Event>], bytes: Bytes) -> Result<(), Failed> {
        let largest = self.client.server_info().max_payload.saturating_sub(OVERHEAD).max(1);
        let parts = bytes.len().div_ceil(largest).max(1);
        let Some(place) = Place::of(events, parts as u64) else { return Ok(()) };
        for part in 0..parts {
            let payload = bytes.slice(part * largest..bytes.len().min((part + 1) * largest));
            self.send(open, Place { part: part as u64, ..place }, payload).await?;
        }
        open.appends += 1;
        open.next = place.seq + place.count;
        open.last_time_ms = place.last_time_ms;
        Ok(())
    }

    /// Sends one message, which has to follow the last one.
    async fn send(&self, open: &mut Open, place: Place, payload: Bytes) -> Result<(), Failed> {
        let id = MessageId::new(&open.id, open.appends, place.part);
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SEQUENCE, open.sequence.to_string());
        headers.insert(PLACE, place.to_header());
        let size = payload.len() + OVERHEAD;
        let message = Outgoing { subject: self.stream.subject.clone(), id: id.as_str().to_owned(), headers, payload };
        match publish(&self.client, &message, self.patience()).await {
            Ok(sequence) => open.sequence = sequence,
            // Perhaps it is an earlier copy of this message that stands there.
            Err(Refusal::WrongLast) => match self.stream.get_from_leader(open.sequence + 1).await {
                Ok(Some(found)) if found.id == id => open.sequence += 1,
                Ok(_) => return Err(Failed::Overtaken),
                Err(error) => return Err(Failed::Unsure(error)),
            },
            Err(refusal) => return Err(self.judge(refusal)),
        }
        open.bytes += size as u64;
        Ok(())
    }

    fn patience(&self) -> Patience {
        Patience { each: ANSWER, all: self.settings.retry_for }
    }

    fn judge(&self, refusal: Refusal) -> Failed {
        match refusal {
            Refusal::WrongLast => Failed::Overtaken,
            Refusal::Full(error) => Failed::Refused(failure::refused("JetStream is full", error)),
            Refusal::Denied(error) => Failed::Refused(error),
            Refusal::Unknown(error) => Failed::Unsure(error),
        }
    }

    /// Refuses what would make the log larger than it may be.
    async fn check_room(&self, open: &mut Open, more: u64) -> Result<(), PortError> {
        let limit = self.settings.limit_bytes;
        if open.bytes + more > limit {
            // It may have been trimmed since.
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

    /// What the writer is after it has sent something.
    fn settle(&self, writer: &mut Writer, open: Open, result: Result<(), Failed>) -> Result<(), PortError> {
        match result {
            Ok(()) => {
                *lock(&self.own) = Some(open.own());
                *writer = Writer::Open(open);
                Ok(())
            }
            Err(Failed::Refused(error)) => {
                // Parts that were taken before the refusal are in the stream, and for ever unfinished.
                *writer = Writer::Open(Open { appends: open.appends + 1, ..open });
                Err(error)
            }
            Err(Failed::Overtaken) => {
                self.disown(&open.id);
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

impl Open {
    fn own(&self) -> Own {
        Own { writer: self.id.clone(), next: self.next, sequence: self.sequence }
    }
}

/// Why a message is not in the log.
enum Failed {
    /// Somebody else has written.
    Overtaken,
    /// It is not in the log, and the next one may be.
    Refused(PortError),
    /// Nobody knows.
    Unsure(PortError),
}

fn conflict(name: &str) -> PortError {
    PortError::new(ErrorKind::Conflict, format!("somebody else has taken {name} over"))
}
