//! Encoding of an append in the stream.
//!
//! An append is `postcard(event) × count`, split into messages of the server's maximum size. These
//! *parts* have consecutive sequences, because each expects the previous one to be the last. Every
//! message carries a [`Position`]. An append counts once its last part is stored. A *fence* is a
//! message without events; a writer takes the log over with it. It holds the epochs of the log, and
//! every append names its writer's newest fence. A *halt* has no position: it only advances the
//! stream, so that the present writer is refused.

use std::fmt::Write;
use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use bytes::Bytes;

use earcon_model::{Event, Seq};
use earcon_ports::{EpochStart, Epochs, ErrorKind, PortError};

/// The header with the [`Position`].
pub(super) const POSITION_HEADER: &str = "Earcon-Log";
/// The one version that this program writes and reads.
const VERSION: u64 = 1;

/// The position of a message in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The first event of the append. For a fence, the next event.
    pub(super) seq: Seq,
    /// Events in the append. 0 for a fence.
    pub(super) count: u64,
    /// Number of this part of the append, from 0.
    pub(super) part: u64,
    /// Parts of the append, at least 1.
    pub(super) parts: u64,
    /// Commit time of its first event, milliseconds UTC. For a fence, that of the last event before
    /// it.
    pub(super) first_time_ms: i64,
    /// Commit time of its last event.
    pub(super) last_time_ms: i64,
    /// The stream's sequence of the writer's newest fence. 0 for a fence.
    pub(super) fence: u64,
}

impl Position {
    /// The position of a fence.
    pub(super) fn fence(next: Seq, last_time_ms: i64) -> Self {
        Self { seq: next, count: 0, part: 0, parts: 1, first_time_ms: last_time_ms, last_time_ms, fence: 0 }
    }

    /// The position of the first part of an append of `events`, by a writer whose newest fence is
    /// `fence`. `None` if there are no events.
    pub(super) fn from_events(events: &[Arc<Event>], parts: u64, fence: u64) -> Option<Self> {
        let (first, last) = (events.first()?, events.last()?);
        let times = (first.time_ms, last.time_ms);
        let count = events.len() as u64;
        Some(Self { seq: first.seq, count, part: 0, parts, first_time_ms: times.0, last_time_ms: times.1, fence })
    }

    pub(super) fn is_fence(&self) -> bool {
        self.count == 0
    }

    pub(super) fn is_last_part(&self) -> bool {
        self.part + 1 == self.parts
    }

    /// The next event after this message.
    pub(super) fn next(&self) -> Seq {
        if self.is_last_part() { self.seq + self.count } else { self.seq }
    }

    pub(super) fn to_header(self) -> String {
        let Self { seq, count, part, parts, first_time_ms, last_time_ms, fence } = self;
        format!("{VERSION} {seq} {count} {part} {parts} {first_time_ms} {last_time_ms} {fence}")
    }

    /// The position in `headers`; `None` for a halt.
    pub(super) fn read(headers: &HeaderMap) -> Result<Option<Self>, PortError> {
        let Some(text) = headers.get(POSITION_HEADER) else { return Ok(None) };
        let position = Self::parse(text.as_str()).ok_or_else(|| {
            let mut context = "a message of the log has a position this version cannot read: ".to_owned();
            let _never_fails = write!(context, "{:?}", text.as_str()).is_err();
            PortError::new(ErrorKind::Corrupt, context)
        })?;
        Ok(Some(position))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(' ');
        (fields.next()?.parse() == Ok(VERSION)).then_some(())?;
        let mut number = || fields.next()?.parse::<u64>().ok();
        let (seq, count, part, parts) = (number()?, number()?, number()?, number()?);
        let (first_time_ms, last_time_ms) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let fence = fields.next()?.parse().ok()?;
        let sound = part < parts && seq.checked_add(count).is_some() && fields.next().is_none();
        sound.then_some(Self { seq, count, part, parts, first_time_ms, last_time_ms, fence })
    }
}

/// The message id `writer.append.part`, which names the writer and its append. The server drops
/// repetitions of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MessageId(String);

impl MessageId {
    pub(super) fn new(writer: &str, append: u64, part: u64) -> Self {
        Self(format!("{writer}.{append}.{part}"))
    }

    /// The id in `headers`. Empty if there is none, which matches no writer.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        Self(headers.get(NATS_MESSAGE_ID).map(|id| id.as_str().to_owned()).unwrap_or_default())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn writer(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// The common prefix of all parts of one append.
    pub(super) fn append(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(append, _)| append)
    }
}

/// Encodes the events one after the other.
///
/// # Errors
/// `Invalid` when an event cannot be encoded.
pub(super) fn encode(events: &[Arc<Event>]) -> Result<Bytes, PortError> {
    let mut bytes = Vec::with_capacity(events.len() * 256);
    for event in events {
        bytes = postcard::to_extend(event.as_ref(), bytes)
            .map_err(|error| PortError::caused(ErrorKind::Invalid, "an event cannot be encoded", error))?;
    }
    Ok(bytes.into())
}

/// Decodes all `count` events of an append.
///
/// # Errors
/// `Corrupt` when the bytes do not hold exactly these events.
pub(super) fn decode(bytes: &[u8], count: u64) -> Result<Vec<Arc<Event>>, PortError> {
    let corrupt = || PortError::new(ErrorKind::Corrupt, "an append of the log cannot be read");
    // An event takes more than one byte. A larger count is damage and must not size an allocation.
    let count = usize::try_from(count).ok().filter(|count| *count <= bytes.len()).ok_or_else(corrupt)?;
    let mut events = Vec::with_capacity(count);
    let mut rest = bytes;
    for _ in 0..count {
        let (event, tail) = postcard::take_from_bytes::<Event>(rest).map_err(|_| corrupt())?;
        events.push(Arc::new(event));
        rest = tail;
    }
    if rest.is_empty() { Ok(events) } else { Err(corrupt()) }
}

/// Encodes the epochs of a log, for a fence.
///
/// # Errors
/// `Invalid` when they cannot be encoded.
pub(super) fn encode_epochs(epochs: &Epochs) -> Result<Bytes, PortError> {
    let starts: Vec<(&str, Seq)> = epochs.starts().map(|start| (&*start.epoch, start.first)).collect();
    postcard::to_stdvec(&starts)
        .map(Bytes::from)
        .map_err(|error| PortError::caused(ErrorKind::Invalid, "the epochs of a log cannot be encoded", error))
}

/// Decodes the epochs in a fence.
///
/// # Errors
/// `Corrupt` when the bytes do not hold the epochs of a log.
pub(super) fn decode_epochs(bytes: &[u8]) -> Result<Epochs, PortError> {
    let starts: Option<Vec<(String, Seq)>> = postcard::from_bytes(bytes).ok();
    let starts = starts.unwrap_or_default().into_iter().map(|(epoch, first)| EpochStart { epoch, first });
    Epochs::from_starts(starts.collect())
        .ok_or_else(|| PortError::new(ErrorKind::Corrupt, "the epochs of a log cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{KpiEvent, KpiName};

    fn event(seq: Seq) -> Arc<Event> {
        let body = KpiEvent::Parked { reason: "x".repeat(seq as usize) };
        Arc::new(Event::new(seq, seq as i64 - 20, KpiName::new("k").unwrap(), body))
    }

    #[test]
    fn position_round_trips_and_other_text_is_refused() {
        let position = Position { part: 2, ..Position::from_events(&[event(3), event(4)], 5, 8).unwrap() };
        assert_eq!(Position::parse(&position.to_header()), Some(position));
        assert_eq!(position.to_header(), "1 3 2 2 5 -17 -16 8");
        let fence = Position::fence(9, i64::MIN);
        assert_eq!(Position::parse(&fence.to_header()), Some(fence));
        assert!(fence.is_fence() && fence.next() == 9);
        for wrong in [
            "",
            "2 3 2 2 5 0 0 0",
            "0 3 2 2 5 0 0 0",
            "1 3 2 5 5 0 0 0",
            "1 3 2 2 5 0 0",
            "1 3 2 2 5 0 0 0 0",
            "1 3 -2 2 5 0 0 0",
        ] {
            assert_eq!(Position::parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(Position::parse(&format!("1 {} 2 0 1 0 0 0", u64::MAX)), None);
    }

    #[test]
    fn only_the_last_part_advances_the_log() {
        let first = Position::from_events(&[event(3), event(4)], 2, 1).unwrap();
        assert_eq!(first.next(), 3);
        assert_eq!(Position { part: 1, ..first }.next(), 5);
    }

    #[test]
    fn damage_is_an_error() {
        let events = [event(5), event(6)];
        let bytes = encode(&events).unwrap();
        assert_eq!(decode(&bytes, 2).unwrap(), events);
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut], 2).unwrap_err().kind, ErrorKind::Corrupt, "cut at {cut}");
        }
        assert!(decode(&bytes, 1).is_err() && decode(&bytes, 3).is_err() && decode(&bytes, u64::MAX).is_err());
    }

    #[test]
    fn epochs_round_trip_and_damage_is_an_error() {
        let mut epochs = Epochs::new("a", 1);
        epochs.begin("b", 7);
        let bytes = encode_epochs(&epochs).unwrap();
        assert_eq!(decode_epochs(&bytes).unwrap(), epochs);
        for cut in 0..bytes.len() {
            assert_eq!(decode_epochs(&bytes[..cut]).unwrap_err().kind, ErrorKind::Corrupt, "cut at {cut}");
        }
    }

    #[test]
    fn ids_name_writer_and_append() {
        let id = MessageId::new("w", 4, 2);
        assert_eq!((id.as_str(), id.writer(), id.append()), ("w.4.2", "w", "w.4"));
    }
}
