//! Encoding of consecutive events in one stored value, a *frame*: a header, then the events.
//!
//! `version u8 | count u32 | first commit time i64 | last commit time i64 | postcard(event) ×
//! count`, little endian.

use std::sync::Arc;

use crate::database::corrupt;
use earcon_model::{Event, Seq};
use earcon_ports::{ErrorKind, PortError};

const VERSION: u8 = 1;
const HEADER: usize = 21;

/// A frame is closed once it has this many bytes, so that reading a few events of a huge append
/// decodes only a part of it.
pub(super) const FRAME_BYTES: usize = 1 << 20;

/// Fields of a frame that can be read without decoding its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) count: u32,
    pub(super) first_time_ms: i64,
    pub(super) last_time_ms: i64,
}

/// Splits `events` into frames of about [`FRAME_BYTES`] at most. Returns each with its first
/// sequence number.
///
/// # Errors
/// `Invalid` when an event cannot be encoded.
pub(super) fn encode(events: &[Arc<Event>]) -> Result<Vec<(Seq, Vec<u8>)>, PortError> {
    let mut frames = Vec::with_capacity(1);
    let mut rest = events;
    while let Some(first) = rest.first() {
        let mut bytes = vec![0; HEADER];
        let mut count = 0;
        while count < rest.len() && (count == 0 || bytes.len() < FRAME_BYTES) {
            bytes = postcard::to_extend(rest[count].as_ref(), bytes)
                .map_err(|error| PortError::caused(ErrorKind::Invalid, "an event cannot be encoded", error))?;
            count += 1;
        }
        write_header(&mut bytes, count, first.time_ms, rest[count - 1].time_ms)?;
        frames.push((first.seq, bytes));
        rest = &rest[count..];
    }
    Ok(frames)
}

fn write_header(bytes: &mut [u8], count: usize, first_time_ms: i64, last_time_ms: i64) -> Result<(), PortError> {
    let count =
        u32::try_from(count).map_err(|_| PortError::new(ErrorKind::Invalid, "too many events in one append"))?;
    bytes[0] = VERSION;
    bytes[1..5].copy_from_slice(&count.to_le_bytes());
    bytes[5..13].copy_from_slice(&first_time_ms.to_le_bytes());
    bytes[13..21].copy_from_slice(&last_time_ms.to_le_bytes());
    Ok(())
}

/// Reads only the header.
pub(super) fn header(bytes: &[u8]) -> Result<FrameHeader, PortError> {
    let [version, rest @ ..] = bytes else { return Err(corrupt("a frame of the log")) };
    let (Some((count, rest)), VERSION) = (rest.split_first_chunk(), *version) else {
        return Err(corrupt("a frame of the log"));
    };
    let (Some((first, rest)), true) = (rest.split_first_chunk(), rest.len() >= 16) else {
        return Err(corrupt("a frame of the log"));
    };
    let last = rest.first_chunk().ok_or_else(|| corrupt("a frame of the log"))?;
    Ok(FrameHeader {
        count: u32::from_le_bytes(*count),
        first_time_ms: i64::from_le_bytes(*first),
        last_time_ms: i64::from_le_bytes(*last),
    })
}

/// All events of a frame.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Arc<Event>>, PortError> {
    let count = header(bytes)?.count as usize;
    let mut rest = &bytes[HEADER..];
    // An event takes more than one byte. A larger count is damage and must not size an allocation.
    let mut events = Vec::with_capacity(count.min(rest.len()));
    for _ in 0..count {
        let (event, tail) = postcard::take_from_bytes::<Event>(rest).map_err(|_| corrupt("an event of the log"))?;
        events.push(Arc::new(event));
        rest = tail;
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{KpiEvent, KpiName};

    fn event(seq: Seq, time_ms: i64, text: usize) -> Arc<Event> {
        let body = KpiEvent::Parked { reason: "x".repeat(text) };
        Arc::new(Event::new(seq, time_ms, KpiName::new("k").unwrap(), body))
    }

    #[test]
    fn frame_decodes_to_its_events_and_header() {
        let events = vec![event(5, 100, 3), event(6, 101, 0), event(7, 140, 9)];
        let frames = encode(&events).unwrap();
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].0, 5);
        assert_eq!(header(&frames[0].1).unwrap(), FrameHeader { count: 3, first_time_ms: 100, last_time_ms: 140 });
        assert_eq!(decode(&frames[0].1).unwrap(), events);
    }

    #[test]
    fn large_append_is_split_into_frames_without_a_gap() {
        let events: Vec<_> = (1..=40).map(|seq| event(seq, 0, 100_000)).collect();
        let frames = encode(&events).unwrap();
        assert!(frames.len() > 3 && frames.iter().all(|(_, bytes)| bytes.len() < FRAME_BYTES + 200_000));
        let joined: Vec<_> = frames.iter().flat_map(|(_, bytes)| decode(bytes).unwrap()).collect();
        assert_eq!(joined, events);
    }

    #[test]
    fn damage_is_an_error() {
        let bytes = encode(&[event(1, 1, 30), event(2, 2, 30)]).unwrap().remove(0).1;
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]).unwrap_err().kind, ErrorKind::Corrupt, "cut at {cut}");
        }
        let mut newer = bytes;
        newer[0] = 9;
        assert_eq!(decode(&newer).unwrap_err().kind, ErrorKind::Corrupt);
    }
}
